//! Dense layers.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::buffer::Buffer;
use super::compact::Compact;
use super::instructions::InstructionSet;
use super::math::{Arithmetic, for_each_set};
use super::profile::Work;
use super::storage::{Output, Parts, Values, is_cpu_f32};
use super::tile::{self, Left, MOST_VECTORS, ROWS, Right, Tile};
use super::{interrupt, profile, stock, threads};

/// A dense layer: `x · weightᵀ + bias`. Clones share its weights.
#[derive(Clone)]
pub struct Linear {
    weights: Arc<Weights>,
    features_in: usize,
    features_out: usize,
}

enum Weights {
    Packed(Packed),
    Stock {
        weight: Tensor,
        bias: Option<Tensor>,
    },
}

impl Linear {
    /// A layer with `weight` `[out, in]` and `bias` `[out]`.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        Self::for_set(InstructionSet::best(), weight, bias)
    }

    fn for_set(set: InstructionSet, weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let (features_out, features_in) = weight.dims2()?;
        if let Some(bias) = &bias
            && bias.dims1()? != features_out
        {
            candle_core::bail!(
                "a dense layer with {features_out} outputs has {} biases",
                bias.elem_count()
            );
        }
        let weights = if is_cpu_f32(&weight) {
            Weights::Packed(Packed::new(set, &weight, bias.as_ref())?)
        } else {
            Weights::Stock { weight, bias }
        };
        Ok(Self {
            weights: Arc::new(weights),
            features_in,
            features_out,
        })
    }

    /// The weight that the layer was made with, `[out, in]`, bit for bit.
    pub fn weight(&self) -> Result<Tensor> {
        match &*self.weights {
            Weights::Packed(packed) => packed.unpacked(),
            Weights::Stock { weight, .. } => Ok(weight.clone()),
        }
    }

    /// A layer with the same bias and another weight, `[out, in]`.
    pub fn with_weight(&self, weight: Tensor) -> Result<Self> {
        let bias = match &*self.weights {
            Weights::Packed(packed) => Some(Tensor::new(packed.bias.as_slice(), &Device::Cpu)?),
            Weights::Stock { bias, .. } => bias.clone(),
        };
        Self::new(weight, bias)
    }

    /// `[…, in]` to `[…, out]`.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.run(input, None)
    }

    /// [`Linear::forward`] plus `residual`, which is shaped like the result.
    pub fn forward_add(&self, input: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.run(input, Some(residual))
    }

    fn run(&self, input: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        interrupt::check()?;
        let mut dims = input.dims().to_vec();
        if dims.pop() != Some(self.features_in) {
            candle_core::bail!(
                "a dense layer over {} features was given {:?}",
                self.features_in,
                input.shape()
            );
        }
        dims.push(self.features_out);
        if let Some(residual) = residual
            && residual.dims() != dims
        {
            candle_core::bail!("a sum of {:?} and {:?}", dims, residual.shape());
        }
        let (features_in, features_out) = (self.features_in, self.features_out);
        let rows = input.elem_count() / features_in.max(1);
        let _span = profile::span("dense layer", || Work {
            shape: format!("{features_in} → {features_out} of {rows}"),
            flops: 2 * rows * features_in * features_out,
            values: rows * (features_in + features_out) + features_in * features_out,
        });
        match &*self.weights {
            Weights::Packed(packed) => packed.run(input, residual, dims),
            Weights::Stock { weight, bias } => {
                let output = stock::linear(input, weight, bias.as_ref())?;
                residual.map_or(Ok(output.clone()), |residual| output + residual)
            }
        }
    }
}

/// Weights in panels of as many outputs as a tile is wide; in a panel, the outputs of one input
/// feature lie side by side.
struct Packed {
    set: InstructionSet,
    panels: Vec<Panel>,
    values: Compact,
    bias: Vec<f32>,
    depth: usize,
}

struct Panel {
    /// Where the panel starts in the packed values.
    start: usize,
    outputs: Range<usize>,
    vectors: usize,
    steps: Vec<u32>,
}

impl Packed {
    fn new(set: InstructionSet, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (features_out, depth) = weight.dims2()?;
        let lanes = set.lanes();
        let mut panels: Vec<Panel> = Vec::new();
        let mut first = 0;
        let mut start = 0;
        while first < features_out {
            let vectors = tile::next_width((features_out - first).div_ceil(lanes));
            let width = vectors * lanes;
            panels.push(Panel {
                start,
                outputs: first..features_out.min(first + width),
                vectors,
                steps: (0..depth).map(|step| (step * width) as u32).collect(),
            });
            first += width;
            start += width * depth;
        }
        let mut values = Buffer::zeroed(start);
        let weight = weight.contiguous()?;
        let weight = Values::of(&weight)?;
        for panel in &panels {
            let width = panel.vectors * lanes;
            let packed = &mut values.values_mut()[panel.start..][..width * depth];
            for (column, output) in panel.outputs.clone().enumerate() {
                for (step, &value) in weight[output * depth..][..depth].iter().enumerate() {
                    packed[step * width + column] = value;
                }
            }
        }
        let bias = match bias {
            Some(bias) => bias.to_vec1()?,
            None => vec![0.0; features_out],
        };
        Ok(Self {
            set,
            panels,
            values: Compact::new(set, values),
            bias,
            depth,
        })
    }

