//! What one socket may send and get: a token bucket for messages and a window for
//! refusals. Pure arithmetic; the caller brings the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A token bucket: `burst` messages at once, `per_second` in the long run.
#[derive(Debug)]
pub struct MessageAllowance {
    burst: f64,
    per_second: f64,
    tokens: f64,
    updated: Instant,
}

impl MessageAllowance {
    /// A full bucket; both numbers must be positive.
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        let per_second = f64::from(per_second.max(1));
        Self {
            burst,
            per_second,
            tokens: burst,
            updated: now,
        }
    }

    /// Takes `cost` messages out of the bucket.
    ///
    /// # Errors
    /// How long to wait, when there are not enough; nothing is taken then.
    pub fn take(&mut self, cost: u32, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.updated).as_secs_f64();
        self.updated = now;
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        // A message larger than the bucket costs the whole of it, or it could never pass.
        let cost = f64::from(cost).min(self.burst);
        if self.tokens >= cost {
            self.tokens -= cost;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (cost - self.tokens) / self.per_second,
        ))
    }
}

/// Messages that a text of so many bytes counts as: one per started 4 KiB.
pub fn message_cost(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(4096))
        .unwrap_or(u32::MAX)
        .max(1)
}

/// Messages that a line of the chat counts as, beside its own.
pub const CHAT_COST: u32 = 59;

/// Counts refusals; too many within the window is abuse.
#[derive(Debug)]
pub struct RefusalWindow {
    limit: usize,
    window: Duration,
    refusals: VecDeque<Instant>,
}

impl RefusalWindow {
    /// Abuse is `limit` refusals within `window`.
    pub fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit: limit.max(1),
            window,
            refusals: VecDeque::new(),
        }
    }

    /// Counts one refusal; true when it makes the abuse.
    pub fn refuse(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.refusals.front() {
            if now.saturating_duration_since(*oldest) < self.window {
                break;
            }
            self.refusals.pop_front();
        }
        self.refusals.push_back(now);
        self.refusals.len() >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_message_waits() {
        let start = Instant::now();
        let mut allowance = MessageAllowance::new(3, 10, start);
        for _ in 0..3 {
            assert_eq!(allowance.take(1, start), Ok(()));
        }
        assert_eq!(allowance.take(1, start), Err(Duration::from_millis(100)));
        assert_eq!(
            allowance.take(1, start + Duration::from_millis(101)),
            Ok(())
        );
    }

    #[test]
    fn a_rest_refills_no_further_than_the_burst() {
        let start = Instant::now();
        let mut allowance = MessageAllowance::new(2, 10, start);
        let later = start + Duration::from_secs(60);
        assert_eq!(allowance.take(2, later), Ok(()));
        assert!(allowance.take(1, later).is_err());
    }

    #[test]
    fn a_message_larger_than_the_bucket_can_pass_a_full_one() {
        let start = Instant::now();
        let mut allowance = MessageAllowance::new(4, 10, start);
        assert_eq!(allowance.take(100, start), Ok(()));
        assert!(allowance.take(1, start).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_neither_panics_nor_refills() {
        let start = Instant::now() + Duration::from_secs(5);
        let mut allowance = MessageAllowance::new(1, 1, start);
        assert_eq!(allowance.take(1, start - Duration::from_secs(5)), Ok(()));
        assert!(allowance.take(1, start - Duration::from_secs(4)).is_ok());
        assert!(allowance.take(1, start - Duration::from_secs(4)).is_err());
    }

    #[test]
    fn cost_counts_started_blocks() {
        assert_eq!(message_cost(0), 1);
        assert_eq!(message_cost(4096), 1);
        assert_eq!(message_cost(4097), 2);
    }

    #[test]
    fn refusals_are_abuse_only_when_close_together() {
        let start = Instant::now();
        let mut window = RefusalWindow::new(3, Duration::from_secs(10));
        assert!(!window.refuse(start));
        assert!(!window.refuse(start + Duration::from_secs(6)));
        assert!(!window.refuse(start + Duration::from_secs(12)));
        assert!(window.refuse(start + Duration::from_secs(13)));
    }
}
