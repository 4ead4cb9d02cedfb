//! The recordings of rooms, whether they run or not.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    error::RoomError,
    export::{ExportLayers, RoomExport},
    registry::RoomRegistry,
    store::{RecordedPicture, RoomStore, read_recording, recorded_now},
};
use crate::picture_file::FilePixels;
use crate::{canvas::Pixels, protocol::Layer};

/// A room's pictures over time, the oldest first. The last one is the picture as it is now, where the
/// room runs.
#[derive(Debug)]
pub struct RoomRecording {
    pictures: Arc<[RecordedPicture]>,
    store: RoomStore,
    /// The file of the last picture, where that is on no disk.
    now: Option<Arc<[u8]>>,
}

impl RoomRecording {
    /// The pictures.
    pub fn pictures(&self) -> &[RecordedPicture] {
        &self.pictures
    }

    /// The picture at a place among them, as JPEG. Blocks on the disk.
    ///
    /// # Errors
    /// [`RoomError::NotOpened`] when the disk does not give it, or there is none.
    pub fn file(&self, place: usize) -> Result<Vec<u8>, RoomError> {
        match &self.now {
            Some(now) if place + 1 == self.pictures.len() => Ok(now.to_vec()),
            _ => {
                let picture = self.pictures.get(place);
                let picture = picture.ok_or_else(|| not_there("the recording ends before it"))?;
                self.store.recorded_file(picture).map_err(not_there)
            }
        }
    }

    /// The pixels of [`Self::file`].
    ///
    /// # Errors
    /// The same.
    pub fn pixels(&self, place: usize) -> Result<Pixels, RoomError> {
        self.store
            .recorded_pixels(&self.file(place)?)
            .map_err(not_there)
    }

    /// Keeps the pictures at these places.
    pub fn choose(&mut self, places: &[usize]) {
        let last = self.pictures.len().saturating_sub(1);
        if !places.contains(&last) {
            self.now = None;
        }
        let chosen = places.iter().filter_map(|place| self.pictures.get(*place));
        self.pictures = chosen.cloned().collect();
    }
}

fn not_there(error: impl ToString) -> RoomError {
    RoomError::NotOpened(error.to_string())
}

impl RoomRegistry {
    /// The recording of a room, which does not begin to run by that.
    ///
    /// # Errors
    /// [`RoomError::NotKept`] where nothing keeps rooms, [`RoomError::Unknown`],
    /// [`RoomError::NotOpened`] when the disk does not tell, [`RoomError::Deleted`] when that happens
    /// at the moment.
    pub async fn recording(&self, name: &str) -> Result<RoomRecording, RoomError> {
        let store = self.shared.store.clone().ok_or(RoomError::NotKept)?;
        // A new room is not in the journal before it serves.
        let running = match self.running(name) {
            Some(room) => still_running(room.ready().await)?.map(|()| room),
            None => None,
        };
        let stored = self.stored(name).ok_or(RoomError::Unknown)?;
        let kept = self
            .read(move |store| read_recording(store, &stored))
            .await?;
        let mut pictures = kept.into_pictures();
        let mut now = None;
        let export = match &running {
            Some(room) => still_running(room.export(ExportLayers::One(Layer::Result)).await)?,
            None => None,
        };
        if let Some(RoomExport {
            layers,
            origin,
            seq,
            ..
        }) = export
        {
            let newest = pictures.last().cloned();
            let making = move || match layers.first().map(|layer| &layer.pixels) {
                Some(FilePixels::Opaque(pixels)) => {
                    recorded_now(pixels, seq, origin, newest.as_ref())
                }
                _ => Ok(None),
            };
            let made = spawn_blocking(making).await;
            let made = made.map_err(|_| RoomError::Closed)?.map_err(not_there)?;
            if let Some((picture, file)) = made {
                pictures.push(picture);
                now = Some(file.into());
            }
        }
        Ok(RoomRecording {
            pictures: pictures.into(),
            store,
            now,
        })
    }
}

/// Nothing of a room that ended at this moment: all of it is on disk.
fn still_running<T>(answer: Result<T, RoomError>) -> Result<Option<T>, RoomError> {
    match answer {
        Err(RoomError::Closed) => Ok(None),
        answer => answer.map(Some),
    }
}
