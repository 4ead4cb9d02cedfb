//! Weights in the order in which tiles read them.

use candle_core::{Result, Tensor};

use crate::kernels::buffer::Buffer;
use crate::kernels::storage::Values;
use crate::kernels::tile::{InstructionSet, ROWS};

/// Weights in blocks of eight output channels; in a block, the eight weights of one input value
/// lie side by side. The last block is filled up with zeros.
pub(super) struct Packed {
    /// What they are packed for.
    pub set: InstructionSet,
    values: Buffer,
    bias: Vec<f32>,
    depth: usize,
}

impl Packed {
    /// Packs `weight` `[out, in, height, width]` and `bias` `[out]`.
    pub fn new(set: InstructionSet, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let channels = weight.dim(0)?;
        let depth = weight.elem_count() / channels.max(1);
        let weight = weight.contiguous()?;
        let weight = Values::of(&weight)?;
        let weight = &weight[..];
        let mut values = Buffer::zeroed(channels.next_multiple_of(ROWS) * depth);
        let packed = values.values_mut();
        for channel in 0..channels {
            let block = &mut packed[channel / ROWS * ROWS * depth..][..ROWS * depth];
            let row = &weight[channel * depth..][..depth];
            for (step, &value) in row.iter().enumerate() {
                block[step * ROWS + channel % ROWS] = value;
            }
        }
        let bias = match bias {
            Some(bias) => bias.to_vec1()?,
            None => vec![0.0; channels],
        };
        Ok(Self {
            set,
            values,
            bias,
            depth,
        })
    }

    /// The weight as it was before it was packed, output channels first.
    pub fn unpacked(&self) -> Vec<f32> {
        let mut weight = Vec::with_capacity(self.bias.len() * self.depth);
        for channel in 0..self.bias.len() {
            let block = self.block(channel / ROWS);
            weight.extend((0..self.depth).map(|step| block[step * ROWS + channel % ROWS]));
        }
        weight
    }

    /// Input values that make one output value.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The weights of output channels `8 · block` to `8 · block + 7`.
    pub fn block(&self, block: usize) -> &[f32] {
        &self.values.values()[block * ROWS * self.depth..][..ROWS * self.depth]
    }

    /// One value for each output channel.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Of 3×3 weights, the 2×2 ones that give the same result for the output pixels of one kind
    /// when every pixel of the image is repeated in both directions: those in rows `2 y + phase.0`
    /// and columns `2 x + phase.1`. Weights that meet copies of the same pixel are added.
    pub fn of_phase(&self, phase: (usize, usize)) -> Self {
        let blocks = self.bias.len().div_ceil(ROWS);
        let depth = self.depth / 9 * 4;
        let mut values = Buffer::zeroed(blocks * ROWS * depth);
        let (from, _) = self.values.values().as_chunks::<ROWS>();
        let (to, _) = values.values_mut().as_chunks_mut::<ROWS>();
        for (from, to) in from.chunks_exact(9).zip(to.chunks_exact_mut(4)) {
            for (index, weights) in from.iter().enumerate() {
                let y = (index / 3 + 1 - phase.0) / 2;
                let x = (index % 3 + 1 - phase.1) / 2;
                for (sum, weight) in to[2 * y + x].iter_mut().zip(weights) {
                    *sum += weight;
                }
            }
        }
        Self {
            set: self.set,
            values,
            bias: self.bias.clone(),
            depth,
        }
    }
}
