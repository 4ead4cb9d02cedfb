//! Transformed weights.

use super::super::blocks::{Blocks, kernel};
use super::super::weights::Packed;
use super::transform::{Points, SEEN};

/// The weights of a 3×3 convolution, transformed: a matrix for each place of the transform.
pub(in super::super) struct Transformed {
    pub(super) blocks: Blocks,
    pub(super) points: Points,
    /// Whether they are for an image that is doubled before it. Its transform is always 0 at 11 of
    /// the 36 places, which are left out.
    pub(super) doubled: bool,
}

impl Transformed {
    /// From the weights of a 3×3 convolution; for an image that is doubled before it if `doubled`
    /// says so.
    pub fn new(weights: &Packed, doubled: bool) -> Self {
        let points = if doubled {
            Points::DOUBLED
        } else {
            Points::PRECISE
        };
        let places: Vec<usize> = (0..SEEN * SEEN)
            .filter(|place| !doubled || (place / SEEN != 2 && place % SEEN != 2))
            .collect();
        let inputs = weights.depth() / 9;
        let mut blocks = Blocks::zeroed(weights, places.len(), inputs);
        for out in 0..blocks.channels {
            for input in 0..inputs {
                let transformed = points.of_kernel(&kernel(weights, out, input));
                for (slot, &place) in places.iter().enumerate() {
                    blocks.set(slot, input, out, transformed[place]);
                }
            }
        }
        Self {
            blocks,
            points,
            doubled,
        }
    }
}
