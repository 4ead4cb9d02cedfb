//! Which pixels a tile holds, where they are read and where they go.

use super::plan::{Lanes, Plan};
use crate::kernels::tile::{self, MOST_VECTORS};

/// A tile's pixels.
pub(super) struct Pixels {
    /// How many vectors they fill.
    pub vectors: usize,
    /// Where its vectors, or halves of vectors, start in the staged or gathered image.
    pub starts: [usize; 2 * MOST_VECTORS],
    /// Which of its lanes go where.
    pub runs: Vec<Run>,
}

/// Neighbouring lanes of a tile that are neighbours in the result.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub lane: usize,
    pub length: usize,
    pub image: usize,
    pub pixel: usize,
}

impl Run {
    /// Its pieces that lie in one row of `width` pixels each.
    pub fn by_row(self, width: usize) -> impl Iterator<Item = Self> {
        let rows = self.pixel / width..(self.pixel + self.length).div_ceil(width);
        rows.map(move |row| {
            let first = self.pixel.max(row * width);
            let last = (self.pixel + self.length).min((row + 1) * width);
            Self {
                lane: self.lane + first - self.pixel,
                length: last - first,
                pixel: first,
                ..self
            }
        })
    }
}

/// Tiles whose vectors, or halves of them, come from single rows of the staged image.
pub(super) fn tiles_of_rows(
    plan: &Plan,
    first_row: usize,
    starts: &[usize],
    lanes: usize,
) -> Vec<Pixels> {
    let (part, parts_in_vector) = match plan.lanes {
        Lanes::Halves => (lanes / 2, 2),
        _ => (lanes, 1),
    };
    let mut parts = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let row = first_row + index;
        for x in (0..plan.out_width).step_by(part) {
            let run = Run {
                lane: 0,
                length: part.min(plan.out_width - x),
                image: row / plan.out_height,
                pixel: row % plan.out_height * plan.out_width + x,
            };
            parts.push((start + x, run));
        }
    }
    let mut tiles = Vec::new();
    let mut left = parts.as_slice();
    while !left.is_empty() {
        let vectors = tile::next_width(left.len().div_ceil(parts_in_vector));
        let (now, later) = left.split_at(left.len().min(vectors * parts_in_vector));
        left = later;
        let mut pixels = Pixels {
            vectors,
            starts: [now[0].0; 2 * MOST_VECTORS],
            runs: Vec::new(),
        };
        for (index, &(start, run)) in now.iter().enumerate() {
            pixels.starts[index] = start;
            let lane = index * part;
            pixels.push(Run { lane, ..run });
        }
        tiles.push(pixels);
    }
    tiles
}

/// Tiles of `count` gathered pixels.
pub(super) fn tiles_of_gathered(
    plan: &Plan,
    first_row: usize,
    count: usize,
    lanes: usize,
) -> Vec<Pixels> {
    let plane = plan.out_height * plan.out_width;
    let mut tiles = Vec::new();
    let mut done = 0;
    while done < count {
        let vectors = tile::next_width((count - done).div_ceil(lanes));
        let mut pixels = Pixels {
            vectors,
            starts: std::array::from_fn(|vector| done + vector.min(vectors - 1) * lanes),
            runs: Vec::new(),
        };
        let last = count.min(done + vectors * lanes);
        let mut lane = 0;
        while done + lane < last {
            let place = first_row * plan.out_width + done + lane;
            let length = (last - done - lane).min(plane - place % plane);
            pixels.push(Run {
                lane,
                length,
                image: place / plane,
                pixel: place % plane,
            });
            lane += length;
        }
        done = last;
        tiles.push(pixels);
    }
    tiles
}

impl Pixels {
    /// Adds a run, to the last one where they touch.
    fn push(&mut self, run: Run) {
        match self.runs.last_mut() {
            Some(last)
                if last.lane + last.length == run.lane
                    && last.image == run.image
                    && last.pixel + last.length == run.pixel =>
            {
                last.length += run.length;
            }
            _ => self.runs.push(run),
        }
    }
}
