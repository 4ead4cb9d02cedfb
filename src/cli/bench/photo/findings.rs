//! What many edits of many photos have shown.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::inversion::InversionWatch;
use super::untouched::Compared;
use crate::cli::bench::tally::Tally;
use crate::cli::bench::watch::StrokeWatch;
use crate::protocol::EditMethod;

/// Differences that are told one by one.
const DIFFERENCES_MOST: usize = 20;

/// When something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// In a lossless frame, before the final picture.
    OnTheWay,
    /// In the final picture.
    Final,
    /// After everything was undone.
    Undone,
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OnTheWay => "on the way",
            Self::Final => "in the final picture",
            Self::Undone => "after undo",
        })
    }
}

/// Bytes that are not the photo's although they should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which photo.
    pub photo: String,
    /// The edit's number on that photo, from 0.
    pub mask: usize,
    /// When.
    pub moment: Moment,
    /// How many.
    pub bytes: u64,
    /// The first pixel with one.
    pub first: (u32, u32),
}

/// What many edits of many photos have shown.
#[derive(Debug, Default)]
pub struct Findings {
    /// Strokes and renders.
    pub tally: Tally,
    /// Stroke to pixel, from the last chunk, by method.
    pub answer_ms: BTreeMap<&'static str, Vec<f64>>,
    /// Lossless frames on the way, where the mask is zero.
    pub on_the_way: Compared,
    /// How many of them.
    pub frames: u64,
    /// The final pictures, where the mask is zero.
    pub finals: Compared,
    /// The pictures after everything was undone.
    pub undone: Compared,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// Edits.
    pub masks: usize,
    /// Edits that changed no pixel.
    pub masks_without_change: usize,
    /// Edits whose final picture did not come in time.
    pub masks_without_end: usize,
    /// Pixels that the edits changed.
    pub changed_pixels: u64,
    /// Seconds from placing a photo until all of it could be edited.
    pub inversion_seconds: Vec<f64>,
    /// Seconds from placing a photo until the way back was made too.
    pub reconstruction_seconds: Vec<f64>,
    /// PSNR of the reconstructions.
    pub psnr_db: Vec<f64>,
    /// How often each inversion told its progress.
    pub progress: Vec<f64>,
    /// Steps of the inversions.
    pub inversion_steps: u32,
}

impl Findings {
    /// A stroke by that method has been painted.
    pub fn painted(&mut self, method: EditMethod, watch: &StrokeWatch) {
        self.tally.finish(watch);
        let answers = self.answer_ms.entry(method.name()).or_default();
        answers.extend(watch.last_answer_ms());
    }

    /// Pixels of an edit have been compared.
    pub fn compared(&mut self, photo: &str, mask: usize, moment: Moment, compared: &Compared) {
        match moment {
            Moment::OnTheWay => {
                self.frames += 1;
                self.on_the_way.add(compared);
            }
            Moment::Final => self.finals.add(compared),
            Moment::Undone => self.undone.add(compared),
        }
        if let Some(first) = compared.first
            && self.differences.len() < DIFFERENCES_MOST
        {
            self.differences.push(Difference {
                photo: photo.to_owned(),
                mask,
                moment,
                bytes: compared.differing_bytes,
                first,
            });
        }
    }

    /// A photo has been inverted, there and back.
    pub fn inverted(&mut self, watch: &InversionWatch) {
        let seconds = |after: Option<Duration>| after.map(|after| after.as_secs_f64());
        self.inversion_seconds
            .extend(seconds(watch.inverted_after()));
        self.reconstruction_seconds
            .extend(seconds(watch.done_after()));
        self.psnr_db.extend(watch.psnr_db());
        self.progress.push(watch.progress() as f64);
        self.inversion_steps = watch.steps();
    }

    /// All bytes that are not the photo's although they should be.
    pub fn differing_bytes(&self) -> u64 {
        self.on_the_way.differing_bytes + self.finals.differing_bytes + self.undone.differing_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_differs_at_any_moment_counts_and_is_told() {
        let differs = Compared {
            pixels: 10,
            differing_bytes: 1,
            first: Some((3, 4)),
        };
        let same = Compared {
            pixels: 10,
            ..Compared::default()
        };
        for moment in [Moment::OnTheWay, Moment::Final, Moment::Undone] {
            let mut findings = Findings::default();
            findings.compared("a.png", 0, moment, &same);
            assert_eq!(findings.differing_bytes(), 0);
            findings.compared("a.png", 1, moment, &differs);
            assert_eq!(findings.differing_bytes(), 1);
            let told = &findings.differences[..];
            assert_eq!((told.len(), told[0].mask, told[0].moment), (1, 1, moment));
        }
    }
}
