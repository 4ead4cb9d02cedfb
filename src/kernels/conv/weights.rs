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
}
