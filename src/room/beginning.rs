//! A room begins: what the journal has of it is read, and its task runs until it ends.

use std::{mem, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    actor::{ActorParts, RoomActor},
    attendance::Attendance,
    core::RoomCore,
    keeping::Keeping,
    members::HouseRules,
    message::{Message, refuse_all},
    options::RoomOptions,
    registry_state::Shared,
    rules_keeper::RulesKeeper,
    store::{Metadata, Opened, Recorder, RoomStore, StoreError, StoredRoom, open_room},
};
use crate::engine::{Command, RoomKey};

/// A room on its way to its actor.
pub(super) struct Beginning {
    pub(super) name: String,
    pub(super) key: RoomKey,
    pub(super) options: RoomOptions,
    /// What the journal knows of it; none for a new room.
    pub(super) stored: Option<StoredRoom>,
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) attendance: Arc<Attendance>,
    pub(super) deletion: CancellationToken,
    pub(super) resting: CancellationToken,
    /// What its owners decide, for whoever looks.
    pub(super) rules: watch::Sender<HouseRules>,
}

impl Beginning {
    /// Opens the room, or makes it, and serves it until it ends.
    pub(super) async fn run(self, shared: Arc<Shared>) {
        let name = self.name.clone();
        let place = Place {
            name: name.clone(),
            key: self.key,
            shared: shared.clone(),
        };
        match self.kept_room(&shared).await {
            Ok(kept) => self.serve(&shared, kept).await,
            Err(error) => {
                tracing::error!(%error, room = name, "a room does not come back");
                refuse_all(self.messages, &error.to_string()).await;
            }
        }
        drop(place);
    }

    /// What the journal has of the room, after it was made there if it is new; none without a store.
    async fn kept_room(
        &self,
        shared: &Shared,
    ) -> Result<Option<(RoomStore, Uuid, Opened)>, StoreError> {
        let Some(store) = shared.store.clone() else {
            return Ok(None);
        };
        let room = match &self.stored {
            Some(room) => room.clone(),
            None => {
                let room = StoredRoom {
                    id: Uuid::new_v4(),
                    metadata: Metadata {
                        name: self.name.clone(),
                        size: self.options.size,
                        settings: self.options.settings.clone(),
                        title: None,
                        rules: HouseRules::default(),
                    },
                };
                store.journal.ready().await;
                let metadata = room.metadata.encode()?;
                store.journal.create(room.id, metadata).await?;
                shared.stored.insert(self.name.clone(), room.clone());
                room
            }
        };
        let history_max = self.options.history_max;
        let opening = move || {
            let opened = open_room(&store, &room, history_max)?;
            Ok(Some((store, room.id, opened)))
        };
        spawn_blocking(opening)
            .await
            .map_err(|_| StoreError::Interrupted)?
    }

    async fn serve(self, shared: &Shared, kept: Option<(RoomStore, Uuid, Opened)>) {
        let (recorder, last_op, opened, rules) = match kept {
            Some((store, room, mut opened)) => {
                let last_op = opened.document.seq();
                let (rooms, name) = (shared.stored.clone(), self.name.clone());
                let rules = RulesKeeper::new(self.rules, rooms, store.clone(), name);
                let recording = mem::take(&mut opened.recording);
                let next = opened.next_record;
                let recorder = Recorder::start(store, room, next, last_op, recording);
                (Some(recorder), last_op, Some(opened), rules)
            }
            None => (None, 0, None, RulesKeeper::unkept(self.rules)),
        };
        let core = RoomCore::new(
            self.name,
            self.options,
            shared.renderer.model_info().clone(),
            shared.renderer.window_rules(),
            opened,
            tokio::time::Instant::now().into_std(),
        );
        let actor = RoomActor::new(ActorParts {
            core,
            keeping: Keeping::new(recorder, last_op),
            rules,
            key: self.key,
            renderer: shared.renderer.clone(),
            encoder: shared.encoder.clone(),
            messages: self.messages,
            attendance: self.attendance,
            deletion: self.deletion,
            resting: self.resting,
            shutdown: shared.shutdown.clone(),
        });
        actor.run().await;
    }
}

/// A room's place in the registry, given back when its task ends, in a panic too.
struct Place {
    shared: Arc<Shared>,
    name: String,
    key: RoomKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                room = self.name,
                "a room ended in a panic: its members are told"
            );
            // A room that ends otherwise has done that itself; nobody hears events of it any more.
            let (events, _) = mpsc::channel(1);
            let forget = Command::ForgetRoom;
            if let Err(cause) = self.shared.renderer.send(self.key, forget, &events) {
                tracing::debug!(%cause, "the engine keeps what it has of the room");
            }
        }
        self.shared.remove(&self.name, self.key);
    }
}
