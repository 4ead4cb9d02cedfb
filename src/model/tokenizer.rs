//! Prompts to token ids (`transformers.CLIPTokenizer`, over Hugging Face's tokenizers).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::models::bpe::{BPE, BpeBuilder, Vocab};
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    Lowercase, NFC, NormalizerWrapper, Replace, Sequence as Normalizers,
};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use super::clip_vocabulary::{BEGIN, ClipVocabulary, END};
use super::{ConfigFile, ModelError};

/// Words and the pieces around them, as CLIP's vocabulary was made.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// CLIP's byte-level BPE with its first, last and padding tokens.
pub struct ClipTokenizer {
    tokenizer: Tokenizer,
    folder: PathBuf,
    /// Of an added word that has several vectors (`<cat>`, `<cat>_1`, …) the ids of all of them.
    vectors: HashMap<u32, Vec<u32>>,
    begin: u32,
    end: u32,
    padding: u32,
    max_length: usize,
}

impl ClipTokenizer {
    /// The classes that [`ClipTokenizer::load`] can read.
    pub const CLASSES: [&'static str; 2] = ["CLIPTokenizer", "CLIPTokenizerFast"];

    /// Reads a `tokenizer` folder: `tokenizer.json`, or `vocab.json` and `merges.txt`. Prompts
    /// are at most `max_length` tokens long, first and last included: the text encoder's
    /// `max_position_embeddings`, or less where `tokenizer_config.json` says so.
    ///
    /// # Errors
    /// `Missing` when there are no such files, `Tokenizer` when they make no tokenizer.
    pub fn load(folder: &Path, max_length: usize) -> Result<Self, ModelError> {
        let names = SpecialNames::read(folder)?;
        let json = folder.join("tokenizer.json");
        let (tokenizer, path) = if json.is_file() {
            let tokenizer = Tokenizer::from_file(&json)
                .map_err(|error| refuse(&json, format!("cannot be read: {error}")))?;
            (tokenizer, json)
        } else {
            let vocab = folder.join("vocab.json");
            (tokenizer_from_vocab(folder, &names)?, vocab)
        };
        let mut tokenizer = tokenizer;
        let vectors = add_tokens(&mut tokenizer, folder)?;
        let found = Found {
            tokenizer,
            vectors,
            names,
            folder: folder.to_owned(),
            path,
        };
        Self::of(found, max_length)
    }

    /// CLIP's own vocabulary, for prompts of at most `max_length` tokens, first and last included.
    ///
    /// # Errors
    /// `Tokenizer` when that is less than two.
    pub fn of_clip(max_length: usize) -> Result<Self, ModelError> {
        let place = PathBuf::from("CLIP's own vocabulary");
        let clip = ClipVocabulary::unpack()
            .map_err(|error| refuse(&place, format!("cannot be unpacked: {error}")))?;
        let numbers = (0u32..).zip(clip.words);
        let vocab: Vocab = numbers.map(|(number, word)| (word, number)).collect();
        let bpe = BPE::builder().vocab_and_merges(vocab, clip.merges);
        let names = SpecialNames::usual();
        let found = Found {
            tokenizer: clip_tokenizer(bpe, &names, &place)?,
            vectors: HashMap::new(),
            names,
            folder: place.clone(),
            path: place,
        };
        Self::of(found, max_length)
    }

    /// The same tokenizer with the word of this number after the end of prompts.
    pub fn padded_with(self, padding: u32) -> Self {
        Self { padding, ..self }
    }

    fn of(found: Found, max_length: usize) -> Result<Self, ModelError> {
        let Found {
            mut tokenizer,
            vectors,
            names,
            folder,
            path,
        } = found;
        let id = |name: &str| {
            tokenizer.token_to_id(name).ok_or_else(|| {
                refuse(
                    &path,
                    format!("has no token {name:?}, which tokenizer_config.json names"),
                )
            })
        };
        let (begin, end, padding) = (id(&names.begin)?, id(&names.end)?, id(&names.padding)?);
        // Some folders say 10^30, which is transformers' "unlimited".
        let max_length = names
            .max_length
            .map_or(max_length, |own| max_length.min(own));
        if max_length < 2 {
            return Err(refuse(
                &folder,
                "prompts must have room for two tokens".to_owned(),
            ));
        }
        // Length is this type's business; a file may carry its own.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| refuse(&path, format!("cannot be set up: {error}")))?;
        Ok(Self {
            tokenizer,
            folder,
            vectors,
            begin,
            end,
            padding,
            max_length,
        })
    }

    /// The prompt's ids: first token, words (as many as fit), last token, padding; always
    /// [`ClipTokenizer::max_length`] in all.
    ///
    /// # Errors
    /// `Tokenizer` when the text cannot be split; CLIP's byte-level vocabularies split any text.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.window(&self.words(prompt)?))
    }

