//! What comes back while strokes are painted.

use std::collections::BTreeMap;
use std::time::Instant;

use super::client::Heard;
use super::painting::Listener;
use super::watch::StrokeWatch;
use crate::cli::Failure;
use crate::protocol::{Layer, RenderState, ServerMessage, TimingsMs};

/// Counts over many strokes.
#[derive(Debug, Default)]
pub struct Tally {
    /// Stroke to pixel, from the last chunk.
    pub last_chunk_ms: Vec<f64>,
    /// Stroke to pixel, from the first chunk.
    pub first_chunk_ms: Vec<f64>,
    /// Strokes without an answer.
    pub lost: usize,
    /// Stage timings of finished renders.
    pub timings: Vec<TimingsMs>,
    /// Renders by state; inversions are none.
    pub renders: BTreeMap<String, usize>,
    /// Sides of what finished renders answered for.
    pub render_rects: BTreeMap<String, usize>,
    /// Bytes of result frames.
    pub frame_bytes: Vec<f64>,
    /// What a room went without, by how often it was told of each level.
    pub strain: BTreeMap<String, usize>,
    /// Refusals by code.
    pub refusals: BTreeMap<String, usize>,
}

impl Listener for Tally {
    fn hear(&mut self, heard: &Heard, _now: Instant) -> Result<(), Failure> {
        match heard {
            Heard::Message(ServerMessage::Render(news)) if news.work.is_none() => {
                *self.renders.entry(wire_name(&news.state)).or_default() += 1;
                if news.state == RenderState::Done {
                    let sides = format!("{}x{}", news.rect.width, news.rect.height);
                    *self.render_rects.entry(sides).or_default() += 1;
                    self.timings.extend(news.timings_ms.clone());
                }
            }
            Heard::Message(ServerMessage::Error(error)) => {
                *self.refusals.entry(wire_name(&error.code)).or_default() += 1;
            }
            Heard::Message(ServerMessage::Strain { level }) => {
                *self.strain.entry(wire_name(level)).or_default() += 1;
            }
            Heard::Frame(header, image) if header.layer == Layer::Result => {
                self.frame_bytes.push(image.len() as f64);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Tally {
    /// Takes over what a stroke's watch has seen.
    pub fn finish(&mut self, watch: &StrokeWatch) {
        match watch.last_answer_ms() {
            Some(milliseconds) => self.last_chunk_ms.push(milliseconds),
            None => self.lost += 1,
        }
        self.first_chunk_ms.extend(watch.answer_ms(0));
    }
}

/// The name that a value has on the wire.
pub fn wire_name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Rect;

    #[test]
    fn a_stroke_without_an_answer_is_lost_and_not_a_number() {
        let mut tally = Tally::default();
        tally.finish(&StrokeWatch::new("a", Rect::new(0, 0, 1, 1), 1));
        assert_eq!((tally.lost, tally.last_chunk_ms.len()), (1, 0));
    }
}
