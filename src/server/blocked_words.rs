//! Words that prompts may not have: a list of the operator's.

use crate::protocol::{ClientMessage, ErrorCode, ErrorMessage};

/// What people are told; the word is not said again.
const HELD_BACK: &str = "Nothing was painted: whoever runs this server does not allow a word of that \
                         prompt. Write it without.";

/// Words and phrases that no prompt may have, whatever their letters' case and what stands between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedWords {
    /// Each as its words.
    phrases: Vec<Vec<String>>,
}

impl BlockedWords {
    /// One word or phrase a line; what follows a `#` is a note.
    pub fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or(""));
        let phrases = lines.map(words_of).filter(|words| !words.is_empty());
        Self {
            phrases: phrases.collect(),
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

/// Letters and digits in small letters; everything else stands between words.
fn words_of(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{SettingsPatch, decode_client_message};

    fn blocked() -> BlockedWords {
        BlockedWords::parse("# not here\nGore\n\nred  Cross # a sign\nÜbel\n")
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
        assert!(BlockedWords::default().check("gore").is_ok());
        assert!(BlockedWords::parse("# nothing\n \n").is_empty());
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
