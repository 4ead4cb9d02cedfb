//! What is rendered or inverted next: decisions only, no pixels of its own and no device.
//!
//! The scheduler takes in what changed in the document ([`super::document::Changed`]) and the
//! engine's events, and gives out commands to the engine and news of its jobs. Its authors are ids:
//! who they are, and what they have seen, it does not know.

mod changes;
mod edit;
mod floors;
mod inversions;
mod jobs;
mod next_inversion;
mod photos;
mod render_queue;
mod renders;
mod state;
mod strain;

pub(super) use next_inversion::INVERSIONS_MOST;
pub(super) use renders::FinishedRender;
pub(super) use state::{Output, Scheduler, SchedulerOptions};
