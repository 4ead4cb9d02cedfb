//! When members' frames are cut: those of a crowd together, so that one encoding serves all of them.
//!
//! Ops come faster than frames. Two members who are served a moment apart see two pictures, and each
//! takes an encoding; served at the same moment they see the same one. So whoever asks waits for the
//! next round, which is the longer off the more members there are.

use std::time::{Duration, Instant};

/// Time between rounds for each member beyond [`ALONE_MOST`].
const FOR_EACH: Duration = Duration::from_millis(1);
/// The most time between rounds: 25 in a second look smooth.
const ROUND_MOST: Duration = Duration::from_millis(40);
/// So few members never wait for each other.
const ALONE_MOST: usize = 2;

/// Who waits for the next round.
#[derive(Debug)]
pub(in crate::room) struct Rounds<T> {
    waiting: Vec<T>,
    /// When the next round is, where somebody waits for it.
    next: Option<Instant>,
}

impl<T> Rounds<T> {
    /// Nobody waits.
    pub(in crate::room) fn new() -> Self {
        Self {
            waiting: Vec::new(),
            next: None,
        }
    }

    /// Somebody asks for a frame; answered with it where it need not wait.
    pub(in crate::room) fn ask(&mut self, whose: T, members: usize, now: Instant) -> Option<T> {
        if self.waiting.is_empty() && self.next.is_none_or(|next| next <= now) {
            self.next = Some(now + time_between(members));
            return Some(whose);
        }
        self.waiting.push(whose);
        None
    }

    /// When [`Self::take`] has somebody to answer.
    pub(in crate::room) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// All who wait, at their round.
    pub(in crate::room) fn take(&mut self, members: usize, now: Instant) -> Vec<T> {
        self.next = Some(now + time_between(members));
        std::mem::take(&mut self.waiting)
    }
}

fn time_between(members: usize) -> Duration {
    let others = u32::try_from(members.saturating_sub(ALONE_MOST)).unwrap_or(u32::MAX);
    FOR_EACH.saturating_mul(others).min(ROUND_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_crowd_is_served_together() {
        let (mut rounds, start) = (Rounds::new(), Instant::now());
        assert_eq!(rounds.ask("first", 50, start), Some("first"));
        assert_eq!(rounds.due(), None);
        for (member, after) in [("second", 1), ("third", 20), ("first", 39)] {
            let now = start + milliseconds(after);
            assert_eq!(rounds.ask(member, 50, now), None);
        }
        let due = rounds.due().unwrap();
        assert_eq!(due, start + ROUND_MOST);
        assert_eq!(rounds.take(50, due), ["second", "third", "first"]);
        assert_eq!(rounds.due(), None);
        // Who asks before the round after it waits for that.
        assert_eq!(rounds.ask("third", 50, due + milliseconds(5)), None);
        assert_eq!(rounds.due(), Some(due + ROUND_MOST));
    }

    #[test]
    fn two_never_wait_and_few_wait_shortly() {
        let (mut rounds, start) = (Rounds::new(), Instant::now());
        for _ in 0..10 {
            assert_eq!(rounds.ask(1, 2, start), Some(1));
        }
        assert_eq!(time_between(5), milliseconds(3));
        assert_eq!(time_between(0), Duration::ZERO);
        assert_eq!(time_between(usize::MAX), ROUND_MOST);
    }

    #[test]
    fn who_asks_late_is_served_at_once() {
        let (mut rounds, start) = (Rounds::new(), Instant::now());
        assert_eq!(rounds.ask(1, 50, start), Some(1));
        assert_eq!(rounds.ask(2, 50, start + milliseconds(41)), Some(2));
    }
}
