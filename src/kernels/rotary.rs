//! Rotary position embeddings (Su et al., "RoFormer", 2021).

use candle_core::{Result, Tensor};

use super::rows::by_rows;
use super::storage::{Values, is_cpu_f32};
use super::{profile, stock};

/// Turns each pair of neighbours `(a, b)` of a head's entries by the angle of its token and place:
/// `(a·cos − b·sin, b·cos + a·sin)`.
///
/// `input` is `[batch, tokens, heads · dim]`, `cos` and `sin` are `[tokens, dim / 2]` in f32, the
/// same for all heads and rows; the result is shaped like `input`.
pub fn rotary(input: &Tensor, cos: &Tensor, sin: &Tensor, heads: usize) -> Result<Tensor> {
    let (_, tokens, width) = input.dims3()?;
    if heads == 0 || width % (2 * heads) != 0 || cos.dims() != [tokens, width / heads / 2] {
        candle_core::bail!(
            "{heads} heads of tokens {:?} cannot be turned by angles {:?}",
            input.shape(),
            cos.shape()
        );
    }
    let _span = profile::pass("rotary", input);
    if !(is_cpu_f32(input) && is_cpu_f32(cos) && is_cpu_f32(sin)) {
        return stock::rotary(input, cos, sin, heads);
    }
    let (input, cos, sin) = (input.contiguous()?, cos.contiguous()?, sin.contiguous()?);
    let (cos, sin) = (Values::of(&cos)?, Values::of(&sin)?);
    let pairs = width / heads / 2;
    by_rows(&input, width, |row, values, out| {
        let token = row % tokens * pairs;
        let (cos, sin) = (&cos[token..][..pairs], &sin[token..][..pairs]);
        let heads = values.chunks_exact(2 * pairs);
        for (head, out) in heads.zip(out.chunks_exact_mut(2 * pairs)) {
            let angles = cos.iter().zip(sin);
            let pairs = head.chunks_exact(2).zip(out.chunks_exact_mut(2));
            for ((pair, out), (cos, sin)) in pairs.zip(angles) {
                out[0].write(pair[0] * cos - pair[1] * sin);
                out[1].write(pair[1] * cos + pair[0] * sin);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{assert_close, random};

    #[test]
    fn rotary_agrees_with_candle() -> Result<()> {
        for (batch, tokens, heads, dim) in [(1, 5, 3, 8), (2, 130, 4, 32), (3, 1, 1, 2)] {
            let input = random((batch, tokens, heads * dim))?;
            let (cos, sin) = (random((tokens, dim / 2))?, random((tokens, dim / 2))?);
            let ours = rotary(&input, &cos, &sin, heads)?;
            assert_close(&ours, &stock::rotary(&input, &cos, &sin, heads)?);
            // candle's own, which has the heads outside.
            let by_head = input
                .reshape((batch, tokens, heads, dim))?
                .transpose(1, 2)?
                .contiguous()?;
            let theirs = candle_nn::rotary_emb::rope_i(&by_head, &cos, &sin)?;
            assert_close(&ours, &theirs.transpose(1, 2)?.reshape(input.shape())?);
        }
        Ok(())
    }
}
