//! Who is in the room: roles, limits, and what waits to be written to each member's socket.

mod outbox;
mod roster;
mod turns;

pub use outbox::{CloseReason, Joined, MemberOutbox, Outgoing};
pub(super) use outbox::{OutboxRequest, OutboxSender, outbox};
pub use roster::MemberId;
pub(super) use roster::{Arrival, Members};
pub(super) use turns::Turns;