    /// The weight as it was before it was packed.
    fn unpacked(&self) -> Result<Tensor> {
        let mut weight = vec![0.0; self.bias.len() * self.depth];
        for panel in &self.panels {
            let width = panel.vectors * self.set.lanes();
            let range = panel.start..panel.start + width * self.depth;
            self.values.with(range, |packed| {
                for (column, output) in panel.outputs.clone().enumerate() {
                    let row = &mut weight[output * self.depth..][..self.depth];
                    for (step, value) in row.iter_mut().enumerate() {
                        *value = packed[step * width + column];
                    }
                }
            });
        }
        Tensor::from_vec(weight, (self.bias.len(), self.depth), &Device::Cpu)
    }

    fn run(&self, input: &Tensor, residual: Option<&Tensor>, dims: Vec<usize>) -> Result<Tensor> {
        let input = input.contiguous()?;
        let values = Values::of(&input)?;
        let residual = residual.map(Tensor::contiguous).transpose()?;
        let residual = residual.as_ref().map(Values::of).transpose()?;
        let rows = dims[..dims.len() - 1].iter().product::<usize>();
        let mut output = Output::new(rows * self.bias.len());
        let parts = output.parts();
        // What there is more of is shared out first, so that the other is read by fewer tasks.
        let blocks = rows.div_ceil(ROWS);
        let wanted = threads::wanted_tasks();
        let panels = self.panels.len().max(1);
        let (row_tasks, panel_tasks) = if rows < self.bias.len() {
            let panel_tasks = panels.min(wanted);
            (wanted.div_ceil(panel_tasks).min(blocks), panel_tasks)
        } else {
            let row_tasks = blocks.clamp(1, wanted);
            (row_tasks, wanted.div_ceil(row_tasks).min(panels))
        };
        threads::for_each(row_tasks * panel_tasks, |task| {
            let blocks = threads::share(blocks, row_tasks, task / panel_tasks);
            let panels = threads::share(self.panels.len(), panel_tasks, task % panel_tasks);
            for panel in &self.panels[panels] {
                let size = panel.vectors * self.set.lanes() * self.depth;
                self.values
                    .with(panel.start..panel.start + size, |weights| {
                        for block in blocks.clone() {
                            let rows = block * ROWS..rows.min((block + 1) * ROWS);
                            self.block(panel, weights, &values, rows, residual.as_deref(), parts);
                        }
                    });
            }
        });
        // SAFETY: the tasks wrote every block of rows of every panel.
        unsafe { output.into_tensor(dims) }
    }

    /// One tile: up to eight rows of one panel's outputs.
    fn block(
        &self,
        panel: &Panel,
        weights: &[f32],
        input: &[f32],
        rows: Range<usize>,
        residual: Option<&[f32]>,
        parts: Parts,
    ) {
        let lanes = self.set.lanes();
        let width = panel.vectors * lanes;
        let row = |index: usize| {
            let row = rows.start + index.min(rows.len() - 1);
            input[row * self.depth..][..self.depth].as_ptr()
        };
        let mut sums = [0.0f32; ROWS * MOST_VECTORS * tile::MOST_LANES];
        // SAFETY: the layer's set is one that this processor has. Rows are `depth` values of the
        // input; the panel has `width` values at each of its `depth` steps, of which the vectors
        // start `lanes` apart; `sums` has room for eight rows of three of the widest vectors.
        unsafe {
            tile::product(
                self.set,
                &Tile {
                    rows: rows.len(),
                    vectors: panel.vectors,
                    left: Left::Rows(std::array::from_fn(row)),
                    right: Right::Vectors(std::array::from_fn(|vector| {
                        weights.as_ptr().wrapping_add(vector * lanes)
                    })),
                    steps: &panel.steps,
                    right_end: weights.as_ptr_range().end,
                    out: sums.as_mut_ptr(),
                    out_stride: width,
                },
            );
        }
        for (sums, row) in sums.chunks(width).zip(rows) {
            let start = row * self.bias.len() + panel.outputs.start;
            let length = panel.outputs.len();
            // SAFETY: every block of rows of every panel is written once, by one task.
            let out = unsafe { parts.part(start, length) };
            let bias = &self.bias[panel.outputs.clone()];
            let residual = residual.map(|residual| &residual[start..][..length]);
            finish(self.set, &sums[..length], bias, residual, out);
        }
    }
}

for_each_set! {
    fn finish(
        sums: &[f32], bias: &[f32], residual: Option<&[f32]>, out: &mut [MaybeUninit<f32>],
    ) = finish_loop;
}

#[inline(always)]
fn finish_loop<A: Arithmetic>(
    sums: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    out: &mut [MaybeUninit<f32>],
) {
    let biased = out.iter_mut().zip(sums).zip(bias);
    match residual {
        Some(residual) => {
            for (((out, sum), bias), residual) in biased.zip(residual) {
                out.write(sum + bias + residual);
            }
        }
        None => {
            for ((out, sum), bias) in biased {
                out.write(sum + bias);
            }
        }
    }
}

#[cfg(test)]
mod tests;
