//! Latents that stay between the renders of a room: encoded windows, and the patches of inverted
//! photos. All rooms share a budget of device memory.
//!
//! Over the budget, the room that was used longest ago gives way: its encoded windows are
//! forgotten, since encoding brings them back, then its photos' patches move to host memory and from
//! there to disk, until they are needed again.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use metrics::{counter, gauge};

use super::keys::RoomKey;
use super::latent_folder::LatentFolder;
use super::patches::{Patch, Place};
use crate::canvas::{Pixels, PixelsKey};
use crate::pipeline::{Inversion, PipelineError, tensor_bytes};
use crate::sampler::LatentRect;

/// Windows whose latents are kept for one room.
const WINDOWS_PER_ROOM: usize = 64;

/// What one room has.
#[derive(Default)]
struct RoomLatents {
    used: u64,
    windows: HashMap<PixelsKey, (u64, Tensor)>,
    patches: Vec<Patch>,
}

impl RoomLatents {
    fn window_bytes(&self) -> u64 {
        let windows = self.windows.values();
        windows.map(|(_, latents)| tensor_bytes(latents)).sum()
    }
}

/// The latents of all rooms.
pub(super) struct Residency {
    rooms: HashMap<RoomKey, RoomLatents>,
    clock: u64,
    device: Device,
    /// Bytes of device memory, and again of host memory where that is another.
    budget: u64,
    /// Where the folder is made for patches that have no place in memory.
    parent: PathBuf,
    /// That folder; made when it is needed.
    folder: Option<LatentFolder>,
    /// What the metrics have of each place.
    told: [f64; Place::ALL.len()],
}

impl Residency {
    /// `budget` is in bytes; in `parent` a folder is made for what has no place in memory.
    pub fn new(device: Device, budget: u64, parent: PathBuf) -> Self {
        Self {
            rooms: HashMap::new(),
            clock: 0,
            device,
            budget,
            parent,
            folder: None,
            told: [0.0; Place::ALL.len()],
        }
    }

    /// Latents of a window, if they were kept. Where it lies does not matter: latents of the same
    /// pixels are the same.
    pub fn get(&mut self, room: RoomKey, key: &PixelsKey) -> Option<Tensor> {
        let now = self.tick();
        let room = self.rooms.get_mut(&room)?;
        room.used = now;
        let (used, latents) = room.windows.get_mut(key)?;
        *used = now;
        Some(latents.clone())
    }

