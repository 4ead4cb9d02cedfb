//! What owners decided, on its way to the disk. The room follows it at once; one change is written
//! at a time, and of those that wait only the newest, which holds all.

use std::{future::Future, pin::Pin, sync::Arc};

use dashmap::DashMap;
use tokio::sync::watch;

use super::{
    members::HouseRules,
    store::{Metadata, RoomStore, StoreError, StoredRoom, change_metadata},
};

type Writing = Pin<Box<dyn Future<Output = Result<bool, StoreError>> + Send>>;

/// Where a room's rules are kept.
struct Place {
    rooms: Arc<DashMap<String, StoredRoom>>,
    store: RoomStore,
    room: String,
}

/// Tells a room's rules to whoever looks, and writes them to the journal where there is one.
pub(super) struct RulesKeeper {
    told: watch::Sender<HouseRules>,
    place: Option<Place>,
    writing: Option<Writing>,
    waiting: Option<HouseRules>,
    has_failed: bool,
}

impl RulesKeeper {
    /// For a room that no journal has.
    pub(super) fn unkept(told: watch::Sender<HouseRules>) -> Self {
        Self {
            told,
            place: None,
            writing: None,
            waiting: None,
            has_failed: false,
        }
    }

    /// For the room of a name, among those that the journal has.
    pub(super) fn new(
        told: watch::Sender<HouseRules>,
        rooms: Arc<DashMap<String, StoredRoom>>,
        store: RoomStore,
        room: String,
    ) -> Self {
        Self {
            place: Some(Place { rooms, store, room }),
            ..Self::unkept(told)
        }
    }

    /// The owners decided something.
    pub(super) fn keep(&mut self, rules: HouseRules) {
        self.told.send_replace(rules.clone());
        self.waiting = Some(rules);
        self.write_next();
    }

    fn write_next(&mut self) {
        let Some(Place { rooms, store, room }) = &self.place else {
            return;
        };
        if self.writing.is_some() {
            return;
        }
        let Some(rules) = self.waiting.take() else {
            return;
        };
        let (rooms, journal, room) = (rooms.clone(), store.journal.clone(), room.clone());
        self.writing = Some(Box::pin(async move {
            let decide = |metadata: &mut Metadata| metadata.rules = rules;
            change_metadata(&rooms, journal.as_ref(), &room, decide).await
        }));
    }

    /// Waits until something is written; for ever where nothing is. Nothing is lost when it is
    /// dropped meanwhile.
    pub(super) async fn advance(&mut self) {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        // A room that is not there was deleted, and needs no rules.
        if let Err(error) = writing.await {
            tracing::error!(%error, "what a room's owners decided is not kept");
            self.has_failed = true;
        }
        self.writing = None;
        self.write_next();
    }

    /// True when something could not be kept: the room has to end.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Waits until everything is written.
    pub(super) async fn finish(&mut self) {
        while self.writing.is_some() {
            self.advance().await;
        }
    }
}
