//! The op log and snapshots of a room, behind one trait.
