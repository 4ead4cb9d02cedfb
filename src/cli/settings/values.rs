//! How values are read that a flag, a variable and a file write differently.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Bytes, alone or with a unit: `512MiB`, `4GiB`.
pub(super) fn bytes_from_text(text: &str) -> Result<u64, String> {
    let bytes = text.parse::<bytesize::ByteSize>();
    bytes
        .map(|bytes| bytes.as_u64())
        .map_err(|_| format!("`{text}` is no number of bytes: write it as 512MiB or 4GiB"))
}

/// A number of bytes, or a text with a unit.
pub(super) fn bytes_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum BytesOrText {
        Bytes(u64),
        Text(String),
    }
    match BytesOrText::deserialize(deserializer)? {
        BytesOrText::Bytes(bytes) => Ok(bytes),
        BytesOrText::Text(text) => bytes_from_text(&text).map_err(D::Error::custom),
    }
}

/// One text, or several: environment variables hold them with commas between.
pub(super) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(texts) => texts,
        OneOrMany::One(text) => text
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
    };
    let parsed = texts
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom));
    parsed.collect()
}
