//! What a bench prints.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::machine::Machine;
use crate::pipeline::hundredths;
use crate::protocol::{ModelInfo, TimingsMs};

/// How a set of measured numbers is spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many were measured.
    pub count: usize,
    /// The smallest.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95 of 100 are no larger.
    pub p95: f64,
    /// 99 of 100 are no larger.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; None when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (smallest, largest) = (*sorted.first()?, *sorted.last()?);
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Some(Self {
            count: sorted.len(),
            min: hundredths(smallest),
            mean: hundredths(mean),
            p50: hundredths(percentile(&sorted, 50.0)?),
            p95: hundredths(percentile(&sorted, 95.0)?),
            p99: hundredths(percentile(&sorted, 99.0)?),
            max: hundredths(largest),
        })
    }
}

/// The smallest of the sorted values that at least `percent` of them do not
/// exceed (nearest rank); None when there are none.
pub fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}

/// What `bench stroke` prints.
#[derive(Debug, Serialize)]
pub struct StrokeReport {
    /// `stroke`.
    pub bench: &'static str,
    /// Version of the measuring program.
    pub version: &'static str,
    /// Milliseconds from sending a stroke's last chunk to the arrival of the
    /// first frame that the model made with that chunk in sight.
    pub stroke_to_pixel_ms: Option<Spread>,
    /// The same for the stroke's first chunk.
    pub first_chunk_to_pixel_ms: Option<Spread>,
    /// Milliseconds from joining the room to its first picture.
    pub first_frame_ms: f64,
    /// Milliseconds per stage, out of the `render` messages.
    pub stages_ms: BTreeMap<String, Spread>,
    /// What was painted.
    pub painted: Painted,
    /// Renders by state.
    pub renders: BTreeMap<String, usize>,
    /// Sides of the rectangles that finished renders answered for, with their number.
    pub render_rects: BTreeMap<String, usize>,
    /// Bytes of a result frame's image.
    pub frame_bytes: Option<Spread>,
    /// Strokes that no frame answered in time.
    pub lost: usize,
    /// What the server refused, with its number.
    pub refusals: BTreeMap<String, usize>,
    /// The model.
    pub model: ModelInfo,
    /// The machine.
    pub machine: Machine,
    /// Seconds from the server's start to `/readyz`; None for a server that ran already.
    pub ready_seconds: Option<f64>,
    /// The most memory that the server held, in MiB; None for a server that ran already.
    pub server_peak_mib: Option<u64>,
}

/// What was painted, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Painted {
    /// Side of the canvas in pixels.
    pub canvas: u32,
    /// Diameter of the brush in pixels.
    pub brush: u32,
    /// Side of the window that each stroke was meant to fill; None for single dabs.
    pub window: Option<u32>,
    /// Number of strokes.
    pub strokes: usize,
    /// Chunks per stroke.
    pub chunks: usize,
    /// Milliseconds between chunks.
    pub chunk_ms: u64,
    /// Milliseconds of rest between strokes.
    pub rest_ms: u64,
    /// Sampling steps.
    pub steps: u32,
    /// The prompt.
    pub prompt: String,
}

/// Puts the timings of many renders together, by stage.
pub fn spread_by_stage(timings: &[TimingsMs]) -> BTreeMap<String, Spread> {
    let mut by_stage: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (stage, value) in timings.iter().flatten() {
        by_stage.entry(stage).or_default().push(*value);
    }
    by_stage
        .into_iter()
        .filter_map(|(stage, values)| Some((stage.to_owned(), Spread::of(&values)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=40).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 50.0), Some(20.0));
        assert_eq!(percentile(&sorted, 95.0), Some(38.0));
        assert_eq!(percentile(&sorted, 99.0), Some(40.0));
        assert_eq!(percentile(&[7.0], 50.0), Some(7.0));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn a_spread_does_not_depend_on_the_order() {
        let spread = Spread::of(&[30.0, 10.0, 20.0]).unwrap();
        assert_eq!(
            (spread.count, spread.min, spread.mean, spread.max),
            (3, 10.0, 20.0, 30.0)
        );
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn stages_are_put_together_by_name() {
        let render = |denoise| TimingsMs::from([("denoise".to_owned(), denoise)]);
        let stages = spread_by_stage(&[render(10.0), render(20.0)]);
        assert_eq!(stages["denoise"].mean, 15.0);
    }
}
