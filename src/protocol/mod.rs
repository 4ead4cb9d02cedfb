//! The wire protocol, version 1, sans-IO: message types, the binary frame
//! codec and the limits that every message is held to.
//!
//! `docs/protocol.md` is the written form that other clients rely on; the
//! TypeScript types in `web/client/src/protocol` are generated from this module.

mod brush_tip;
mod client;
mod control;
mod decode;
mod frame;
#[cfg(test)]
pub(crate) mod generated;
mod geometry;
mod limits;
mod lora;
mod op;
mod paint_layer;
mod people;
mod schedule;
mod server;
mod settings;
mod settings_patch;
mod validate;

pub use brush_tip::*;
pub use client::*;
pub use control::*;
pub use decode::*;
pub use frame::*;
pub use geometry::*;
pub use limits::*;
pub use lora::*;
pub use op::*;
pub use paint_layer::*;
pub use people::*;
pub use schedule::*;
pub use server::*;
pub use settings::*;
pub use settings_patch::*;
pub use validate::*;

/// The protocol version spoken by this build.
pub const PROTOCOL_VERSION: u32 = 1;
/// The websocket subprotocol name.
pub const SUBPROTOCOL: &str = "impasto.v1";