    /// One window of ids: first token, words (as many as fit), last token, padding; always
    /// [`ClipTokenizer::max_length`] in all.
    pub fn window(&self, words: &[u32]) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.max_length);
        ids.push(self.begin);
        ids.extend(words.iter().take(self.max_length - 2));
        ids.push(self.end);
        ids.resize(self.max_length, self.padding);
        ids
    }

    /// The ids of the prompt's words alone, however many.
    ///
    /// # Errors
    /// Those of [`ClipTokenizer::encode`].
    pub fn words(&self, prompt: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self
            .tokenizer
            .encode(prompt, false)
            .map_err(|error| refuse(&self.folder, format!("cannot split the prompt: {error}")))?;
        let ids = encoding.get_ids().iter();
        let all = ids.flat_map(|id| match self.vectors.get(id) {
            Some(vectors) => vectors.as_slice(),
            None => std::slice::from_ref(id),
        });
        Ok(all.copied().collect())
    }

    /// Adds a word that stands for these ids of the text encoder, in any case of its letters, as
    /// transformers adds words.
    ///
    /// # Errors
    /// `Tokenizer` when the vocabulary has the word already.
    pub fn add_word(&mut self, word: &str, ids: Vec<u32>) -> Result<(), ModelError> {
        let taken = [
            word.to_owned(),
            word.to_lowercase(),
            format!("{}</w>", word.to_lowercase()),
        ];
        if taken
            .iter()
            .any(|known| self.tokenizer.token_to_id(known).is_some())
        {
            let reason = format!("has the word {word:?} already: give another one with FILE:WORD");
            return Err(refuse(&self.folder, reason));
        }
        let token = AddedToken::from(word.to_owned(), false).normalized(true);
        self.tokenizer.add_tokens([token]).map_err(|error| {
            refuse(
                &self.folder,
                format!("cannot take the word {word:?}: {error}"),
            )
        })?;
        let own = self.tokenizer.token_to_id(word);
        if let Some(own) = own {
            self.vectors.insert(own, ids);
        }
        Ok(())
    }

    /// The word of this number.
    pub fn word(&self, number: u32) -> Option<String> {
        self.tokenizer.id_to_token(number)
    }

    /// Tokens in an encoded prompt.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The largest id that [`ClipTokenizer::encode`] can give, plus one.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer
            .get_vocab(true)
            .values()
            .max()
            .map_or(0, |id| *id as usize + 1)
    }
}

/// A tokenizer before its special tokens are looked up.
struct Found {
    tokenizer: Tokenizer,
    vectors: HashMap<u32, Vec<u32>>,
    names: SpecialNames,
    folder: PathBuf,
    /// What errors name.
    path: PathBuf,
}

/// The special tokens as text.
struct SpecialNames {
    begin: String,
    end: String,
    padding: String,
    unknown: String,
    max_length: Option<usize>,
}

impl SpecialNames {
    /// As in CLIP's own vocabulary.
    fn usual() -> Self {
        Self {
            begin: BEGIN.to_owned(),
            end: END.to_owned(),
            padding: END.to_owned(),
            unknown: END.to_owned(),
            max_length: None,
        }
    }

    fn read(folder: &Path) -> Result<Self, ModelError> {
        let mut files = Vec::new();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let path = folder.join(name);
            if path.is_file() {
                files.push(ConfigFile::read(&path)?);
            }
        }
        let text = |field: &str, usual: &str| {
            files
                .iter()
                .filter_map(|file| file.fields().get(field))
                // Either the text itself or an added token with its text as `content`.
                .find_map(|value| match value {
                    Value::Object(token) => token.get("content").and_then(Value::as_str),
                    value => value.as_str(),
                })
                .unwrap_or(usual)
                .to_owned()
        };
        let max_length = files
            .iter()
            .filter_map(|file| file.fields().get("model_max_length")?.as_u64())
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX))
            .next();
        let end = text("eos_token", END);
        Ok(Self {
            begin: text("bos_token", BEGIN),
            padding: text("pad_token", &end),
            unknown: text("unk_token", END),
            end,
            max_length,
        })
    }
}

/// The tokenizer that transformers builds when there is no `tokenizer.json`.
fn tokenizer_from_vocab(folder: &Path, names: &SpecialNames) -> Result<Tokenizer, ModelError> {
    let (vocab, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    for path in [&vocab, &merges] {
        if !path.is_file() {
            return Err(ModelError::Missing {
                path: path.clone(),
                hint: "a tokenizer is tokenizer.json, or vocab.json and merges.txt".to_owned(),
            });
        }
    }
    let bpe = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy());
    clip_tokenizer(bpe, names, &vocab)
}

