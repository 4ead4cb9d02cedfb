//! How the members of an overload paint.

use std::time::Duration;

use crate::cli::bench::painting::{CHUNK_EVERY, PlannedStroke};
use crate::cli::bench::random::Random;
use crate::protocol::{Brush, Rect, StrokeChunk, Tool};

/// Diameter of a polite member's brush, in pixels.
pub const BASE_BRUSH: u32 = 48;
/// The server takes 120 messages a second of a member: more would measure refusals.
const FASTEST: Duration = Duration::from_millis(10);

const COLOURS: [&str; 4] = ["#c8342c", "#3d7a35", "#2f5fa8", "#e0a92e"];

/// A way to paint.
#[derive(Clone, Copy, Debug)]
pub struct Hand {
    canvas: u32,
    brush: u32,
    chunks: u32,
    /// How far a stroke goes, in pixels; no farther than the canvas.
    reach: u32,
    /// Time between chunks.
    pub chunk_every: Duration,
    /// Rest after a stroke that was answered; none for a hand that waits for nothing.
    pub rest: Option<Duration>,
}

impl Hand {
    /// A short stroke, and a look at what comes of it.
    pub fn polite(canvas: u32) -> Self {
        Self {
            canvas,
            brush: BASE_BRUSH,
            chunks: 3,
            reach: BASE_BRUSH,
            chunk_every: CHUNK_EVERY,
            rest: Some(Duration::from_millis(400)),
        }
    }

    /// Scribbles all over the canvas without a rest.
    pub fn wild(canvas: u32, wildness: u32) -> Self {
        Self {
            canvas,
            brush: (BASE_BRUSH * wildness).min(canvas / 2),
            chunks: 12,
            reach: canvas,
            chunk_every: (CHUNK_EVERY / wildness).max(FASTEST),
            rest: None,
        }
    }

    /// Side of the canvas that it paints on.
    pub fn canvas(&self) -> u32 {
        self.canvas
    }

    /// The stroke of that number; the same one in every run with the same seed.
    pub fn stroke(&self, seed: u32, index: usize) -> PlannedStroke {
        let mut random = Random::new(seed, index);
        let id = format!("overload-{index}");
        let brush = Brush {
            tool: Tool::Brush,
            size: self.brush as f32,
            hardness: 0.8,
            opacity: 1.0,
            color: random.one_of(COLOURS).to_owned(),
            prompt: None,
            layer: None,
        };
        let room = self.canvas - self.brush;
        let reach = self.reach.min(room);
        let mut corner = || random.below(room - reach + 1);
        let (left, top) = (corner(), corner());
        let radius = self.brush as f32 / 2.0;
        let mut place = |from: u32| from as f32 + radius + random.between(0.0, reach as f32);
        let mut chunks = Vec::new();
        for chunk in 0..self.chunks {
            let points = (0..3).map(|_| [place(left), place(top), 1.0]);
            chunks.push(StrokeChunk {
                id: id.clone(),
                brush: (chunk == 0).then(|| brush.clone()),
                points: points.collect(),
                done: chunk + 1 == self.chunks,
            });
        }
        let side = reach + self.brush;
        PlannedStroke {
            id,
            footprint: Rect::new(left, top, side, side),
            chunks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_stay_on_the_canvas_and_within_their_footprint() {
        let hands = [
            Hand::polite(512),
            Hand::polite(128),
            Hand::wild(512, 1),
            Hand::wild(512, 10),
            Hand::wild(128, 10),
        ];
        for hand in hands {
            for index in 0..50 {
                let stroke = hand.stroke(3, index);
                let footprint = stroke.footprint;
                assert!(footprint.right() <= hand.canvas && footprint.bottom() <= hand.canvas);
                assert!(stroke.chunks[0].brush.is_some());
                assert!(stroke.chunks.last().unwrap().done);
                let radius = hand.brush as f32 / 2.0;
                for [x, y, _] in stroke.chunks.iter().flat_map(|chunk| &chunk.points) {
                    let inside = |value: f32, from: u32, to: u32| {
                        value - radius >= from as f32 && value + radius <= to as f32
                    };
                    assert!(inside(*x, footprint.x, footprint.right()));
                    assert!(inside(*y, footprint.y, footprint.bottom()));
                }
            }
        }
        let again = Hand::polite(512).stroke(3, 7).chunks;
        assert_eq!(again, Hand::polite(512).stroke(3, 7).chunks);
    }

    #[test]
    fn the_wildest_hand_sends_no_faster_than_a_member_may() {
        assert_eq!(Hand::wild(512, 10).chunk_every, FASTEST);
        assert!(Hand::wild(512, 2).chunk_every < Hand::polite(512).chunk_every);
    }
}
