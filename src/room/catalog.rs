//! The rooms that there are, whether they run or not: what is told of them, what they are called,
//! and how they are copied and deleted.

use std::collections::HashMap;

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{
    error::RoomError,
    members::HouseRules,
    registry::{RoomRegistry, is_room_name},
    store::{
        Metadata, RoomStore, StoreError, StoredRoom, change_metadata, copy_room, read_picture,
        read_prompt,
    },
};
use crate::{
    canvas::Pixels,
    protocol::{CanvasSize, PictureLayer},
};

/// The longest title of a room, in characters.
pub const TITLE_MOST: usize = 80;

/// What is told of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomFacts {
    /// The title that it was given, otherwise its prompt; none where both are empty.
    pub title: Option<String>,
    /// The canvas.
    pub size: CanvasSize,
    /// When its picture last changed, in milliseconds since 1970; unknown where nothing keeps it.
    pub changed_ms: Option<u64>,
    /// Members now.
    pub members: usize,
    /// It outlives the server.
    pub is_kept: bool,
}

/// A room in a list of all rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRoom {
    /// By which it is joined.
    pub name: String,
    /// As in [`RoomFacts::changed_ms`].
    pub changed_ms: Option<u64>,
}

impl RoomRegistry {
    /// What is told of a room, which does not begin to run by that; none where there is no such room.
    ///
    /// # Errors
    /// [`RoomError::NotOpened`] when the disk does not tell, [`RoomError::Closed`] and
    /// [`RoomError::Deleted`] when it ends at that moment.
    pub async fn facts(&self, name: &str) -> Result<Option<RoomFacts>, RoomError> {
        let (running, stored) = (self.running(name), self.stored(name));
        let size = match (&running, &stored) {
            (Some(room), _) => room.size(),
            (None, Some(room)) => room.metadata.size,
            (None, None) => return Ok(None),
        };
        let given = match (&running, &stored) {
            (_, Some(room)) => room.metadata.title.clone(),
            (Some(room), None) => room.title(),
            (None, None) => None,
        };
        let title = match (given, &running, &stored) {
            (Some(title), ..) => Some(title),
            (None, Some(room), _) => title_from_prompt(&room.prompt().await?),
            (None, None, Some(room)) => {
                let room = room.clone();
                let prompt = self.read(move |store| read_prompt(store, &room)).await?;
                title_from_prompt(&prompt)
            }
            (None, None, None) => None,
        };
        let changed_ms = match &stored {
            Some(room) => {
                let id = room.id;
                let summary = self.read(move |store| Ok(store.journal.room(id)?)).await?;
                Some(summary.touched_ms)
            }
            None => None,
        };
        Ok(Some(RoomFacts {
            title,
            size,
            changed_ms,
            members: running.map_or(0, |room| room.members()),
            is_kept: self.shared.store.is_some(),
        }))
    }

    /// Every room, the one that changed last first.
    ///
    /// # Errors
    /// [`RoomError::NotOpened`] when the disk does not tell.
    pub async fn list(&self) -> Result<Vec<ListedRoom>, RoomError> {
        let touched: HashMap<Uuid, u64> = match self.shared.store {
            Some(_) => {
                let rooms = self.read(|store| Ok(store.journal.rooms()?)).await?;
                rooms
                    .into_iter()
                    .map(|room| (room.room, room.touched_ms))
                    .collect()
            }
            None => HashMap::new(),
        };
        let mut all: HashMap<String, Option<u64>> = HashMap::new();
        for room in &self.shared.rooms {
            all.insert(room.key().clone(), None);
        }
        for room in self.shared.stored.iter() {
            all.insert(room.key().clone(), touched.get(&room.id).copied());
        }
        let rooms = all.into_iter();
        let mut rooms: Vec<_> = rooms
            .map(|(name, changed_ms)| ListedRoom { name, changed_ms })
            .collect();
        rooms.sort_by(|a, b| (b.changed_ms, &a.name).cmp(&(a.changed_ms, &b.name)));
        Ok(rooms)
    }

    /// Gives a room another title, or takes it away.
    ///
    /// # Errors
    /// [`RoomError::Unknown`], [`RoomError::NotChanged`] when it does not come to the disk, what a
    /// room says that does not come back.
    pub async fn rename(&self, name: &str, title: Option<String>) -> Result<(), RoomError> {
        let running = self.running(name);
        if let Some(room) = &running {
            // A new one is not in the journal before.
            room.ready().await?;
        }
        let Some(store) = &self.shared.store else {
            let room = running.ok_or(RoomError::Unknown)?;
            room.set_title(title);
            return Ok(());
        };
        let entitle = |metadata: &mut Metadata| metadata.title = title;
        let journal = store.journal.as_ref();
        let changed = change_metadata(&self.shared.stored, journal, name, entitle).await;
        match changed.map_err(not_changed)? {
            true => Ok(()),
            false => Err(RoomError::Unknown),
        }
    }

