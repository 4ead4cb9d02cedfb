//! What a room does without while the device has too much to do: decisions only, no pixels.
//!
//! A room sees how long its renders wait for others. While they wait long it asks for less, one level
//! after another: fewer steps of what is seen while the hand moves, then smaller windows too, then
//! nothing before the hand lifts. While they wait shortly it takes all that back, one level after
//! another and more slowly, so that it does not swing. What is refined when the hand rests has all its
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

const LEVELS: [StrainLevel; 4] = [
    StrainLevel::Calm,
    StrainLevel::FewerSteps,
    StrainLevel::SmallWindows,
    StrainLevel::Busy,
];

/// How much a room does without.
#[derive(Debug, Default)]
pub(super) struct Strain {
    /// A place in [`LEVELS`].
    level: usize,
    /// Since when renders have waited long, without one that did not.
    long_since: Option<Instant>,
    /// Since when none has waited.
    calm_since: Option<Instant>,
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
                self.level = (self.level + 1).min(LEVELS.len() - 1);
                self.long_since = Some(now);
            }
        } else if wait <= SHORT {
            self.rest(now);
        } else {
            (self.long_since, self.calm_since) = (None, None);
        }
    }

    /// Nothing of the room is with the device, or what is there did not wait.
    pub(super) fn rest(&mut self, now: Instant) {
        self.long_since = None;
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= DOWN_AFTER {
            self.level = self.level.saturating_sub(1);
            self.calm_since = Some(now);
        }
    }

    /// When the level falls if nothing waits until then.
    pub(super) fn falls_at(&self) -> Option<Instant> {
        let since = self.calm_since.filter(|_| self.level > 0);
        since.map(|since| since + DOWN_AFTER)
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
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn long_waits_take_away_a_level_after_another_and_calm_gives_them_back() {
        let start = Instant::now();
        let mut strain = Strain::default();
        let mut seen = vec![strain.level()];
        let note = |strain: &Strain, seen: &mut Vec<StrainLevel>| {
            if seen.last() != Some(&strain.level()) {
                seen.push(strain.level());
            }
        };
        for moment in (0..6000).step_by(500) {
            strain.waited(milliseconds(500), start + milliseconds(moment));
            note(&strain, &mut seen);
        }
        assert_eq!(seen, LEVELS);
        assert_eq!(strain.retry_after(), Some(DOWN_AFTER));
        let mut now = start + milliseconds(6000);
        strain.rest(now);
        let mut levels = 0;
        while let Some(then) = strain.falls_at() {
            assert!(then > now, "a deadline lies ahead");
            now = then;
            strain.rest(now);
            levels += 1;
            note(&strain, &mut seen);
        }
        assert_eq!(levels, 3);
        let back = [2, 1, 0].map(|level| LEVELS[level]);
        assert_eq!(seen[4..], back);
        assert_eq!(strain.live_steps(4), 4);
    }

    #[test]
    fn one_long_wait_among_short_ones_changes_nothing() {
        let start = Instant::now();
        let mut strain = Strain::default();
        for round in 0..40 {
            let now = start + milliseconds(100 * round);
            let wait = if round % 4 == 0 { 450 } else { 20 };
            strain.waited(milliseconds(wait), now);
            assert_eq!(strain.level(), StrainLevel::Calm);
        }
    }

    #[test]
    fn waits_in_between_keep_the_level() {
        let start = Instant::now();
        let mut strain = Strain::default();
        strain.waited(milliseconds(700), start);
        assert_eq!(strain.level(), StrainLevel::FewerSteps);
        for round in 1..100 {
            strain.waited(milliseconds(250), start + milliseconds(100 * round));
            assert_eq!(strain.level(), StrainLevel::FewerSteps);
        }
        assert_eq!(strain.falls_at(), None);
    }

    #[test]
    fn every_level_costs_less_than_the_one_before() {
        let rules = WindowRules {
            zoom: 1,
            grid: 64,
            context: 16,
            minimum: 128,
            maximum: 512,
        };
        let mut strain = Strain::default();
        let mut last = (u32::MAX, u32::MAX, Duration::ZERO);
        for level in 0..LEVELS.len() {
            strain.level = level;
            let steps = strain.live_steps(8);
            let side = strain.live_rules(rules).maximum;
            let rest = strain.rest_time(milliseconds(400));
            assert!(steps >= 1 && side.is_multiple_of(rules.grid) && side >= rules.minimum);
            assert!(steps <= last.0 && side <= last.1 && rest >= last.2);
            last = (steps, side, rest);
        }
        assert_eq!(last, (1, 256, milliseconds(1600)));
    }
}
