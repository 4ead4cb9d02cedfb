//! What `bench photo` prints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::findings::{Difference, Findings};
use super::untouched::Compared;
use crate::cli::bench::report::{Spread, spread_by_stage};
use crate::cli::machine::Machine;
use crate::protocol::{ModelInfo, TimingsMs};

/// What `bench photo --json` prints.
#[derive(Debug, Serialize)]
pub struct PhotoReport {
    /// `photo`.
    pub bench: &'static str,
    /// Version of the measuring program.
    pub version: &'static str,
    /// What was done.
    pub edited: Edited,
    /// Where the mask is zero, and after undo.
    pub untouched: Untouched,
    /// What the edits did under their masks.
    pub changed: Changed,
    /// Milliseconds from sending a stroke's last chunk to the arrival of the first frame that the
    /// model made with that chunk in sight.
    pub stroke_to_pixel_ms: Option<Spread>,
    /// The same by method.
    pub stroke_to_pixel_ms_by_method: BTreeMap<&'static str, Spread>,
    /// The same for the stroke's first chunk.
    pub first_chunk_to_pixel_ms: Option<Spread>,
    /// Strokes that no frame answered in time.
    pub lost: usize,
    /// Inversions.
    pub inversion: InversionReport,
    /// Milliseconds per stage, out of the `render` messages.
    pub stages_ms: BTreeMap<String, Spread>,
    /// Renders by state.
    pub renders: BTreeMap<String, usize>,
    /// The model.
    pub model: ModelInfo,
    /// The machine.
    pub machine: Machine,
    /// Seconds from the server's start to `/readyz`; None for a server that ran already.
    pub ready_seconds: Option<f64>,
    /// The most memory that the server held, in MiB; None for a server that ran already.
    pub server_peak_mib: Option<u64>,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Edited {
    /// Photos.
    pub photos: usize,
    /// Masks over each.
    pub masks: usize,
    /// Side of the canvas in pixels.
    pub canvas: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Seed of the masks.
    pub seed: u32,
}

/// How many bytes were compared with the photo's, and how many are others.
#[derive(Debug, Serialize)]
pub struct Untouched {
    /// All of them together.
    pub differing_bytes: u64,
    /// The final picture of each edit, where its mask is zero.
    pub finals: Compared,
    /// Each lossless frame before it, where the mask is zero.
    pub on_the_way: Compared,
    /// How many frames that were.
    pub frames: u64,
    /// The whole picture after the edit was undone.
    pub undone: Compared,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// What the edits did under their masks.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Pixels that they changed.
    pub pixels: u64,
    /// Masks under which nothing changed.
    pub masks_without_change: usize,
    /// Masks whose final picture did not come in time.
    pub masks_without_end: usize,
}

/// How photos were inverted.
#[derive(Debug, Serialize)]
pub struct InversionReport {
    /// Steps.
    pub steps: u32,
    /// From placing a photo until all of it could be edited.
    pub seconds: Option<Spread>,
    /// From placing it until the way back was made too.
    pub reconstruction_seconds: Option<Spread>,
    /// Of the reconstruction, in decibels.
    pub psnr_db: Option<Spread>,
    /// How often its progress was told.
    pub progress: Option<Spread>,
}

/// What is not measured on the photos.
#[derive(Debug)]
pub struct Surroundings {
    /// The model.
    pub model: ModelInfo,
    /// The machine.
    pub machine: Machine,
    /// Seconds from the server's start to `/readyz`.
    pub ready_seconds: Option<f64>,
    /// The most memory that the server held, in MiB.
    pub server_peak_mib: Option<u64>,
}

impl PhotoReport {
    /// Puts it together.
    pub fn new(edited: Edited, findings: Findings, around: Surroundings) -> Self {
        let by_method = findings.answer_ms.iter();
        let tally = &findings.tally;
        let timings: &[TimingsMs] = &tally.timings;
        Self {
            bench: "photo",
            version: env!("CARGO_PKG_VERSION"),
            edited,
            untouched: Untouched {
                differing_bytes: findings.differing_bytes(),
                finals: findings.finals,
                on_the_way: findings.on_the_way,
                frames: findings.frames,
                undone: findings.undone,
                differences: findings.differences,
            },
            changed: Changed {
                pixels: findings.changed_pixels,
                masks_without_change: findings.masks_without_change,
                masks_without_end: findings.masks_without_end,
            },
            stroke_to_pixel_ms: Spread::of(&tally.last_chunk_ms),
            stroke_to_pixel_ms_by_method: by_method
                .filter_map(|(method, answers)| Some((*method, Spread::of(answers)?)))
                .collect(),
            first_chunk_to_pixel_ms: Spread::of(&tally.first_chunk_ms),
            lost: tally.lost,
            inversion: InversionReport {
                steps: findings.inversion_steps,
                seconds: Spread::of(&findings.inversion_seconds),
                reconstruction_seconds: Spread::of(&findings.reconstruction_seconds),
                psnr_db: Spread::of(&findings.psnr_db),
                progress: Spread::of(&findings.progress),
            },
            stages_ms: spread_by_stage(timings),
            renders: findings.tally.renders,
            model: around.model,
            machine: around.machine,
            ready_seconds: around.ready_seconds,
            server_peak_mib: around.server_peak_mib,
        }
    }

