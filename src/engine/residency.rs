//! Latents that stay on the device between the renders of a room.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use candle_core::Tensor;

use super::RoomKey;
use crate::canvas::Pixels;

/// Windows whose latents are kept for one room.
const WINDOWS_PER_ROOM: usize = 64;

/// Identifies what a window shows. Where it lies does not matter: latents of the same pixels
/// are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct WindowKey {
    size: (u32, u32),
    content: [u64; 2],
}

impl WindowKey {
    pub fn new(pixels: &Pixels) -> Self {
        let content = [0u8, 1].map(|salt| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            pixels.data().hash(&mut hasher);
            hasher.finish()
        });
        Self {
            size: (pixels.width(), pixels.height()),
            content,
        }
    }
}

/// Encoded windows by room, the ones used longest ago forgotten first.
#[derive(Default)]
pub(super) struct Residency {
    rooms: HashMap<RoomKey, HashMap<WindowKey, (u64, Tensor)>>,
    clock: u64,
}

impl Residency {
    pub fn get(&mut self, room: RoomKey, key: &WindowKey) -> Option<Tensor> {
        self.clock += 1;
        let (used, latents) = self.rooms.get_mut(&room)?.get_mut(key)?;
        *used = self.clock;
        Some(latents.clone())
    }

    pub fn keep(&mut self, room: RoomKey, key: WindowKey, latents: Tensor) {
        self.clock += 1;
        let windows = self.rooms.entry(room).or_default();
        if windows.len() >= WINDOWS_PER_ROOM {
            let oldest = windows
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                windows.remove(&oldest);
            }
        }
        windows.insert(key, (self.clock, latents));
    }

    pub fn forget(&mut self, room: RoomKey) {
        self.rooms.remove(&room);
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn a_room_keeps_its_newest_windows() {
        let mut residency = Residency::default();
        let latents = Tensor::zeros((1, 1, 1, 1), DType::F32, &Device::Cpu).unwrap();
        let key = |width: u32| WindowKey::new(&Pixels::new(width + 1, 1, [0; 3]));
        for x in 0..WINDOWS_PER_ROOM as u32 {
            residency.keep(RoomKey(1), key(x), latents.clone());
        }
        assert!(residency.get(RoomKey(1), &key(0)).is_some());
        residency.keep(RoomKey(1), key(1000), latents.clone());
        assert!(
            residency.get(RoomKey(1), &key(0)).is_some(),
            "used just now"
        );
        assert!(
            residency.get(RoomKey(1), &key(1)).is_none(),
            "used longest ago"
        );
        assert!(residency.get(RoomKey(2), &key(0)).is_none());
        residency.forget(RoomKey(1));
        assert!(residency.get(RoomKey(1), &key(0)).is_none());
    }

    #[test]
    fn other_pixels_are_another_window() {
        let white = WindowKey::new(&Pixels::new(8, 8, [255; 3]));
        assert!(white == WindowKey::new(&Pixels::new(8, 8, [255; 3])));
        assert!(white != WindowKey::new(&Pixels::new(8, 8, [254; 3])));
        assert!(white != WindowKey::new(&Pixels::new(16, 4, [255; 3])));
    }
}
