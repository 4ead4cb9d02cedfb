//! The names of deleted rooms, so that whoever comes back hears what became of them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The most names that are remembered; the oldest goes for the newest.
const MOST: usize = 4096;

/// Names of deleted rooms, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeletedRooms(VecDeque<String>);

impl DeletedRooms {
    /// A room is deleted.
    pub fn add(&mut self, room: &str) {
        self.remove(room);
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(room.to_owned());
    }

    /// There is a room of that name again.
    pub fn remove(&mut self, room: &str) {
        self.0.retain(|name| name != room);
    }

    /// Whether a room of that name was deleted.
    pub fn contains(&self, room: &str) -> bool {
        self.0.iter().any(|name| name == room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_name_is_forgotten_first() {
        let mut deleted = DeletedRooms::default();
        for number in 0..=MOST {
            deleted.add(&number.to_string());
        }
        assert!(!deleted.contains("0"));
        assert!(deleted.contains("1") && deleted.contains(&MOST.to_string()));
        deleted.add("1");
        deleted.add("new");
        assert!(deleted.contains("1"), "it is the newest but one");
        deleted.remove("1");
        assert!(!deleted.contains("1"));
    }
}
