//! Words that prompts may not have: a list of the operator's.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::protocol::{ClientMessage, ErrorCode, ErrorMessage};

/// What people are told; the word is not said again.
const HELD_BACK: &str = "Nothing was painted: whoever runs this server does not allow a word of that \
                         prompt. Write it without.";

/// A list that would not block what it is meant to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockedWordsError {
    /// A line of signs alone: no prompt could be told to have it.
    #[error("line {0} has neither a letter nor a digit: write a word there, or begin it with #")]
    NoWord(usize),
    /// Nothing but notes.
    #[error("it names no word: write one a line")]
    Empty,
}

/// Words and phrases that no prompt may have, whatever their letters' case and form and what stands
/// between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedWords {
    /// Each as its words.
    phrases: Vec<Vec<String>>,
}

impl BlockedWords {
    /// One word or phrase a line; what follows a `#` is a note.
    ///
    /// # Errors
    /// When a line has no word in it, or all of them are notes.
    pub fn parse(text: &str) -> Result<Self, BlockedWordsError> {
        let lines = text
            .trim_start_matches('\u{feff}')
            .lines()
            .map(|line| line.split('#').next().unwrap_or("").trim());
        let phrases = lines
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
            .map(|(index, line)| match words_of(line) {
                words if words.is_empty() => Err(BlockedWordsError::NoWord(index + 1)),
                words => Ok(words),
            })
            .collect::<Result<Vec<_>, _>>()?;
        match phrases.is_empty() {
            true => Err(BlockedWordsError::Empty),
            false => Ok(Self { phrases }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.phrases.len()
    }

    /// Whether every prompt is allowed.
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// Refuses a prompt that has one of them.
    ///
    /// # Errors
    /// `prompt_blocked`.
    pub fn check(&self, prompt: &str) -> Result<(), ErrorMessage> {
        if self.phrases.is_empty() {
            return Ok(());
        }
        let words = words_of(prompt);
        let is_in = |phrase: &Vec<String>| words.windows(phrase.len()).any(|part| part == phrase);
        match self.phrases.iter().any(is_in) {
            true => Err(ErrorMessage::new(ErrorCode::PromptBlocked, HELD_BACK)),
            false => Ok(()),
        }
    }

    /// Refuses a message whose prompt has one of them. What a negative prompt names is kept out of
    /// the picture, so it may name anything.
    ///
    /// # Errors
    /// `prompt_blocked`, about the stroke where it is one's.
    pub fn check_message(&self, message: &ClientMessage) -> Result<(), ErrorMessage> {
        let prompt = match message {
            ClientMessage::Settings(patch) => patch.prompt.as_deref(),
            ClientMessage::Place(placement) => placement.prompt.as_deref(),
            ClientMessage::Stroke(chunk) => {
                let prompt = chunk
                    .brush
                    .as_ref()
                    .and_then(|brush| brush.prompt.as_deref());
                let checked = self.check(prompt.unwrap_or_default());
                return checked.map_err(|error| error.about(chunk.id.clone()));
            }
            _ => None,
        };
        self.check(prompt.unwrap_or_default())
    }
}

/// Letters and digits in small letters and in one form (Unicode's NFKC); everything else stands between
/// words.
fn words_of(text: &str) -> Vec<String> {
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{SettingsPatch, decode_client_message};

    fn blocked() -> BlockedWords {
        BlockedWords::parse("# not here\nGore\n\nred  Cross # a sign\nÜbel\n").unwrap()
    }

    #[test]
    fn whole_words_are_found_however_they_are_written() {
        let list = blocked();
        assert_eq!(list.len(), 3);
        for prompt in [
            "gore",
            "a (GORE:1.3) scene",
            "the red-cross",
            "(red) cross!",
            "übel",
            // A letter and its dots, full width, and a sign that stands for letters.
            "u\u{308}bel",
            "ｇｏｒｅ",
            "Ⓖore",
        ] {
            let error = list.check(prompt).unwrap_err();
            assert_eq!(error.code, ErrorCode::PromptBlocked, "{prompt}");
            assert!(!error.message.to_lowercase().contains("gore"));
        }
        for prompt in [
            "",
            "gorey hills",
            "red and cross",
            "a cross, red",
            "not a note: here",
        ] {
            assert!(list.check(prompt).is_ok(), "{prompt}");
        }
        assert!(BlockedWords::default().is_empty());
        assert!(BlockedWords::default().check("gore").is_ok());
    }

    #[test]
    fn a_list_that_blocks_nothing_or_less_than_it_says_is_refused() {
        let refused = |text| BlockedWords::parse(text).unwrap_err();
        assert_eq!(refused("# nothing\n \n"), BlockedWordsError::Empty);
        assert_eq!(refused("gore\n\n!!! # no\n"), BlockedWordsError::NoWord(3));
        let marked = BlockedWords::parse("\u{feff}# a note\r\ngore\r\n").unwrap();
        assert_eq!(marked.len(), 1);
    }

    #[test]
    fn every_message_with_a_prompt_is_looked_at_and_no_negative_prompt() {
        let list = blocked();
        let stroke = r##"{"type":"stroke","id":"s","tool":"brush","size":9,"hardness":1,"opacity":1,
            "color":"#102030","prompt":"gore","points":[[1,1,1]]}"##;
        let stroke = decode_client_message(stroke).unwrap();
        let error = list.check_message(&stroke).unwrap_err();
        assert_eq!(error.id.as_deref(), Some("s"));
        let place = r#"{"type":"place","image":"a","mode":"invert","prompt":"Gore"}"#;
        assert!(
            list.check_message(&decode_client_message(place).unwrap())
                .is_err()
        );
        let words = |prompt, negative| {
            ClientMessage::Settings(SettingsPatch {
                prompt,
                negative_prompt: negative,
                ..SettingsPatch::default()
            })
        };
        let gore = || Some("gore".to_owned());
        assert!(list.check_message(&words(gore(), None)).is_err());
        assert!(list.check_message(&words(None, gore())).is_ok());
        assert!(list.check_message(&ClientMessage::Apply {}).is_ok());
    }
}
