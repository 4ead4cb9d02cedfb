//! The names by which the engine knows rooms and their jobs.

/// A room: a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u64);

impl RoomKey {
    /// Stands for the pictures that are made without a room; rooms count from 1.
    pub const NO_ROOM: Self = Self(0);
}

/// A job of a room, by the room's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobKey {
    pub room: RoomKey,
    pub ticket: u64,
}
