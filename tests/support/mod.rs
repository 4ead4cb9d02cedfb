//! A server with a renderer that needs no model, and clients for it.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test file uses a part of this"
)]

mod client;
mod renderer;
mod server;

pub use client::{Event, TestClient, ops, stroke};
pub use renderer::{BREAKS_THE_ROOM, HELD_BACK, NEVER_ENDS, TestRenderer};
pub use server::{TestServer, call};
