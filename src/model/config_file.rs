//! A component's `config.json`, read field by field so that every complaint names the field.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ModelError;
use super::safetensors_file::is_lfs_pointer;
use crate::python_json::without_infinities;

/// A JSON object in a file. Fields that nobody asks for are ignored.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    /// Where `fields` are in the file: empty, or the names of the objects around them, each with
    /// a dot.
    within: String,
    fields: Map<String, Value>,
}

/// A number (or flag) for all blocks, or a list with one for each.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum PerBlock<T> {
    /// One for each block, in order. First, because `T` may itself accept a list.
    Each(Vec<T>),
    /// The same for every block.
    Same(T),
}

/// `sample_size`: one side for both, or height and width.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum SampleSize {
    /// Height and width are the same.
    Square(usize),
    /// Height, then width.
    Sides(usize, usize),
}

impl ConfigFile {
    /// Reads a file that must hold one JSON object.
    ///
    /// # Errors
    /// `Missing`, `Unreadable` or `Json`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::parse(path, &read_text(path)?)
    }

    /// One JSON object that is, or will be, the file at `path`. Python's `Infinity`, `-Infinity` and
    /// `NaN` are read as null.
    ///
    /// # Errors
    /// `Json`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ModelError> {
        let json = |reason: String| ModelError::Json {
            path: path.to_owned(),
            reason,
        };
        match serde_json::from_str(&without_infinities(text))
            .map_err(|error| json(error.to_string()))?
        {
            Value::Object(fields) => Ok(Self {
                path: path.to_owned(),
                within: String::new(),
                fields,
            }),
            _ => Err(json("it should be an object, { … }".to_owned())),
        }
    }

    /// Fields that no file of their own holds; complaints name the file at `path`.
    pub fn of_fields(path: &Path, fields: Map<String, Value>) -> Self {
        Self {
            path: path.to_owned(),
            within: String::new(),
            fields,
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All fields, in the file's order.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The object in a field, such as `text_config`; an empty one where the field is absent or
    /// null. Complaints name its fields as `text_config.hidden_size`.
    ///
    /// # Errors
    /// `Config` when the field is something else than an object.
    pub fn section(&self, field: &str) -> Result<Self, ModelError> {
        Ok(Self {
            path: self.path.clone(),
            within: format!("{}{field}.", self.within),
            fields: self.or(field, Map::new())?,
        })
    }

    /// A field's value; none when it is absent or null.
    ///
    /// # Errors
    /// `Config` when the value is of another type.
    pub fn optional<T: DeserializeOwned>(&self, field: &str) -> Result<Option<T>, ModelError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|_| self.refuse(field, format!("has a value of the wrong type, {value}"))),
        }
    }

    /// A field's value, or what it is when the file does not say.
    ///
    /// # Errors
    /// `Config` when the value is of another type.
    pub fn or<T: DeserializeOwned>(&self, field: &str, default: T) -> Result<T, ModelError> {
        Ok(self.optional(field)?.unwrap_or(default))
    }

    /// A field that has one value, or a list with one for each of `blocks` blocks.
    ///
    /// # Errors
    /// `Config` when the value is of another type or the list has another length.
    pub fn per_block<T: DeserializeOwned + Clone>(
        &self,
        field: &str,
        blocks: usize,
        default: T,
    ) -> Result<Vec<T>, ModelError> {
        match self.or(field, PerBlock::Same(default))? {
            PerBlock::Same(value) => Ok(vec![value; blocks]),
            PerBlock::Each(values) if values.len() == blocks => Ok(values),
            PerBlock::Each(values) => Err(self.refuse(
                field,
                format!(
                    "lists {} values, but there are {blocks} blocks",
                    values.len()
                ),
            )),
        }
    }

    /// Refuses a field that says something other than what is supported here.
    ///
    /// # Errors
    /// `Config` when the field is neither absent, null nor equal to `supported`.
    pub fn only(&self, field: &str, supported: impl Into<Value>) -> Result<(), ModelError> {
        let supported = supported.into();
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(()),
            Some(value) if *value == supported => Ok(()),
            Some(value) if supported.is_null() => Err(self.refuse(
                field,
                format!("is {value}, which is not supported: it must be null"),
            )),
            Some(value) => Err(self.refuse(
                field,
                format!("is {value}, which is not supported: it must be {supported}"),
            )),
        }
    }

    /// An error about a field of this file.
    pub fn refuse(&self, field: &str, reason: impl Into<String>) -> ModelError {
        ModelError::Config {
            path: self.path.clone(),
            field: format!("{}{field}", self.within),
            reason: reason.into(),
        }
    }
}

/// A text file's contents.
///
/// # Errors
/// `Missing`, `Unreadable` or `LfsPointer`.
pub fn read_text(path: &Path) -> Result<String, ModelError> {
    let text = std::fs::read_to_string(path);
    if text
        .as_ref()
        .is_ok_and(|text| is_lfs_pointer(text.as_bytes()))
    {
        return Err(ModelError::LfsPointer {
            path: path.to_owned(),
        });
    }
    text.map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::Missing {
            path: path.to_owned(),
            hint: "the folder is not a complete diffusers model".to_owned(),
        },
        _ => ModelError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })
}
