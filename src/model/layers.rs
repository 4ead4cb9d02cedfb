//! The kernels' layers, made from named tensors, and with LoRAs added where they change them.

use candle_core::{DType, Result as TensorResult, Tensor};

use super::lora_change::{WeightChange, changed};
use super::{ModelError, Weights};
use crate::kernels::{Conv2d, GroupNorm, LayerNorm, Linear, Padding, RmsNorm};

/// The shape of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvShape {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: Padding,
    pub bias: bool,
}

impl ConvShape {
    /// A kernel with a bias that keeps the image's size.
    pub fn same(input: usize, output: usize, kernel: usize) -> Self {
        let padding = Padding::all(kernel.saturating_sub(1) / 2);
        Self {
            input,
            output,
            kernel,
            stride: 1,
            padding,
            bias: true,
        }
    }

    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }
}

/// `weight` and perhaps `bias` of the module `weights`, as a convolution.
pub(super) fn conv2d(weights: &Weights, shape: ConvShape) -> Result<Conv2d, ModelError> {
    let plain = weights.layer(|| {
        let kernel = [shape.output, shape.input, shape.kernel, shape.kernel];
        let weight = weights.tensor("weight", &kernel)?;
        let bias = bias(weights, shape.output, shape.bias)?;
        weights.prepared(Conv2d::with_padding(
            weight,
            bias,
            shape.stride,
            shape.padding,
        ))
    })?;
    adapted(weights, plain, |plain, changes| {
        plain.with_weight(changed(&plain.weight()?, changes)?)
    })
}

/// `weight` `[output, input]` and perhaps `bias` of the module `weights`, as a dense layer. A
/// 1×1 convolution is the same thing over tokens, so its shape is accepted too.
pub(super) fn linear(
    weights: &Weights,
    input: usize,
    output: usize,
    has_bias: bool,
) -> Result<Linear, ModelError> {
    let plain = weights.layer(|| {
        let shapes: [&[usize]; 2] = [&[output, input], &[output, input, 1, 1]];
        let weight = weights.tensor_of_any("weight", &shapes)?;
        let bias = bias(weights, output, has_bias)?;
        weights.prepared(Linear::new(weight, bias))
    })?;
    adapted(weights, plain, |plain, changes| {
        plain.with_weight(changed(&plain.weight()?, changes)?)
    })
}

fn bias(weights: &Weights, output: usize, has_bias: bool) -> Result<Option<Tensor>, ModelError> {
    has_bias
        .then(|| weights.tensor("bias", &[output]))
        .transpose()
}

/// `weight` `[rows, width]` of the module `weights`, to look rows up in.
pub(super) fn embedding(
    weights: &Weights,
    rows: usize,
    width: usize,
) -> Result<Tensor, ModelError> {
    let plain = weights.layer(|| weights.tensor("weight", &[rows, width]))?;
    adapted(weights, plain, changed)
}

/// A layer as it was read, or, where LoRAs change the module `weights`, what `change` makes of it.
fn adapted<L>(
    weights: &Weights,
    plain: L,
    change: impl FnOnce(&L, &[WeightChange]) -> TensorResult<L>,
) -> Result<L, ModelError> {
    match weights.changes() {
        [] => Ok(plain),
        changes => weights.prepared(change(&plain, changes)),
    }
}

/// `weight` and `bias` of the module `weights`, as a group normalisation.
pub(super) fn group_norm(
    weights: &Weights,
    channels: usize,
    groups: usize,
    eps: f64,
) -> Result<GroupNorm, ModelError> {
    weights.layer(|| {
        let weight = weights.tensor("weight", &[channels])?;
        let bias = weights.tensor("bias", &[channels])?;
        weights.prepared(GroupNorm::new(weight, bias, groups, eps))
    })
}

/// `weight` and `bias` of the module `weights`, as a layer normalisation.
pub(super) fn layer_norm(
    weights: &Weights,
    width: usize,
    eps: f64,
) -> Result<LayerNorm, ModelError> {
    weights.layer(|| {
        let weight = weights.tensor("weight", &[width])?;
        let bias = weights.tensor("bias", &[width])?;
        weights.prepared(LayerNorm::new(weight, bias, eps))
    })
}

/// `weight` of the module `weights`, as a root mean square normalisation.
pub(super) fn rms_norm(weights: &Weights, width: usize, eps: f64) -> Result<RmsNorm, ModelError> {
    weights.layer(|| {
        let weight = weights.tensor("weight", &[width])?;
        weights.prepared(RmsNorm::new(weight, eps))
    })
}

/// True for the number formats that large activations overflow.
pub(super) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}
