//! Which of several devices a room is on (pure).

use std::collections::HashMap;

use super::keys::RoomKey;

/// Where rooms are, of devices that are known by their places in a list.
#[derive(Debug)]
pub(super) struct Placement {
    places: HashMap<RoomKey, usize>,
    /// Rooms on each device.
    counts: Vec<usize>,
}

impl Placement {
    /// Nothing is on any of so many devices.
    pub fn new(devices: usize) -> Self {
        Self {
            places: HashMap::new(),
            counts: vec![0; devices],
        }
    }

    /// The device of a room; one that has none gets the one with the fewest rooms, the first of
    /// several, and keeps it.
    pub fn place(&mut self, room: RoomKey) -> Option<usize> {
        if let Some(device) = self.find(room) {
            return Some(device);
        }
        let counted = self.counts.iter().copied().enumerate();
        let (device, _) = counted.min_by_key(|(_, rooms)| *rooms)?;
        self.counts[device] += 1;
        self.places.insert(room, device);
        Some(device)
    }

    /// The device of a room that has one.
    pub fn find(&self, room: RoomKey) -> Option<usize> {
        self.places.get(&room).copied()
    }

    /// The room has ended. Answers the device that it was on.
    pub fn forget(&mut self, room: RoomKey) -> Option<usize> {
        let device = self.places.remove(&room)?;
        self.counts[device] -= 1;
        Some(device)
    }

    /// Rooms on each device.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_go_where_the_fewest_are_and_stay_there() {
        let mut placement = Placement::new(2);
        let placed: Vec<_> = (1..=4)
            .filter_map(|room| placement.place(RoomKey(room)))
            .collect();
        assert_eq!(placed, [0, 1, 0, 1]);
        assert_eq!(placement.place(RoomKey(3)), Some(0));
        assert_eq!(placement.counts(), [2, 2]);
        assert_eq!(placement.forget(RoomKey(2)), Some(1));
        assert_eq!(placement.forget(RoomKey(2)), None);
        assert_eq!(placement.find(RoomKey(2)), None);
        assert_eq!(placement.place(RoomKey(5)), Some(1));
        assert_eq!(placement.counts(), [2, 2]);
    }
}
