//! The room: one document, what is rendered next, what each member gets, and who is here.
//!
//! Four folders with one job each: [`document`], [`scheduler`], [`frames`], [`members`]. `core`
//! passes between them what an op or an event changes, without clock, sockets or device; `actor` is
//! the task around it. A server holds a [`RoomRegistry`], joins with [`RoomHandle::join`], sends
//! [`RoomCommand`]s and writes what [`MemberOutbox::next`] gives to the socket. `catalog` knows the
//! rooms that do not run, too.

mod actor;
mod attendance;
mod beginning;
mod catalog;
mod command;
mod commands;
mod core;
mod document;
mod error;
mod export;
mod frames;
mod generate;
mod handle;
mod images;
mod keeping;
mod members;
mod message;
mod op_log;
mod options;
mod people;
mod recordings;
mod registry;
mod registry_state;
mod renderer;
mod result_cache;
mod rules_keeper;
mod scheduler;
mod store;
#[cfg(test)]
mod tests;

pub use catalog::{ListedRoom, RoomFacts, TITLE_MOST};
pub use command::RoomCommand;
pub use error::RoomError;
pub use export::{ExportLayers, RoomExport};
pub use generate::{GenerateError, Generated, PicturePlace, PictureRequest};
pub use handle::{JoinRequest, RoomHandle};
pub use members::{CloseReason, Joined, MemberId, MemberOutbox, Outgoing};
pub use options::{InversionOptions, MEMBERS_MOST, RegistryLimits, RoomOptions};
pub use recordings::RoomRecording;
pub use registry::{RegistryCounts, RoomRegistry, is_room_name};
pub use renderer::{RenderRefused, Renderer};
#[doc(hidden)]
pub use store::fuzzing;
pub use store::{RECORDED_SIDE_MOST, RecordedPicture, RoomStore, StoreError};
