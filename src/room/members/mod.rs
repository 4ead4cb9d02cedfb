//! Who is in the room: roles and what they may do, limits, what is said, and what waits to be
//! written to each member's socket.

mod chat;
mod connections;
mod house_rules;
mod outbox;
mod pointers;
mod rights;
mod roster;
mod turns;

pub(super) use chat::Chat;
pub(super) use connections::Connections;
pub(super) use house_rules::HouseRules;
pub(super) use outbox::OutboxRequest;
pub use outbox::{CloseReason, Joined, MemberOutbox, Outgoing};
pub(super) use rights::Deed;
pub use roster::MemberId;
pub(super) use roster::{Arrival, Members};
pub(super) use turns::Turns;
