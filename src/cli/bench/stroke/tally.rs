//! What comes back while strokes are painted.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Heard;
use crate::protocol::{Layer, Rect, RenderState, ServerMessage, TimingsMs};

/// Waits for the answers to one stroke.
#[derive(Debug)]
pub struct StrokeWatch {
    id: String,
    footprint: Rect,
    chunks: usize,
    sent: Vec<Instant>,
    acknowledged: Vec<u64>,
    /// Arrival and revision of the result frames that touch the stroke.
    frames: Vec<(Instant, u64)>,
}

impl StrokeWatch {
    /// For a stroke of `chunks` messages within `footprint`.
    pub fn new(id: &str, footprint: Rect, chunks: usize) -> Self {
        let (sent, acknowledged, frames) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            id: id.to_owned(),
            footprint,
            chunks,
            sent,
            acknowledged,
            frames,
        }
    }

    /// A chunk goes out at that moment.
    pub fn sent(&mut self, now: Instant) {
        self.sent.push(now);
    }

    /// Something arrived at that moment.
    pub fn hear(&mut self, heard: &Heard, now: Instant) {
        match heard {
            Heard::Message(ServerMessage::Ack { id: Some(id), seq }) if *id == self.id => {
                self.acknowledged.push(*seq);
            }
            Heard::Frame(header, _)
                // Step 0 is paint that no model has seen yet.
                if header.layer == Layer::Result
                    && header.step > 0
                    && !header.rect.intersect(&self.footprint).is_empty() =>
            {
                self.frames.push((now, header.rev));
            }
            _ => {}
        }
    }

    /// Milliseconds from sending the chunk of that number to the first frame
    /// that includes it; None as long as there is none.
    pub fn answer_ms(&self, chunk: usize) -> Option<f64> {
        let seq = *self.acknowledged.get(chunk)?;
        let sent = *self.sent.get(chunk)?;
        let (arrived, _) = self.frames.iter().find(|(_, rev)| *rev >= seq)?;
        Some(arrived.saturating_duration_since(sent).as_secs_f64() * 1000.0)
    }

    /// Whether a frame with the whole stroke has arrived.
    pub fn answered(&self) -> bool {
        self.answer_ms(self.chunks - 1).is_some()
    }
}

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
    /// Renders by state.
    pub renders: BTreeMap<String, usize>,
    /// Sides of what finished renders answered for.
    pub render_rects: BTreeMap<String, usize>,
    /// Bytes of result frames.
    pub frame_bytes: Vec<f64>,
    /// Refusals by code.
    pub refusals: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts what arrived.
    pub fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Message(ServerMessage::Render(news)) => {
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
            Heard::Frame(header, bytes) if header.layer == Layer::Result => {
                self.frame_bytes.push(*bytes as f64);
            }
            _ => {}
        }
    }

    /// Takes over what a stroke's watch has seen.
    pub fn finish(&mut self, watch: &StrokeWatch) {
        match watch.answer_ms(watch.chunks - 1) {
            Some(milliseconds) => self.last_chunk_ms.push(milliseconds),
            None => self.lost += 1,
        }
        self.first_chunk_ms.extend(watch.answer_ms(0));
    }
}

/// The name that a value has on the wire.
fn wire_name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{FrameFormat, FrameHeader};
    use std::time::Duration;

    fn frame(rev: u64, rect: Rect, layer: Layer) -> Heard {
        let format = FrameFormat::Webp;
        Heard::Frame(
            FrameHeader {
                rev,
                rect,
                step: 2,
                steps: 2,
                is_final: true,
                format,
                layer,
            },
            9,
        )
    }

    fn ink(rev: u64, rect: Rect) -> Heard {
        match frame(rev, rect, Layer::Result) {
            Heard::Frame(header, bytes) => Heard::Frame(FrameHeader { step: 0, ..header }, bytes),
            message => message,
        }
    }

    fn ack(id: &str, seq: u64) -> Heard {
        Heard::Message(ServerMessage::Ack {
            id: Some(id.to_owned()),
            seq,
        })
    }

    #[test]
    fn the_answer_is_the_first_frame_that_includes_the_chunk_and_touches_the_stroke() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let here = Rect::new(0, 0, 64, 64);
        let mut watch = StrokeWatch::new("a", here, 2);
        watch.sent(at(0));
        watch.sent(at(40));
        watch.hear(&ack("b", 1), at(41));
        watch.hear(&ack("a", 5), at(42));
        watch.hear(&ack("a", 6), at(43));
        watch.hear(&frame(4, here, Layer::Result), at(50));
        watch.hear(&frame(6, here, Layer::Sketch), at(60));
        watch.hear(
            &frame(6, Rect::new(200, 200, 64, 64), Layer::Result),
            at(70),
        );
        watch.hear(&ink(6, here), at(80));
        assert!(!watch.answered());
        watch.hear(&frame(5, here, Layer::Result), at(90));
        assert_eq!(watch.answer_ms(0), Some(90.0));
        assert_eq!(watch.answer_ms(1), None);
        watch.hear(&frame(7, here, Layer::Result), at(240));
        watch.hear(&frame(8, here, Layer::Result), at(300));
        assert_eq!(watch.answer_ms(1), Some(200.0));
        assert!(watch.answered());
    }

    #[test]
    fn a_frame_that_overtakes_its_ack_still_counts() {
        let start = Instant::now();
        let here = Rect::new(0, 0, 64, 64);
        let mut watch = StrokeWatch::new("a", here, 1);
        watch.sent(start);
        watch.hear(
            &frame(1, here, Layer::Result),
            start + Duration::from_millis(10),
        );
        watch.hear(&ack("a", 1), start + Duration::from_millis(20));
        assert_eq!(watch.answer_ms(0), Some(10.0));
    }

    #[test]
    fn a_stroke_without_an_answer_is_lost_and_not_a_number() {
        let mut tally = Tally::default();
        tally.finish(&StrokeWatch::new("a", Rect::new(0, 0, 1, 1), 1));
        assert_eq!((tally.lost, tally.last_chunk_ms.len()), (1, 0));
    }
}
