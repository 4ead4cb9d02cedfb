//! How long the stages of a render took.

use std::time::{Duration, Instant};

use crate::protocol::TimingsMs;

/// A stage of a render, by the names of the `render` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Waiting for the device.
    Queue,
    /// Prompt to embedding.
    Text,
    /// Pixels to latents.
    Encode,
    /// All sampling steps.
    Denoise,
    /// Latents to pixels.
    Decode,
    /// Looking at the pixels, where a safety checker does.
    Safety,
    /// Decoded pixels to those that are shown: enlarged, with a finish.
    Finish,
}

impl Stage {
    /// All stages, in the order in which they happen.
    pub const ALL: [Stage; 7] = [
        Stage::Queue,
        Stage::Text,
        Stage::Encode,
        Stage::Denoise,
        Stage::Decode,
        Stage::Safety,
        Stage::Finish,
    ];

    /// The name on the wire and in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Queue => "queue",
            Stage::Text => "text",
            Stage::Encode => "encode",
            Stage::Denoise => "denoise",
            Stage::Decode => "decode",
            Stage::Safety => "safety",
            Stage::Finish => "finish",
        }
    }
}

/// A stage that is under way.
#[must_use]
pub struct RunningStage {
    stage: Stage,
    since: Instant,
}

/// Time spent in each stage.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    spent: [Duration; Stage::ALL.len()],
}

impl Timings {
    /// Starts the clock of a stage.
    pub fn start(&self, stage: Stage) -> RunningStage {
        RunningStage {
            stage,
            since: Instant::now(),
        }
    }

    /// Adds the time since the stage started.
    pub fn finish(&mut self, running: RunningStage) {
        self.add(running.stage, running.since.elapsed());
    }

    /// Adds time to a stage.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.spent[stage as usize] += time;
    }

    /// Adds another's times.
    pub fn add_all(&mut self, other: &Self) {
        for stage in Stage::ALL {
            self.add(stage, other.spent(stage));
        }
    }

    /// Time spent in a stage.
    pub fn spent(&self, stage: Stage) -> Duration {
        self.spent[stage as usize]
    }

    /// Milliseconds by stage name, with their sum as `total`.
    pub fn to_ms(&self) -> TimingsMs {
        let ms = |time: Duration| hundredths(time.as_secs_f64() * 1000.0);
        let mut named: TimingsMs = Stage::ALL
            .into_iter()
            .map(|stage| (stage.name().to_owned(), ms(self.spent(stage))))
            .collect();
        named.insert("total".to_owned(), ms(self.spent.iter().sum()));
        named
    }
}

/// Rounded to two decimals, which is finer than any clock here.
pub fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_the_sum_of_the_stages() {
        let mut timings = Timings::default();
        timings.add(Stage::Encode, Duration::from_millis(30));
        timings.add(Stage::Decode, Duration::from_millis(12));
        timings.add(Stage::Encode, Duration::from_millis(1));
        let ms = timings.to_ms();
        assert_eq!(ms["encode"], 31.0);
        assert_eq!(ms["queue"], 0.0);
        assert_eq!(ms["total"], 43.0);
    }
}
