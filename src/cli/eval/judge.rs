//! CLIP's opinion, as plain vectors.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::scores::cosine;
use crate::model::{ClipModel, ModelError};
use crate::pipeline::plain_prompt;

/// A CLIPModel that remembers the texts it has read.
pub struct Judge {
    clip: ClipModel,
    texts: HashMap<String, Vec<f32>>,
}

/// A picture's embedding.
pub struct Seen(Vec<f32>);

impl Judge {
    /// Loads a CLIPModel folder.
    ///
    /// # Errors
    /// One sentence that names what is not right with it.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, ModelError> {
        Ok(Self {
            clip: ClipModel::load(folder, device)?,
            texts: HashMap::new(),
        })
    }

    /// The model.
    pub fn clip(&self) -> &ClipModel {
        &self.clip
    }

    /// Looks at a picture.
    ///
    /// # Errors
    /// When the device fails.
    pub fn see(&self, picture: &crate::canvas::Pixels) -> Result<Seen, ModelError> {
        let embedding = self.clip.embed_picture(picture)?;
        Ok(Seen(values(&self.clip, &embedding)?))
    }

    /// The cosine of a picture and a text, whose weights CLIP does not see.
    ///
    /// # Errors
    /// When the text cannot be split, or the device fails.
    pub fn cosine(&mut self, seen: &Seen, text: &str) -> Result<f64, ModelError> {
        if let Some(known) = self.texts.get(text) {
            return Ok(cosine(&seen.0, known));
        }
        let embedding = values(&self.clip, &self.clip.embed_text(&plain_prompt(text))?)?;
        let answer = cosine(&seen.0, &embedding);
        self.texts.insert(text.to_owned(), embedding);
        Ok(answer)
    }
}

impl Seen {
    /// `1 − cosine` of two pictures' embeddings, 0 to 2.
    pub fn distance(&self, other: &Self) -> f64 {
        1.0 - cosine(&self.0, &other.0)
    }
}

fn values(clip: &ClipModel, embedding: &Tensor) -> Result<Vec<f32>, ModelError> {
    embedding
        .flatten_all()
        .and_then(|flat| flat.to_dtype(DType::F32)?.to_vec1())
        .map_err(|source| ModelError::Prepare {
            path: clip.name().into(),
            tensor: "embedding".to_owned(),
            source: Box::new(source),
        })
}
