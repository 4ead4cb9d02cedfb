//! Weights in the order in which [`super::product`] reads them.

use super::weights::Packed;
use crate::kernels::buffer::Buffer;
use crate::kernels::instructions::InstructionSet;

/// Vectors of output channels that one product is wide.
pub(super) const WIDTH: usize = 2;

/// Several matrices of `depth` rows, one column for each output channel. Each is cut into blocks
/// of [`WIDTH`] vectors of columns (the last may have fewer), and in a block the values of one row
/// lie side by side. Columns are filled up to whole vectors with zeros.
pub(super) struct Blocks {
    pub set: InstructionSet,
    /// Rows of a matrix.
    pub depth: usize,
    /// Output channels, filled up.
    pub across: usize,
    /// How many matrices there are.
    pub places: usize,
    /// Output channels, as many as there are.
    pub channels: usize,
    values: Buffer,
    /// One value for each of `across`.
    bias: Vec<f32>,
}

impl Blocks {
    /// `places` matrices of zeros of `depth` rows, with the bias of `weights`.
    pub fn zeroed(weights: &Packed, places: usize, depth: usize) -> Self {
        let mut bias = weights.bias().to_vec();
        let channels = bias.len();
        let across = channels.next_multiple_of(weights.set.lanes());
        bias.resize(across, 0.0);
        Self {
            set: weights.set,
            depth,
            across,
            places,
            channels,
            values: Buffer::zeroed(places * depth * across),
            bias,
        }
    }

    /// One matrix: the weights of each place of a kernel of 9 below those of the place before.
    pub fn direct(weights: &Packed) -> Self {
        let inputs = weights.depth() / 9;
        let mut blocks = Self::zeroed(weights, 1, weights.depth());
        for out in 0..blocks.channels {
            for input in 0..inputs {
                let kernel = kernel(weights, out, input);
                for (tap, value) in kernel.into_iter().enumerate() {
                    blocks.set(0, tap * inputs + input, out, value);
                }
            }
        }
        blocks
    }

    /// Sets the value of one row and column of a matrix.
    pub fn set(&mut self, place: usize, row: usize, column: usize, value: f32) {
        let widest = WIDTH * self.set.lanes();
        let block = column / widest * widest;
        let width = (self.across - block).min(widest);
        let start = (place * self.across + block) * self.depth;
        self.values.values_mut()[start + row * width + column - block] = value;
    }

    /// The block of a matrix that begins at output channel `channel`, a multiple of [`WIDTH`]
    /// vectors.
    pub fn block(&self, place: usize, channel: usize) -> &[f32] {
        let width = (self.across - channel).min(WIDTH * self.set.lanes());
        let start = (place * self.across + channel) * self.depth;
        &self.values.values()[start..][..self.depth * width]
    }

    /// One value for each output channel, filled up with zeros.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }
}

/// The 3×3 kernel between two channels.
pub(super) fn kernel(weights: &Packed, out: usize, input: usize) -> [f32; 9] {
    std::array::from_fn(|tap| weights.value(out, 9 * input + tap))
}
