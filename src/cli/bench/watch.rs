//! The answers to one stroke.

use std::time::Instant;

use super::client::Heard;
use super::painting::Listener;
use crate::cli::Failure;
use crate::protocol::{Layer, Rect, ServerMessage};

/// Waits for the answers to one stroke.
#[derive(Debug)]
pub struct StrokeWatch {
    id: String,
    footprint: Rect,
    chunks: usize,
    sent: Vec<Instant>,
    /// Arrival and `seq` of each chunk's acknowledgement.
    acknowledged: Vec<(Instant, u64)>,
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

    /// Milliseconds from sending each chunk to its acknowledgement, of those that have one.
    pub fn ack_ms(&self) -> impl Iterator<Item = f64> + '_ {
        let pairs = self.sent.iter().zip(&self.acknowledged);
        pairs.map(|(sent, (arrived, _))| milliseconds_between(*sent, *arrived))
    }

    /// Milliseconds from sending the chunk of that number to the first frame
    /// that includes it; None as long as there is none.
    pub fn answer_ms(&self, chunk: usize) -> Option<f64> {
        let (_, seq) = *self.acknowledged.get(chunk)?;
        let sent = *self.sent.get(chunk)?;
        let (arrived, _) = self.frames.iter().find(|(_, rev)| *rev >= seq)?;
        Some(milliseconds_between(sent, *arrived))
    }

    /// The same for its last chunk.
    pub fn last_answer_ms(&self) -> Option<f64> {
        self.answer_ms(self.chunks.checked_sub(1)?)
    }

    /// Whether a frame with the whole stroke has arrived.
    pub fn answered(&self) -> bool {
        self.last_answer_ms().is_some()
    }
}

fn milliseconds_between(sent: Instant, arrived: Instant) -> f64 {
    arrived.saturating_duration_since(sent).as_secs_f64() * 1000.0
}

impl Listener for StrokeWatch {
    fn hear(&mut self, heard: &Heard, now: Instant) -> Result<(), Failure> {
        match heard {
            Heard::Message(ServerMessage::Ack { id: Some(id), seq }) if *id == self.id => {
                self.acknowledged.push((now, *seq));
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{FrameFormat, FrameHeader};
    use bytes::Bytes;
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
            Bytes::new(),
        )
    }

    fn ink(rev: u64, rect: Rect) -> Heard {
        match frame(rev, rect, Layer::Result) {
            Heard::Frame(header, image) => Heard::Frame(FrameHeader { step: 0, ..header }, image),
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
        watch.hear(&ack("b", 1), at(41)).unwrap();
        watch.hear(&ack("a", 5), at(42)).unwrap();
        watch.hear(&ack("a", 6), at(43)).unwrap();
        watch.hear(&frame(4, here, Layer::Result), at(50)).unwrap();
        watch.hear(&frame(6, here, Layer::Sketch), at(60)).unwrap();
        watch
            .hear(
                &frame(6, Rect::new(200, 200, 64, 64), Layer::Result),
                at(70),
            )
            .unwrap();
        watch.hear(&ink(6, here), at(80)).unwrap();
        assert!(!watch.answered());
        watch.hear(&frame(5, here, Layer::Result), at(90)).unwrap();
        assert_eq!(watch.ack_ms().collect::<Vec<_>>(), [42.0, 3.0]);
        assert_eq!(watch.answer_ms(0), Some(90.0));
        assert_eq!(watch.answer_ms(1), None);
        watch.hear(&frame(7, here, Layer::Result), at(240)).unwrap();
        watch.hear(&frame(8, here, Layer::Result), at(300)).unwrap();
        assert_eq!(watch.answer_ms(1), Some(200.0));
        assert!(watch.answered());
    }

    #[test]
    fn a_frame_that_overtakes_its_ack_still_counts() {
        let start = Instant::now();
        let here = Rect::new(0, 0, 64, 64);
        let mut watch = StrokeWatch::new("a", here, 1);
        watch.sent(start);
        watch
            .hear(
                &frame(1, here, Layer::Result),
                start + Duration::from_millis(10),
            )
            .unwrap();
        watch
            .hear(&ack("a", 1), start + Duration::from_millis(20))
            .unwrap();
        assert_eq!(watch.answer_ms(0), Some(10.0));
    }
}
