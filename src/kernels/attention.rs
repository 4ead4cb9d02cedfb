//! Softmax attention.

use candle_core::{Result, Tensor};

use super::stock;

/// `softmax(scale · q kᵀ + mask) v` for each head, heads lying side by side in the last dimension.
///
/// `query` is `[batch, queries, heads · dim]`, `key` and `value` are `[batch, keys, heads · dim]`,
/// the result is shaped like `query`. `mask` is added to the scores and broadcasts to
/// `[batch, heads, queries, keys]`; −∞ shuts a key out, and every query must keep one key.
pub fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    heads: usize,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    stock::attention(query, key, value, heads, scale, mask)
}
