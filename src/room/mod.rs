//! The room: op order, members, undo, journal, what to render next.
//!
//! `core` and the files beside it are a state machine without clock, sockets or device; `actor`
//! is the task around it. A server holds a [`RoomRegistry`], joins with [`RoomHandle::join`],
//! sends [`RoomCommand`]s and writes what [`MemberOutbox::next`] gives to the socket.

mod actor;
mod cells;
mod command;
mod core;
mod error;
mod frames;
mod handle;
mod history;
mod images;
mod inversion_flights;
mod inversions;
mod lane;
mod mail;
mod members;
mod ops;
mod options;
mod outbox;
mod photos;
mod prompts;
mod registry;
mod render_plan;
mod renderer;
mod renders;
mod settings;
mod strokes;
mod take_back;
#[cfg(test)]
mod tests;
mod timeline;
mod views;

pub use command::RoomCommand;
pub use error::RoomError;
pub use handle::{JoinRequest, Joined, MemberId, RoomHandle};
pub use options::{InversionOptions, RegistryLimits, RoomOptions};
pub use outbox::{Farewell, MemberOutbox, Outgoing};
pub use registry::{RegistryCounts, RoomRegistry, is_room_name};
pub use renderer::{RenderRefused, Renderer};