    /// Makes the room `name` with a copy of all that is on disk of the room `from`.
    ///
    /// # Errors
    /// [`RoomError::NotKept`] where nothing keeps rooms, [`RoomError::Unknown`] for `from`,
    /// [`RoomError::NameTaken`], [`RoomError::InvalidName`], [`RoomError::NotChanged`] when the disk
    /// does not take it.
    pub async fn copy(
        &self,
        from: &str,
        name: &str,
        title: Option<String>,
    ) -> Result<(), RoomError> {
        let store = self.shared.store.as_ref().ok_or(RoomError::NotKept)?;
        if !is_room_name(name) {
            return Err(RoomError::InvalidName);
        }
        if self.exists(name) {
            return Err(RoomError::NameTaken);
        }
        if let Some(room) = self.running(from) {
            room.ready().await?;
        }
        let source = self.stored(from).ok_or(RoomError::Unknown)?;
        let copy = StoredRoom {
            id: Uuid::new_v4(),
            metadata: Metadata {
                name: name.to_owned(),
                title,
                // Members have other ids in another room.
                rules: HouseRules::default(),
                ..source.metadata
            },
        };
        let copied = copy_room(store, source.id, &copy).await;
        copied.map_err(not_changed)?;
        self.shared.stored.insert(name.to_owned(), copy);
        Ok(())
    }

    /// Deletes a room for good. Its members are told and let go; what only it needed is swept later.
    /// A name that no room has is no error.
    ///
    /// # Errors
    /// [`RoomError::NotChanged`] when it stays on disk: then it can be joined again.
    pub async fn delete(&self, name: &str) -> Result<(), RoomError> {
        // First, so that nobody brings it back meanwhile.
        let stored = self.shared.stored.remove(name);
        if let Some(room) = self.running(name) {
            room.end_for_deletion().await;
            self.shared.remove(name, room.key());
        }
        // One that was just being made was put there since.
        let stored = stored.or_else(|| self.shared.stored.remove(name));
        let (Some(store), Some((name, room))) = (&self.shared.store, stored) else {
            return Ok(());
        };
        store.journal.ready().await;
        store.journal.delete(room.id).await.map_err(|error| {
            self.shared.stored.insert(name, room);
            not_changed(error)
        })
    }

    /// The result of a room that the journal has, as it is on disk; none where it has none of that
    /// name. Blocks on the disk, and takes the memory of the room's document.
    ///
    /// # Errors
    /// [`RoomError::NotOpened`] when it cannot be read.
    pub fn stored_picture(&self, name: &str) -> Result<Option<Pixels>, RoomError> {
        let (Some(store), Some(room)) = (&self.shared.store, self.stored(name)) else {
            return Ok(None);
        };
        read_picture(store, &room).map(Some).map_err(not_opened)
    }

    /// The result of a room that runs; none where it does not.
    ///
    /// # Errors
    /// [`RoomError::Closed`], [`RoomError::Deleted`] when it ends at that moment.
    pub async fn running_picture(&self, name: &str) -> Result<Option<Pixels>, RoomError> {
        match self.running(name) {
            Some(room) => room.image(PictureLayer::Result).await,
            None => Ok(None),
        }
    }

    /// A text that changes whenever a room's picture on disk does; none where nothing keeps it.
    ///
    /// # Errors
    /// [`RoomError::NotOpened`] when the disk does not tell.
    pub async fn picture_version(&self, name: &str) -> Result<Option<String>, RoomError> {
        let Some(id) = self.stored(name).map(|room| room.id) else {
            return Ok(None);
        };
        let summary = self.read(move |store| Ok(store.journal.room(id)?)).await?;
        Ok(Some(format!("{}-{}", id.simple(), summary.last_seq)))
    }

    /// What the journal knows of a room.
    pub(super) fn stored(&self, name: &str) -> Option<StoredRoom> {
        let room = self.shared.stored.get(name);
        room.map(|room| room.value().clone())
    }

    /// Reads from the store on a thread that may block; a few at once, since some take memory.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&RoomStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RoomError> {
        let store = self.shared.store.clone().ok_or(RoomError::Unknown)?;
        let turn = self.shared.looks.clone().acquire_owned().await;
        let turn = turn.map_err(|_| RoomError::Closed)?;
        let reading = move || {
            let read = reading(&store);
            // Not before, also where nobody waits for the answer any more.
            drop(turn);
            read
        };
        let read = spawn_blocking(reading).await;
        read.unwrap_or(Err(StoreError::Interrupted))
            .map_err(not_opened)
    }
}

fn not_opened(error: StoreError) -> RoomError {
    RoomError::NotOpened(error.to_string())
}

fn not_changed(error: impl Into<StoreError>) -> RoomError {
    RoomError::NotChanged(error.into().to_string())
}

/// What a room is called while nobody has given it a title: its prompt, on one line.
fn title_from_prompt(prompt: &str) -> Option<String> {
    let words: Vec<&str> = prompt.split_whitespace().collect();
    let title: String = words.join(" ").chars().take(TITLE_MOST).collect();
    let title = title.trim_end();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_a_title_on_one_line() {
        let title = title_from_prompt("  a red\n boat,\tat dusk ");
        assert_eq!(title.as_deref(), Some("a red boat, at dusk"));
        assert_eq!(title_from_prompt(" \n "), None);
        let long = title_from_prompt(&"ö ".repeat(100)).unwrap();
        assert_eq!(long.chars().count(), TITLE_MOST - 1);
    }
}