    /// The report for a person.
    pub fn to_text(&self) -> String {
        let (edited, untouched) = (&self.edited, &self.untouched);
        let mut lines = vec![
            format!(
                "photos: {} of {side} × {side} pixels, masks over each: {}, steps: {}, {} on {}",
                edited.photos,
                edited.masks,
                edited.steps,
                self.model.id,
                self.model.device,
                side = edited.canvas,
            ),
            format!(
                "where the mask is zero: {}; in {} frames on the way: {}",
                told(&untouched.finals),
                untouched.frames,
                told(&untouched.on_the_way),
            ),
            format!("after undo: {}", told(&untouched.undone)),
            format!(
                "under the masks: {} pixels changed; {} masks changed nothing, {} did not come to \
                 their end",
                self.changed.pixels,
                self.changed.masks_without_change,
                self.changed.masks_without_end,
            ),
            format!(
                "stroke to pixel: {}; {} strokes without an answer",
                spread(&self.stroke_to_pixel_ms, "ms"),
                self.lost
            ),
        ];
        for (method, answers) in &self.stroke_to_pixel_ms_by_method {
            let (p50, p95) = (answers.p50, answers.p95);
            lines.push(format!("  {method}: p50 {p50} ms, p95 {p95} ms"));
        }
        let inversion = &self.inversion;
        lines.push(format!(
            "inversion, {} steps: {}, with {} reports of progress at the least",
            inversion.steps,
            spread(&inversion.seconds, "s"),
            inversion.progress.as_ref().map_or(0.0, |told| told.min),
        ));
        if let Some(psnr) = &inversion.psnr_db {
            lines.push(format!(
                "reconstruction: p50 {} dB, {} dB at the least",
                psnr.p50, psnr.min
            ));
        }
        lines.extend(untouched.differences.iter().map(|difference| {
            let Difference {
                photo,
                mask,
                moment,
                bytes,
                first,
            } = difference;
            format!("{photo}, mask {mask}, {moment}: {bytes} bytes differ, first at {first:?}")
        }));
        lines.join("\n")
    }
}

fn told(compared: &Compared) -> String {
    format!(
        "{} pixels compared, {} bytes differ",
        compared.pixels, compared.differing_bytes
    )
}

fn spread(spread: &Option<Spread>, unit: &str) -> String {
    match spread {
        Some(spread) => format!(
            "p50 {} {unit}, p95 {} {unit}, max {} {unit}",
            spread.p50, spread.p95, spread.max
        ),
        None => "none".to_owned(),
    }
}
