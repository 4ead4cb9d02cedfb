//! Every operation of this floor, composed from candle's own operations.
//!
//! They serve the devices and dtypes for which there is no kernel here, and they are what the
//! kernels are tested and measured against.

use candle_core::{D, Result, Tensor};

use super::Padding;

/// 2-D convolution of `input` `[batch, in, height, width]` with `weight` `[out, in, kh, kw]`,
/// plus `bias` `[out]`.
pub fn conv2d(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: Padding,
) -> Result<Tensor> {
    let symmetric = padding.top == padding.bottom
        && padding.left == padding.right
        && padding.top == padding.left;
    let output = if symmetric {
        input.conv2d(weight, padding.top, stride, 1, 1)?
    } else {
        input
            .pad_with_zeros(2, padding.top, padding.bottom)?
            .pad_with_zeros(3, padding.left, padding.right)?
            .conv2d(weight, 0, stride, 1, 1)?
    };
    match bias {
        Some(bias) => output.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(output),
    }
}

/// `input` `[batch, channels, height, width]` with `bias`, one value for each channel, added to every
/// pixel; negative values become 0.
pub fn relu_with_bias(input: &Tensor, bias: &[f32]) -> Result<Tensor> {
    let bias = Tensor::from_slice(bias, (1, bias.len(), 1, 1), input.device())?;
    input.broadcast_add(&bias.to_dtype(input.dtype())?)?.relu()
}

/// `input` `[…, in]` times the transpose of `weight` `[out, in]`, plus `bias` `[out]`.
pub fn linear(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut dims = input.dims().to_vec();
    let width = dims.pop().unwrap_or(1);
    dims.push(weight.dim(0)?);
    let output = input.reshape(((), width))?.matmul(&weight.t()?)?;
    let output = match bias {
        Some(bias) => output.broadcast_add(bias)?,
        None => output,
    };
    output.reshape(dims)
}

/// Group normalisation of `input` `[batch, channels, …]` with per-channel `weight` and `bias`.
/// Half-precision inputs are normalised in `f32`.
pub fn group_norm(
    input: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    groups: usize,
    eps: f64,
) -> Result<Tensor> {
    let (batch, channels) = (input.dim(0)?, input.dim(1)?);
    let grouped = input
        .to_dtype(candle_core::DType::F32)?
        .reshape((batch, groups, ()))?;
    let centred = grouped.broadcast_sub(&grouped.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normal = centred
        .broadcast_div(&(variance + eps)?.sqrt()?)?
        .reshape(input.shape())?
        .to_dtype(input.dtype())?;
    let mut per_channel = vec![1; input.rank()];
    per_channel[1] = channels;
    normal
        .broadcast_mul(&weight.reshape(per_channel.as_slice())?)?
        .broadcast_add(&bias.reshape(per_channel.as_slice())?)
}

/// Layer normalisation of `input` `[…, width]` over its last dimension. Half-precision inputs are
/// normalised in `f32`.
pub fn layer_norm(input: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let wide = input.to_dtype(candle_core::DType::F32)?;
    let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred
        .broadcast_div(&(variance + eps)?.sqrt()?)?
        .to_dtype(input.dtype())?
        .broadcast_mul(weight)?
        .broadcast_add(bias)
}

/// [`layer_norm`] of tokens `[batch, tokens, width]` with a weight and a bias `[batch, width]` for
/// each row of the batch.
pub fn modulated_layer_norm(
    input: &Tensor,
    bias: &Tensor,
    weight: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    layer_norm(input, &weight.unsqueeze(1)?, &bias.unsqueeze(1)?, eps)
}

/// Root mean square normalisation of every `width` neighbours of the last dimension of `input`,
/// where `weight` is `[width]`. Half-precision inputs are normalised in `f32`.
pub fn rms_norm(input: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let rows = input.reshape(((), weight.dim(0)?))?;
    let wide = rows.to_dtype(candle_core::DType::F32)?;
    let square = wide.sqr()?.mean_keepdim(D::Minus1)?;
    wide.broadcast_div(&(square + eps)?.sqrt()?)?
        .to_dtype(input.dtype())?
        .broadcast_mul(weight)?
        .reshape(input.shape())
}

/// `residual + gate · input` for tokens `[batch, tokens, width]` and a gate `[batch, width]`.
pub fn add_gated(residual: &Tensor, gate: &Tensor, input: &Tensor) -> Result<Tensor> {
    residual + input.broadcast_mul(&gate.unsqueeze(1)?)?
}

/// Turns pairs of neighbours of each head; see [`super::rotary()`] for shapes.
pub fn rotary(input: &Tensor, cos: &Tensor, sin: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = input.dims3()?;
    let pairs = input.reshape((batch, tokens, heads, width / heads / 2, 2))?;
    let wide = pairs.to_dtype(candle_core::DType::F32)?;
    let (real, imaginary) = (
        wide.narrow(D::Minus1, 0, 1)?.squeeze(D::Minus1)?,
        wide.narrow(D::Minus1, 1, 1)?.squeeze(D::Minus1)?,
    );
    let (cos, sin) = (cos.unsqueeze(1)?, sin.unsqueeze(1)?);
    let turned_real = (real.broadcast_mul(&cos)? - imaginary.broadcast_mul(&sin)?)?;
    let turned_imaginary = (imaginary.broadcast_mul(&cos)? + real.broadcast_mul(&sin)?)?;
    Tensor::stack(&[turned_real, turned_imaginary], 4)?
        .to_dtype(input.dtype())?
        .reshape((batch, tokens, width))
}

/// Softmax attention; see [`super::attention()`] for shapes.
pub fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    heads: usize,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (batch, queries, width) = query.dims3()?;
    let by_head = |tensor: &Tensor| -> Result<Tensor> {
        let (batch, tokens, width) = tensor.dims3()?;
        tensor
            .reshape((batch, tokens, heads, width / heads))?
            .transpose(1, 2)?
            .contiguous()
    };
    let (query, key, value) = (by_head(query)?, by_head(key)?, by_head(value)?);
    let scores = (query.matmul(&key.transpose(2, 3)?.contiguous()?)? * scale)?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    candle_nn::ops::softmax_last_dim(&scores)?
        .matmul(&value)?
        .transpose(1, 2)?
        .reshape((batch, queries, width))
}

/// `x · sigmoid(x)`.
pub fn silu(input: &Tensor) -> Result<Tensor> {
    input.silu()
}

/// `x · Φ(x)` with the exact normal distribution function.
pub fn gelu(input: &Tensor) -> Result<Tensor> {
    input.gelu_erf()
}

/// `x · sigmoid(1.702 x)`.
pub fn quick_gelu(input: &Tensor) -> Result<Tensor> {
    input * candle_nn::ops::sigmoid(&(input * 1.702)?)?
}

/// The first half of the last dimension times the GELU of the second half.
pub fn geglu(input: &Tensor) -> Result<Tensor> {
    let halves = input.chunk(2, D::Minus1)?;
    match halves.as_slice() {
        [hidden, gate] => hidden * gelu(&gate.contiguous()?)?,
        _ => candle_core::bail!(
            "geglu needs a last dimension of even size, not {:?}",
            input.shape()
        ),
    }
}

/// Doubles height and width of `[batch, channels, height, width]` by repeating pixels.
pub fn upsample_nearest_2x(input: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = input.dims4()?;
    input.upsample_nearest2d(2 * height, 2 * width)
}
