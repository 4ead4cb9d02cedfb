//! Bytes that are held for clients: so many in all, and so many of one room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::RoomKey;

/// A budget of bytes; cheap to clone.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: u64,
    most_of_a_room: u64,
    held: Mutex<HeldBytes>,
}

#[derive(Debug, Default)]
struct HeldBytes {
    all: u64,
    by_room: HashMap<RoomKey, u64>,
}

/// Bytes that were taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub struct Held {
    budget: ByteBudget,
    room: RoomKey,
    bytes: u64,
}

impl ByteBudget {
    /// `most` bytes in all, `most_of_a_room` of them for any one room.
    pub fn new(most: u64, most_of_a_room: u64) -> Self {
        Self(Arc::new(Shared {
            most,
            most_of_a_room,
            held: Mutex::default(),
        }))
    }

    /// Nothing yet, to be grown.
    pub fn hold(&self, room: RoomKey) -> Held {
        Held {
            budget: self.clone(),
            room,
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HeldBytes> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes so many bytes more; false, and nothing changes, where the budget has none left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let limits = &self.budget.0;
        let mut held = self.budget.lock();
        let of_the_room = held.by_room.get(&self.room).copied().unwrap_or_default();
        if held.all + bytes > limits.most || of_the_room + bytes > limits.most_of_a_room {
            return false;
        }
        held.all += bytes;
        held.by_room.insert(self.room, of_the_room + bytes);
        drop(held);
        self.bytes += bytes;
        true
    }

    /// Keeps so many bytes and gives the others back.
    pub fn shrink_to(&mut self, bytes: usize) {
        let given = self.bytes.saturating_sub(bytes as u64);
        self.bytes -= given;
        self.give(given);
    }

    fn give(&self, bytes: u64) {
        let mut held = self.budget.lock();
        held.all -= bytes;
        if let Some(of_the_room) = held.by_room.get_mut(&self.room) {
            *of_the_room -= bytes;
            if *of_the_room == 0 {
                held.by_room.remove(&self.room);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_within_both_limits_and_comes_back() {
        let budget = ByteBudget::new(100, 60);
        let mut one = budget.hold(RoomKey(1));
        assert!(one.grow(60));
        assert!(!one.grow(1), "the room has its share");
        let mut two = budget.hold(RoomKey(2));
        assert!(!two.grow(41), "all together have theirs");
        assert!(two.grow(40));
        one.shrink_to(10);
        assert_eq!(budget.lock().all, 50);
        assert!(two.grow(20));
        drop((one, two));
        assert_eq!(budget.lock().all, 0);
        assert!(budget.lock().by_room.is_empty());
    }
}
