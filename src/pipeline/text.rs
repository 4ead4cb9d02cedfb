//! The cache of text embeddings, shared by all rooms of a device.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::PipelineError;
use super::embedding::{TextEmbedding, embed_prompt};
use crate::model::Model;

/// How often the text encoder ran, and how often it did not have to.
#[derive(Debug, Default)]
pub struct TextCounts {
    runs: AtomicU64,
    hits: AtomicU64,
}

impl TextCounts {
    /// Runs of the text encoder since the start.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Prompts found in the cache since the start.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

/// Embeddings by prompt; the one that was used longest ago goes first.
pub struct TextCache {
    entries: HashMap<String, (u64, TextEmbedding)>,
    capacity: usize,
    clock: u64,
    counts: Arc<TextCounts>,
}

impl TextCache {
    /// A cache for at most `capacity` prompts (at least 2: one and its negative).
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            capacity: capacity.max(2),
            clock: 0,
            counts: Arc::default(),
        }
    }

    /// Runs and hits; readable from any thread.
    pub fn counts(&self) -> Arc<TextCounts> {
        self.counts.clone()
    }

    /// The embedding of a prompt, from the cache or from the text encoder.
    ///
    /// # Errors
    /// When the text cannot be tokenised or the device fails.
    pub fn embed(&mut self, model: &Model, prompt: &str) -> Result<TextEmbedding, PipelineError> {
        self.clock += 1;
        if let Some((used, embedding)) = self.entries.get_mut(prompt) {
            *used = self.clock;
            self.counts.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(embedding.clone());
        }
        let embedding = embed_prompt(model.text_encoders(), &model.device, prompt)?;
        self.counts.runs.fetch_add(1, Ordering::Relaxed);
        if self.entries.len() >= self.capacity {
            self.forget_oldest();
        }
        self.entries
            .insert(prompt.to_owned(), (self.clock, embedding.clone()));
        Ok(embedding)
    }

    /// The embedding of a prompt for the UNet without LoRAs: from the cache where no LoRA is
    /// active, else from the text encoder as its files have it.
    ///
    /// # Errors
    /// When the text cannot be tokenised or the device fails.
    pub fn embed_base(
        &mut self,
        model: &Model,
        prompt: &str,
    ) -> Result<TextEmbedding, PipelineError> {
        if model.loras().is_empty() {
            return self.embed(model, prompt);
        }
        self.counts.runs.fetch_add(1, Ordering::Relaxed);
        embed_prompt(model.base_text_encoders(), &model.device, prompt)
    }

    /// Forgets every embedding: the text encoder is another one now.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    fn forget_oldest(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used);
        if let Some(prompt) = oldest.map(|(prompt, _)| prompt.clone()) {
            self.entries.remove(&prompt);
        }
    }
}
