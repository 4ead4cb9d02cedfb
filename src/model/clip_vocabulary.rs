//! CLIP's own vocabulary, which all of Stable Diffusion 1, 2 and SDXL were trained with: the rules
//! that join its bytes to words, from which the words follow.
//!
//! `clip_vocabulary/merges.txt.gz` is OpenAI's (MIT, see the licence beside it).

use std::io::{self, Read};

use flate2::read::GzDecoder;

const MERGES: &[u8] = include_bytes!("clip_vocabulary/merges.txt.gz");
/// The token that begins a prompt.
pub(super) const BEGIN: &str = "<|startoftext|>";
/// The token that ends a prompt.
pub(super) const END: &str = "<|endoftext|>";

/// The vocabulary, unpacked.
pub(super) struct ClipVocabulary {
    /// `merges.txt` as transformers has it.
    pub text: String,
    /// Every word, at the place that is its number.
    pub words: Vec<String>,
    /// What is joined, the most frequent first.
    pub merges: Vec<(String, String)>,
}

impl ClipVocabulary {
    /// Unpacks it.
    ///
    /// # Errors
    /// When the packed rules are damaged.
    pub fn unpack() -> io::Result<Self> {
        let mut text = String::new();
        GzDecoder::new(MERGES).read_to_string(&mut text)?;
        let rules = text.lines().filter_map(|line| line.split_once(' '));
        let merges: Vec<(String, String)> = rules
            .filter(|(left, _)| *left != "#version:")
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .collect();
        let mut words: Vec<String> = letters().map(String::from).collect();
        words.extend(letters().map(|letter| format!("{letter}</w>")));
        words.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
        words.extend([BEGIN, END].map(str::to_owned));
        Ok(Self {
            text,
            words,
            merges,
        })
    }

    /// `vocab.json` as transformers has it.
    pub fn vocab_json(&self) -> String {
        let entries = self.words.iter().enumerate();
        let entries: Vec<String> = entries
            .map(|(number, word)| format!("{}:{number}", serde_json::Value::from(word.as_str())))
            .collect();
        format!("{{{}}}\n", entries.join(","))
    }
}

/// A letter for each byte: those that can be seen stand for themselves and come first, the others
/// have letters from 256 on.
fn letters() -> impl Iterator<Item = char> {
    let seen = |byte: &u32| {
        (0x21..=0x7e).contains(byte) || (0xa1..=0xac).contains(byte) || (0xae..=0xff).contains(byte)
    };
    let unseen = (0u32..256).filter(move |byte| !seen(byte)).count() as u32;
    (0u32..256)
        .filter(seen)
        .chain(256..256 + unseen)
        .filter_map(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_have_clips_numbers() {
        let clip = ClipVocabulary::unpack().unwrap();
        assert_eq!((clip.words.len(), clip.merges.len()), (49408, 48894));
        for (word, number) in [
            ("!", 0),
            ("a</w>", 320),
            ("photo</w>", 1125),
            ("of</w>", 539),
            ("cat</w>", 2368),
            (BEGIN, 49406),
            (END, 49407),
        ] {
            assert_eq!(clip.words[number], word);
        }
        let json: serde_json::Value = serde_json::from_str(&clip.vocab_json()).unwrap();
        assert_eq!(json["cat</w>"], 2368);
        assert_eq!(json.as_object().unwrap().len(), 49408);
    }
}
