//! What the registry has to know of a room: how many are in it, which room was left longest ago, and
//! what its layers hold.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// How many members a room has, when the last of them went, and what its layers hold. Its actor writes, others read.
#[derive(Debug)]
pub(super) struct Attendance {
    members: AtomicUsize,
    /// A number of `departures`: of two empty rooms the one with the lower number was left first.
    emptied: AtomicU64,
    layer_bytes: AtomicU64,
    /// Counts how often any room of the registry became empty.
    departures: Arc<AtomicU64>,
}

impl Attendance {
    /// Of a room that nobody has come into yet.
    pub(super) fn new(departures: Arc<AtomicU64>) -> Self {
        Self {
            members: AtomicUsize::new(0),
            layer_bytes: AtomicU64::new(0),
            emptied: AtomicU64::new(departures.fetch_add(1, Ordering::Relaxed)),
            departures,
        }
    }

    /// So many are in the room now.
    pub(super) fn set(&self, members: usize) {
        let before = self.members.swap(members, Ordering::Relaxed);
        if before > 0 && members == 0 {
            let number = self.departures.fetch_add(1, Ordering::Relaxed);
            self.emptied.store(number, Ordering::Relaxed);
        }
    }

    /// The layers above the lowest hold so many bytes now.
    pub(super) fn set_layer_bytes(&self, bytes: usize) {
        self.layer_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes that the layers above the lowest hold.
    pub(super) fn layer_bytes(&self) -> u64 {
        self.layer_bytes.load(Ordering::Relaxed)
    }

    /// How many are in the room.
    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    /// Its place among the rooms that became empty.
    pub(super) fn emptied(&self) -> u64 {
        self.emptied.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_ordered_by_who_was_left_first() {
        let departures = Arc::new(AtomicU64::new(0));
        let [one, two, three] = [0; 3].map(|_| Attendance::new(departures.clone()));
        one.set(2);
        two.set(1);
        assert!(three.emptied() > two.emptied());
        two.set(0);
        one.set(1);
        two.set(0);
        one.set(0);
        let mut rooms = [(one.emptied(), 1), (two.emptied(), 2), (three.emptied(), 3)];
        rooms.sort_unstable();
        assert_eq!(rooms.map(|(_, room)| room), [3, 2, 1]);
        assert_eq!(one.members(), 0);
    }
}