    /// Keeps latents of a window; the one used longest ago may have to go.
    pub fn keep(&mut self, room: RoomKey, key: PixelsKey, latents: Tensor) {
        let now = self.tick();
        let room = self.rooms.entry(room).or_default();
        room.used = now;
        if room.windows.len() >= WINDOWS_PER_ROOM {
            let oldest = room.windows.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                room.windows.remove(&oldest);
            }
        }
        room.windows.insert(key, (now, latents));
        self.evict();
    }

    /// Keeps a patch of an inverted photo, in the place of one that lay there.
    pub fn keep_patch(&mut self, room: RoomKey, photo: u64, patch: Inversion) {
        let now = self.tick();
        let patch = Patch::new(photo, patch, now);
        let room = self.rooms.entry(room).or_default();
        room.used = now;
        room.patches
            .retain(|other| (other.photo, other.rect) != (photo, patch.rect));
        room.patches.push(patch);
        self.evict();
    }

    /// The inversion of a window of a photo, from its patches; those that lie elsewhere come back to
    /// the device.
    ///
    /// # Errors
    /// `PartNotInverted` where patches are missing, `PartLost` when one does not come back, or when
    /// the device fails.
    pub fn window(
        &mut self,
        room: RoomKey,
        photo: u64,
        rect: &LatentRect,
        pixels: Pixels,
    ) -> Result<Inversion, PipelineError> {
        let now = self.tick();
        let room = self
            .rooms
            .get_mut(&room)
            .ok_or(PipelineError::PartNotInverted)?;
        room.used = now;
        let touches = |patch: &Patch| patch.photo == photo && patch.rect.intersect(rect).is_some();
        let mut needed = Vec::new();
        for patch in room.patches.iter_mut().filter(|patch| touches(patch)) {
            patch.used = now;
            needed.push(patch.on_device(&self.device)?);
        }
        let window = Inversion::gathered(&needed, rect, pixels);
        self.evict();
        window
    }

    /// A photo is not edited any more.
    pub fn forget_photo(&mut self, room: RoomKey, photo: u64) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.patches.retain(|patch| patch.photo != photo);
        }
        self.report();
    }

    /// A room has ended.
    pub fn forget(&mut self, room: RoomKey) {
        self.rooms.remove(&room);
        self.report();
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Bytes of windows and patches in a place.
    fn bytes_in(&self, place: Place) -> u64 {
        let windows = match place {
            Place::Device => self.rooms.values().map(RoomLatents::window_bytes).sum(),
            Place::Host | Place::Disk => 0,
        };
        let patches = self.rooms.values().flat_map(|room| &room.patches);
        let patches = patches.filter(|patch| patch.place() == place);
        windows + patches.map(|patch| patch.bytes).sum::<u64>()
    }

    /// Brings the device's memory, and then the host's, back under the budget.
    fn evict(&mut self) {
        while self.bytes_in(Place::Device) > self.budget && self.leave_device() {}
        while self.bytes_in(Place::Host) > self.budget && self.move_oldest(Place::Host, Place::Disk)
        {
        }
        self.report();
    }

    /// Takes from the room used longest ago what it has on the device: its windows or, where there
    /// are none, a patch. False when there is nothing left to take.
    fn leave_device(&mut self) -> bool {
        let on_device = |room: &RoomLatents| {
            let is_there = |patch: &Patch| patch.place() == Place::Device;
            !room.windows.is_empty() || room.patches.iter().any(is_there)
        };
        let rooms = self.rooms.values_mut().filter(|room| on_device(room));
        let Some(oldest) = rooms.min_by_key(|room| room.used) else {
            return false;
        };
        if !oldest.windows.is_empty() {
            oldest.windows.clear();
            return true;
        }
        // Where the device computes in host memory, moving there would free nothing.
        let next = match self.device.is_cpu() {
            true => Place::Disk,
            false => Place::Host,
        };
        self.move_oldest(Place::Device, next)
    }

    /// Moves the patch that was used longest ago, of the room that was. False when none can go.
    fn move_oldest(&mut self, from: Place, to: Place) -> bool {
        let path = match to {
            Place::Disk => match self.next_file() {
                Ok(path) => path,
                Err(error) => {
                    tracing::error!(%error, "latents stay in memory: no temporary folder");
                    return false;
                }
            },
            Place::Device | Place::Host => std::path::PathBuf::new(),
        };
        let candidates = self.rooms.values_mut().flat_map(|room| {
            let used = room.used;
            let patches = room
                .patches
                .iter_mut()
                .filter(|patch| patch.place() == from);
            patches.map(move |patch| ((used, patch.used), patch))
        });
        let Some((_, patch)) = candidates.min_by_key(|(used, _)| *used) else {
            return false;
        };
        let moved = match to {
            Place::Disk => patch.move_to_disk(path),
            Place::Device | Place::Host => patch.move_to_host(),
        };
        match &moved {
            Ok(()) => {
                counter!("impasto_latent_moves_total", "to" => to.name()).increment(1);
            }
            Err(error) => tracing::error!(%error, "a patch of a photo stays where it is"),
        }
        moved.is_ok()
    }

    fn next_file(&mut self) -> std::io::Result<PathBuf> {
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => LatentFolder::new_in(&self.parent)?,
        };
        Ok(self.folder.insert(folder).next_file())
    }

    fn report(&mut self) {
        for place in Place::ALL {
            // Each device has a residency of its own, and they are told of together.
            let bytes = self.bytes_in(place) as f64;
            let told = &mut self.told[place as usize];
            gauge!("impasto_latent_bytes", "place" => place.name()).increment(bytes - *told);
            *told = bytes;
        }
    }
}

#[cfg(test)]
mod tests;
