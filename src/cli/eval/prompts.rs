//! The prompts file, and the objects that its prompts name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Words that stand between things rather than name them.
const BETWEEN: &str = "a an the this that these those some any each every no and or but nor so of \
    in on at by to from with without under over above below behind beside besides between among \
    near into onto through across around along against before after during inside outside as like \
    for off up down out is are was were be been being has have had there it its his her their our \
    your my very one two three four five six seven eight nine ten many several few";

/// A prompt and what its picture should show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prompt {
    /// The prompt.
    pub prompt: String,
    /// The objects that recall looks for.
    pub objects: Vec<String>,
    /// Who named them.
    pub objects_from: ObjectsFrom,
}

/// Where a prompt's objects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectsFrom {
    /// The prompts file lists them.
    File,
    /// The words of the prompt between articles, prepositions and commas: a rule of thumb.
    Prompt,
}

/// Why there are no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// The file cannot be read.
    #[error("cannot read {} ({source}): give --prompts a text file with one prompt on each line", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A line that begins with `{` is not what it seems.
    #[error(
        "{}, line {line}: {reason}; write {{\"prompt\": \"…\", \"objects\": [\"…\"]}} or plain text",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Nothing but comments and empty lines.
    #[error("{} has no prompts: write one on each line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A prompt as a line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    prompt: String,
    objects: Option<Vec<String>>,
}

/// Reads a file with one prompt on each line: plain text; text, a tab, and its objects between
/// commas; or `{"prompt": "…", "objects": ["…"]}`. Empty lines, and lines that begin with `#`, are
/// left out.
///
/// # Errors
/// When the file cannot be read, has no prompts, or a line is wrong.
pub fn read_prompts(path: &Path) -> Result<Vec<Prompt>, PromptsError> {
    let text = std::fs::read_to_string(path).map_err(|source| PromptsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut prompts = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let prompt = parse_line(line).map_err(|reason| PromptsError::Line {
            path: path.to_owned(),
            line: number,
            reason,
        })?;
        prompts.push(prompt);
    }
    if prompts.is_empty() {
        return Err(PromptsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(prompts)
}

fn parse_line(line: &str) -> Result<Prompt, String> {
    let (prompt, objects) = if line.starts_with('{') {
        let JsonLine { prompt, objects } =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        (prompt.trim().to_owned(), objects)
    } else {
        match line.split_once('\t') {
            Some((prompt, objects)) => (
                prompt.trim().to_owned(),
                Some(objects.split([',', '\t']).map(str::to_owned).collect()),
            ),
            None => (line.to_owned(), None),
        }
    };
    if prompt.is_empty() {
        return Err("the prompt is empty".to_owned());
    }
    let (objects, objects_from) = match objects {
        Some(objects) => (objects, ObjectsFrom::File),
        None => (objects_in(&prompt), ObjectsFrom::Prompt),
    };
    let mut unique: Vec<String> = Vec::new();
    for object in objects {
        let object = words(&object).join(" ");
        if !object.is_empty() && !unique.contains(&object) {
            unique.push(object);
        }
    }
    Ok(Prompt {
        prompt,
        objects: unique,
        objects_from,
    })
}

/// Runs of words between punctuation and the words of [`BETWEEN`].
fn objects_in(prompt: &str) -> Vec<String> {
    let mut objects = vec![Vec::new()];
    for part in prompt.split(|letter: char| ",.;:!?()[]\"“”/|".contains(letter)) {
        for word in words(part) {
            if BETWEEN.split_whitespace().any(|between| between == word) {
                objects.push(Vec::new());
            } else if let Some(object) = objects.last_mut() {
                object.push(word);
            }
        }
        objects.push(Vec::new());
    }
    objects
        .into_iter()
        .filter(|object| !object.is_empty())
        .map(|object| object.join(" "))
        .collect()
}

/// A text's words in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| {
            word.trim_matches(|letter: char| !letter.is_alphanumeric())
                .to_lowercase()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Prompt>, PromptsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prompts.txt");
        std::fs::write(&file, text).unwrap();
        read_prompts(&file)
    }

    #[test]
    fn all_three_kinds_of_lines() {
        let prompts = read(
            "\u{feff}# a comment\n\nred apple on a table\n  a boat at sea\tBoat, sea,,boat\n\
             {\"prompt\": \"two cats\", \"objects\": [\"cat\"]}\n{\"prompt\": \"the moon\"}\n",
        )
        .unwrap();
        let seen: Vec<(&str, Vec<&str>, ObjectsFrom)> = prompts
            .iter()
            .map(|prompt| {
                let objects = prompt.objects.iter().map(String::as_str).collect();
                (prompt.prompt.as_str(), objects, prompt.objects_from)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (
                    "red apple on a table",
                    vec!["red apple", "table"],
                    ObjectsFrom::Prompt
                ),
                ("a boat at sea", vec!["boat", "sea"], ObjectsFrom::File),
                ("two cats", vec!["cat"], ObjectsFrom::File),
                ("the moon", vec!["moon"], ObjectsFrom::Prompt),
            ]
        );
    }

    #[test]
    fn objects_stand_between_small_words_and_commas() {
        let objects = objects_in("A smiling cat, two pine-trees and the (old) Moon over hills");
        assert_eq!(
            objects,
            ["smiling cat", "pine-trees", "old", "moon", "hills"]
        );
        assert_eq!(objects_in("of the"), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |text| read(text).unwrap_err().to_string();
        assert!(told("# only this\n\n").contains("has no prompts"));
        assert!(told("apple\n{\"promt\": \"x\"}\n").contains("line 2"));
        assert!(told("{\"prompt\": \" \"}").contains("line 1"));
        let error = read_prompts(Path::new("/nowhere/prompts.txt")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/prompts.txt"));
    }
}
