//! Whether the device goes on. Threads that wait for each other, or a kernel that never ends, would
//! be seen by nobody: the server would go on to answer, and paint nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How much longer than the warm-up, which is one step and the autoencoder, a turn of the device's
/// loop may take: prompts of their own, guidance and controls are rows of a step, and rooms share one.
const WARM_UPS: u32 = 50;
/// The least that a turn may take, in seconds.
const LEAST_SECONDS: u32 = 60;

/// Where the device's loop is.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    turns: AtomicU64,
    is_waiting: AtomicBool,
}

impl Pulse {
    /// There is nothing to do.
    pub fn waits(&self) {
        self.is_waiting.store(true, Ordering::Relaxed);
    }

    /// Another turn of the loop begins.
    pub fn beats(&self) {
        self.is_waiting.store(false, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
    }
}

/// Looks at a pulse once a second. It counts how often it looked, so that a process that was stopped
/// for a while is not taken for one that stands still.
#[derive(Debug)]
pub(super) struct Watchdog {
    limit: u32,
    last: u64,
    looks: u32,
}

impl Watchdog {
    /// For a device that took so long to warm up.
    pub fn new(warm_up: Duration) -> Self {
        let seconds = (warm_up * WARM_UPS).as_secs().try_into();
        Self {
            limit: LEAST_SECONDS.max(seconds.unwrap_or(u32::MAX)),
            last: 0,
            looks: 0,
        }
    }

    /// True when the device has been in one turn for too long.
    pub fn look(&mut self, pulse: &Pulse) -> bool {
        let turn = pulse.turns.load(Ordering::Relaxed);
        if turn != self.last || pulse.is_waiting.load(Ordering::Relaxed) {
            (self.last, self.looks) = (turn, 0);
        } else {
            self.looks += 1;
        }
        self.looks > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_turn_that_does_not_end_is_standing_still() {
        let (pulse, mut watchdog) = (Pulse::default(), Watchdog::new(Duration::ZERO));
        let mut bites = |looks: u32, pulse: &Pulse| (0..looks).any(|_| watchdog.look(pulse));
        pulse.waits();
        assert!(!bites(1000, &pulse), "nothing to do");
        for _ in 0..10 {
            pulse.beats();
            assert!(!bites(LEAST_SECONDS, &pulse), "long turns");
        }
        assert!(bites(2, &pulse));
        pulse.beats();
        assert!(!bites(LEAST_SECONDS, &pulse), "it went on");
    }

    #[test]
    fn a_slow_device_has_more_time() {
        let slow = Watchdog::new(Duration::from_secs(200));
        assert_eq!(slow.limit, 10_000);
    }
}
