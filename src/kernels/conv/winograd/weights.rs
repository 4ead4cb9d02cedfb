//! Transformed weights in the order in which the products read them.

use super::super::weights::Packed;
use super::transform::{Points, SEEN};
use crate::kernels::buffer::Buffer;
use crate::kernels::tile::{InstructionSet, ROWS};

/// Vectors of output channels that one product is wide.
pub(super) const WIDTH: usize = 2;

/// The weights of a 3×3 convolution, transformed. For each place of the transform there are blocks
/// of [`WIDTH`] vectors of output channels (the last may have fewer), and in a block the weights
/// of one input channel lie side by side. Channels are filled up to whole vectors with zeros.
pub(in super::super) struct Transformed {
    pub(super) set: InstructionSet,
    pub(super) points: Points,
    /// Whether they are for an image that is doubled before it.
    pub(super) doubled: bool,
    /// Input channels, as many as there are.
    pub(super) depth: usize,
    /// Output channels, filled up.
    pub(super) across: usize,
    values: Buffer,
    bias: Vec<f32>,
    places: Vec<usize>,
}

impl Transformed {
    /// From the weights of a 3×3 convolution; for an image that is doubled before it if `doubled`
    /// says so.
    pub fn new(weights: &Packed, doubled: bool) -> Self {
        let (set, bias) = (weights.set, weights.bias().to_vec());
        let points = if doubled {
            Points::DOUBLED
        } else {
            Points::PRECISE
        };
        let places: Vec<usize> = (0..SEEN * SEEN)
            .filter(|place| !doubled || (place / SEEN != 2 && place % SEEN != 2))
            .collect();
        let depth = weights.depth() / 9;
        let lanes = set.lanes();
        let across = bias.len().next_multiple_of(lanes);
        let mut values = Buffer::zeroed(places.len() * depth * across);
        let to = values.values_mut();
        for out in 0..bias.len() {
            let block = out / (WIDTH * lanes) * WIDTH * lanes;
            let width = (across - block).min(WIDTH * lanes);
            let packed = weights.block(out / ROWS);
            for channel in 0..depth {
                let kernel: [f32; 9] =
                    std::array::from_fn(|tap| packed[(9 * channel + tap) * ROWS + out % ROWS]);
                let transformed = points.of_kernel(&kernel);
                for (slot, &place) in places.iter().enumerate() {
                    let start = (slot * across + block) * depth;
                    to[start + channel * width + out - block] = transformed[place];
                }
            }
        }
        Self {
            set,
            points,
            doubled,
            depth,
            across,
            values,
            bias,
            places,
        }
    }

    /// How many places of the transform there are: all 36, or the 25 at which a doubled image's is
    /// not always 0.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The weights at the `slot`-th place from output channel `block`, a multiple of [`WIDTH`]
    /// vectors, to the end of its block.
    pub fn block(&self, slot: usize, block: usize) -> &[f32] {
        let width = (self.across - block).min(WIDTH * self.set.lanes());
        let start = (slot * self.across + block) * self.depth;
        &self.values.values()[start..][..self.depth * width]
    }

    /// One value for each output channel.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }
}
