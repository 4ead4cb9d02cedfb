//! Uploaded images that wait to be placed.

use std::collections::VecDeque;

use super::error::RoomError;
use crate::canvas::Upload;

/// A bounded number of images, the newest kept.
#[derive(Debug)]
pub(super) struct ImageStore {
    images: VecDeque<(String, Upload)>,
    most: usize,
    bytes_most: usize,
}

impl ImageStore {
    /// An empty store for `most` images of `bytes_most` bytes together.
    pub(super) fn new(most: usize, bytes_most: usize) -> Self {
        Self {
            images: VecDeque::new(),
            most: most.max(1),
            bytes_most,
        }
    }

    /// Keeps an image under an id; the oldest make room.
    ///
    /// # Errors
    /// [`RoomError::ImageTooLarge`] when it alone is over the limit.
    pub(super) fn insert(&mut self, id: String, image: impl Into<Upload>) -> Result<(), RoomError> {
        let image = image.into();
        let size = image.bytes();
        if size > self.bytes_most {
            return Err(RoomError::ImageTooLarge(self.bytes_most));
        }
        let bytes = |images: &VecDeque<(String, Upload)>| {
            let sizes = images.iter().map(|(_, image)| image.bytes());
            sizes.sum::<usize>()
        };
        while self.images.len() >= self.most || bytes(&self.images) + size > self.bytes_most {
            self.images.pop_front();
        }
        self.images.push_back((id, image));
        Ok(())
    }

    /// The image of an id.
    pub(super) fn get(&self, id: &str) -> Option<&Upload> {
        self.images
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, image)| image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Pixels;

    #[test]
    fn the_oldest_make_room() {
        let image = || Pixels::new(10, 10, [1, 2, 3]);
        let mut store = ImageStore::new(3, 700);
        for id in ["a", "b", "c"] {
            store.insert(id.to_owned(), image()).unwrap();
        }
        assert!(store.get("a").is_none(), "two of 300 bytes fit");
        assert!(store.get("b").is_some() && store.get("c").is_some());
        let huge = store.insert("d".to_owned(), Pixels::new(100, 10, [0; 3]));
        assert!(matches!(huge, Err(RoomError::ImageTooLarge(700))));
        assert!(store.get("c").is_some());
    }
}
