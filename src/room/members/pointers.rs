//! Where the others' pointers are, until a member's socket is ready: of each the newest only.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;
use uuid::Uuid;

/// The newest message of each pointer that moved, the one that waits longest first.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    waiting: Mutex<VecDeque<(Uuid, Bytes)>>,
    ready: Notify,
}

impl Pointers {
    /// A pointer moved. What waits of the same one is replaced, and keeps its place.
    pub(super) fn put(&self, whose: Uuid, text: Bytes) {
        let mut waiting = self.waiting();
        match waiting.iter_mut().find(|(known, _)| *known == whose) {
            Some((_, older)) => *older = text,
            None => waiting.push_back((whose, text)),
        }
        drop(waiting);
        self.ready.notify_one();
    }

    /// Whose pointer it was has gone.
    pub(super) fn forget(&self, whose: &Uuid) {
        self.waiting().retain(|(known, _)| known != whose);
    }

    /// What has waited longest.
    pub(super) fn take(&self) -> Option<Bytes> {
        let mut waiting = self.waiting();
        let (_, text) = waiting.pop_front()?;
        if !waiting.is_empty() {
            self.ready.notify_one();
        }
        Some(text)
    }

    /// Waits until there may be something to take.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Uuid, Bytes)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_each_pointer_the_newest_waits_and_nothing_of_who_has_gone() {
        let (ada, bea, cleo) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let pointers = Pointers::default();
        for number in 0..100 {
            pointers.put(ada, Bytes::from(format!("ada {number}")));
            pointers.put(bea, Bytes::from(format!("bea {number}")));
            pointers.put(cleo, Bytes::from(format!("cleo {number}")));
        }
        pointers.forget(&bea);
        for expected in ["ada 99", "cleo 99"] {
            pointers.ready().await;
            assert_eq!(pointers.take().unwrap(), expected);
        }
        assert_eq!(pointers.take(), None);
    }
}
