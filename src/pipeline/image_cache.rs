//! The cache of what IP-Adapters see of pictures, shared by all rooms of a device.

use std::sync::{Arc, Weak};

use super::PipelineError;
use crate::canvas::{Pixels, PixelsKey};
use crate::model::{ImageEmbeds, Model};

/// Pictures that are remembered; each takes some hundred kilobytes at most.
const MOST: usize = 64;

/// Tokens by picture and IP-Adapter; the one that was used longest ago goes first.
#[derive(Default)]
pub struct ImageCache {
    /// The one that was used last stands last.
    entries: Vec<Entry>,
    runs: u64,
}

struct Entry {
    ip_adapter: usize,
    /// Where the picture was the last time: no picture lies there that is another.
    place: Weak<Pixels>,
    key: PixelsKey,
    embeds: ImageEmbeds,
}

impl ImageCache {
    /// Pictures that an image encoder has looked at since the start.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// What the model's IP-Adapter of this number sees of a picture.
    pub(super) fn embed(
        &mut self,
        model: &Model,
        ip_adapter: usize,
        picture: &Arc<Pixels>,
    ) -> Result<ImageEmbeds, PipelineError> {
        let place = Arc::downgrade(picture);
        let is_same = |entry: &Entry| entry.ip_adapter == ip_adapter && entry.place.ptr_eq(&place);
        let known = self.entries.iter().position(is_same);
        let (known, key) = match known {
            Some(index) => (Some(index), self.entries[index].key),
            None => {
                let key = PixelsKey::new(picture);
                let is_same = |entry: &Entry| entry.ip_adapter == ip_adapter && entry.key == key;
                (self.entries.iter().position(is_same), key)
            }
        };
        let embeds = match known {
            Some(index) => self.entries.remove(index).embeds,
            None => {
                self.runs += 1;
                model.ip_adapters()[ip_adapter].embed(picture)?
            }
        };
        if self.entries.len() >= MOST {
            self.entries.remove(0);
        }
        self.entries.push(Entry {
            ip_adapter,
            place,
            key,
            embeds: embeds.clone(),
        });
        Ok(embeds)
    }
}