/// A tokenizer of CLIP's kind. `path` is what errors name.
fn clip_tokenizer(
    bpe: BpeBuilder,
    names: &SpecialNames,
    path: &Path,
) -> Result<Tokenizer, ModelError> {
    let failed = |error: tokenizers::Error| refuse(path, format!("cannot be read: {error}"));
    let bpe = bpe
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix("</w>".to_owned())
        .unk_token(names.unknown.clone())
        .build()
        .map_err(failed)?;
    let mut tokenizer = Tokenizer::new(bpe);
    let spaces = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ").map_err(failed)?;
    let normalizer = Normalizers::new(vec![
        NormalizerWrapper::NFC(NFC),
        NormalizerWrapper::Replace(spaces),
        NormalizerWrapper::Lowercase(Lowercase),
    ]);
    tokenizer
        .with_normalizer(Some(normalizer))
        .map_err(failed)?;
    let words = SplitPattern::Regex(WORDS.to_owned());
    let words = Split::new(words, SplitDelimiterBehavior::Removed, true).map_err(failed)?;
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(vec![
        PreTokenizerWrapper::Split(words),
        PreTokenizerWrapper::ByteLevel(ByteLevel::default().add_prefix_space(false)),
    ])));
    let mut special: Vec<&String> = vec![&names.begin, &names.end, &names.padding, &names.unknown];
    special.sort();
    special.dedup();
    let special: Vec<_> = special
        .into_iter()
        .map(|name| AddedToken::from(name.clone(), true))
        .collect();
    tokenizer.add_special_tokens(special).map_err(failed)?;
    Ok(tokenizer)
}

/// Adds what the folder lists beside its vocabulary: the words of textual inversions, in
/// `added_tokens.json` or in `added_tokens_decoder` of `tokenizer_config.json`. Gives the words that
/// have several vectors, as `TextualInversionLoaderMixin.maybe_convert_prompt` names them.
fn add_tokens(
    tokenizer: &mut Tokenizer,
    folder: &Path,
) -> Result<HashMap<u32, Vec<u32>>, ModelError> {
    let mut added: BTreeMap<u32, (String, bool)> = BTreeMap::new();
    let whole = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let path = folder.join("tokenizer_config.json");
    if path.is_file() {
        let file = ConfigFile::read(&path)?;
        for (id, token) in file.section("added_tokens_decoder")?.fields() {
            let content = token.get("content").and_then(Value::as_str);
            let (Ok(id), Some(content)) = (id.parse(), content) else {
                let reason = format!("has an entry that is no token, {id:?}");
                return Err(file.refuse("added_tokens_decoder", reason));
            };
            let special = token.get("special").and_then(Value::as_bool);
            added.insert(id, (content.to_owned(), special.unwrap_or(false)));
        }
    }
    let path = folder.join("added_tokens.json");
    if path.is_file() {
        let file = ConfigFile::read(&path)?;
        for (content, id) in file.fields() {
            let id = whole(id).ok_or_else(|| file.refuse(content, "should be a token's number"))?;
            added.entry(id).or_insert((content.clone(), false));
        }
    }
    // The tokenizer numbers new words in the order in which it is told of them.
    for (id, (content, special)) in &added {
        if tokenizer.token_to_id(content).is_none() {
            let token = AddedToken::from(content.clone(), *special).normalized(false);
            tokenizer
                .add_tokens([token])
                .map_err(|error| refuse(&path, format!("cannot be added: {error}")))?;
        }
        let own = tokenizer.token_to_id(content);
        if own != Some(*id) {
            let own = own.map_or("no number".to_owned(), |own| own.to_string());
            let reason =
                format!("says that {content:?} is {id}, but the tokens before it lead to {own}");
            return Err(refuse(&path, reason));
        }
    }
    let mut vectors = HashMap::new();
    for (id, (content, _)) in &added {
        let others = (1..).map_while(|index| tokenizer.token_to_id(&format!("{content}_{index}")));
        let all: Vec<u32> = std::iter::once(*id).chain(others).collect();
        if all.len() > 1 {
            vectors.insert(*id, all);
        }
    }
    Ok(vectors)
}

fn refuse(path: &Path, reason: String) -> ModelError {
    ModelError::Tokenizer {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that transformers gives for openai/clip-vit-large-patch14.
    #[test]
    fn clips_own_vocabulary_splits_as_transformers_does() {
        let tokenizer = ClipTokenizer::of_clip(77).unwrap();
        assert_eq!(tokenizer.vocab_size(), 49408);
        let words = tokenizer.words("a photo of a cat").unwrap();
        assert_eq!(words, [320, 1125, 539, 320, 2368]);
        let ids = tokenizer.encode("a photo of a cat").unwrap();
        assert_eq!(ids.len(), 77);
        assert_eq!(
            (ids[0], ids[6], ids[7], ids[76]),
            (49406, 49407, 49407, 49407)
        );
        let ids = tokenizer.padded_with(0).encode("a cat").unwrap();
        assert_eq!((ids[3], ids[4], ids[76]), (49407, 0, 0));
    }
}
