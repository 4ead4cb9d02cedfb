//! What a room does without while the device has too much to do: decisions only, no pixels.
//!
//! A room sees how long its renders wait for others. While they wait long it asks for less, one level
//! after another: fewer steps of what is seen while the hand moves, then smaller windows too, then
//! nothing before the hand lifts. While they wait shortly it takes all that back, one level after
//! another and more slowly, and a level that was needed again at once it keeps longer, so that it does not
//! swing. What is refined when the hand rests has all its
//! steps at every level: it only comes later.

use std::time::{Duration, Instant};

use crate::{canvas::WindowRules, protocol::StrainLevel};

/// A render that waited so long, waited too long.
const LONG: Duration = Duration::from_millis(400);
/// A render that waited so shortly did not wait.
const SHORT: Duration = Duration::from_millis(150);
/// Renders have waited long all that time: a level more.
const UP_AFTER: Duration = Duration::from_millis(600);
/// No render has waited all that time: a level less.
const DOWN_AFTER: Duration = Duration::from_secs(2);
/// A level that is back so soon after it fell was needed: it stays twice as long from now on.
const BACK_SOON: Duration = Duration::from_secs(4);
/// The longest that a level stays without a render that waits.
const DOWN_AFTER_MOST: Duration = Duration::from_secs(8);

const LEVELS: [StrainLevel; 4] = [
    StrainLevel::Calm,
    StrainLevel::FewerSteps,
    StrainLevel::SmallWindows,
    StrainLevel::Busy,
];

/// How much a room does without.
#[derive(Debug)]
pub(super) struct Strain {
    /// A place in [`LEVELS`].
    level: usize,
    /// So long no render may wait before it falls.
    falls_after: Duration,
    /// When it fell last, and how long it had stayed for that.
    fell: Option<(Instant, Duration)>,
    /// Since when renders have waited long, without one that did not.
    long_since: Option<Instant>,
    /// Since when none has waited.
    calm_since: Option<Instant>,
}

impl Default for Strain {
    fn default() -> Self {
        Self {
            level: 0,
            falls_after: DOWN_AFTER,
            fell: None,
            long_since: None,
            calm_since: None,
        }
    }
}

impl Strain {
    /// How much the room does without.
    pub(super) fn level(&self) -> StrainLevel {
        LEVELS[self.level]
    }

    /// A render waited so long for others before it began.
    pub(super) fn waited(&mut self, wait: Duration, now: Instant) {
        if wait >= LONG {
            self.calm_since = None;
            // It has been so since this one began to wait.
            let begun = now.checked_sub(wait).unwrap_or(now);
            let since = *self.long_since.get_or_insert(begun);
            if now.saturating_duration_since(since) >= UP_AFTER {
                self.rise(now);
                self.long_since = Some(now);
            }
        } else if wait <= SHORT {
            self.rest(now);
        } else {
            (self.long_since, self.calm_since) = (None, None);
        }
    }

    /// The device has no place for a render: there is nothing more to do without.
    pub(super) fn refused(&mut self, now: Instant) {
        self.level = LEVELS.len() - 1;
        self.long_since = Some(now);
        self.calm_since = None;
    }

    /// Nothing of the room is with the device, or what is there did not wait.
    pub(super) fn rest(&mut self, now: Instant) {
        self.long_since = None;
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.falls_after {
            self.fall(now);
            self.calm_since = Some(now);
        }
    }

    fn rise(&mut self, now: Instant) {
        if self.level + 1 == LEVELS.len() {
            return;
        }
        self.level += 1;
        let fell = self.fell.filter(|(when, _)| now < *when + BACK_SOON);
        self.falls_after = match fell {
            Some((_, stayed)) => (2 * stayed).min(DOWN_AFTER_MOST),
            None => DOWN_AFTER,
        };
    }

    fn fall(&mut self, now: Instant) {
        if self.level > 0 {
            self.level -= 1;
            self.fell = Some((now, self.falls_after));
        }
        self.falls_after = DOWN_AFTER;
    }

    /// When the level falls if nothing waits until then.
    pub(super) fn falls_at(&self) -> Option<Instant> {
        let since = self.calm_since.filter(|_| self.level > 0);
        since.map(|since| since + self.falls_after)
    }

    /// Steps of what is seen while the hand moves; `usual` is at least 1.
    pub(super) fn live_steps(&self, usual: u32) -> u32 {
        match self.level() {
            StrainLevel::Calm => usual,
            StrainLevel::FewerSteps => usual.div_ceil(2),
            StrainLevel::SmallWindows | StrainLevel::Busy => 1,
        }
    }

    /// How windows are cut that are seen while the hand moves.
    pub(super) fn live_rules(&self, rules: WindowRules) -> WindowRules {
        match self.level() {
            StrainLevel::Calm | StrainLevel::FewerSteps => rules,
            StrainLevel::SmallWindows | StrainLevel::Busy => {
                let half = rules.maximum / 2 / rules.grid.max(1) * rules.grid;
                WindowRules {
                    maximum: half.max(rules.minimum),
                    ..rules
                }
            }
        }
    }

    /// How long a hand must rest before the picture is refined, where it is `usual` in calm.
    pub(super) fn rest_time(&self, usual: Duration) -> Duration {
        match self.level() {
            StrainLevel::Calm | StrainLevel::FewerSteps => usual,
            StrainLevel::SmallWindows => 2 * usual,
            StrainLevel::Busy => 4 * usual,
        }
    }

    /// When to ask again for what is refused now; none where nothing is.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        (self.level() == StrainLevel::Busy).then_some(DOWN_AFTER)
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
