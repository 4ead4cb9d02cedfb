//! What each member has seen, and gets next.
//!
//! The picture is watched in tiles. Ops and renders mark tiles; each member's view says which of
//! them it still has to see.

mod encoder;
mod rounds;
mod state;
mod tiles;
mod view;

pub(super) use encoder::{FrameEncoder, MemberFrame, SharedImages};
pub(super) use rounds::Rounds;
pub(super) use state::{Frames, ShownRender};
pub(super) use view::FramePlan;
