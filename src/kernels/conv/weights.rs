//! Weights in the order in which tiles read them.

use candle_core::{Result, Tensor};

use std::ops::Range;

use crate::kernels::buffer::Buffer;
use crate::kernels::compact::Compact;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::storage::Values;
use crate::kernels::tile::ROWS;

/// Weights in blocks of eight output channels; in a block, the eight weights of one input value
/// lie side by side. The last block is filled up with zeros.
pub(super) struct Packed {
    /// What they are packed for.
    pub set: InstructionSet,
    values: Compact,
    bias: Vec<f32>,
    depth: usize,
}

/// Some blocks of packed weights.
#[derive(Clone, Copy)]
pub(super) struct PackedBlocks<'a> {
    first: usize,
    size: usize,
    values: &'a [f32],
}

impl<'a> PackedBlocks<'a> {
    /// The weights of output channels `8 · block` to `8 · block + 7`.
    pub fn block(&self, block: usize) -> &'a [f32] {
        &self.values[(block - self.first) * self.size..][..self.size]
    }
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
            values: Compact::new(set, values),
            bias,
            depth,
        })
    }

    /// The weight as it was before it was packed, output channels first.
    pub fn unpacked(&self) -> Vec<f32> {
        let mut weight = vec![0.0; self.bias.len() * self.depth];
        for (block, rows) in weight.chunks_mut((ROWS * self.depth).max(1)).enumerate() {
            self.with_blocks(block..block + 1, |packed| {
                for (row, values) in rows.chunks_mut(self.depth).enumerate() {
                    for (step, value) in values.iter_mut().enumerate() {
                        *value = packed.values[step * ROWS + row];
                    }
                }
            });
        }
        weight
    }

    /// Input values that make one output value.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The weight of one input value for an output channel.
    pub fn value(&self, channel: usize, step: usize) -> f32 {
        let start = channel / ROWS * ROWS * self.depth;
        self.values.get(start + step * ROWS + channel % ROWS)
    }

    /// Calls `work` with the weights of some blocks.
    pub fn with_blocks<R>(&self, blocks: Range<usize>, work: impl FnOnce(PackedBlocks) -> R) -> R {
        let (first, size) = (blocks.start, ROWS * self.depth);
        let range = first * size..blocks.end * size;
        self.values.with(range, |values| {
            work(PackedBlocks {
                first,
                size,
                values,
            })
        })
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
        let (to, _) = values.values_mut().as_chunks_mut::<ROWS>();
        for (block, to) in to.chunks_mut(depth.max(1)).enumerate().take(blocks) {
            self.with_blocks(block..block + 1, |from| {
                let (from, _) = from.values.as_chunks::<ROWS>();
                for (from, to) in from.chunks_exact(9).zip(to.chunks_exact_mut(4)) {
                    for (index, weights) in from.iter().enumerate() {
                        let y = (index / 3 + 1 - phase.0) / 2;
                        let x = (index % 3 + 1 - phase.1) / 2;
                        for (sum, weight) in to[2 * y + x].iter_mut().zip(weights) {
                            *sum += weight;
                        }
                    }
                }
            });
        }
        Self {
            set: self.set,
            values: Compact::new(self.set, values),
            bias: self.bias.clone(),
            depth,
        }
    }
}
