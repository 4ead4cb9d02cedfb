use candle_core::{DType, Device};

use super::*;
use crate::kernels::testing::{assert_close, random};

#[test]
fn every_set_agrees_with_candle() -> Result<()> {
    for set in InstructionSet::available() {
        for (batch, queries, keys, heads, dim) in [
            (1, 1, 1, 1, 1),
            (2, 5, 7, 3, 5),
            (1, 64, 64, 8, 16),
            (3, 33, 77, 2, 40),
            (2, 256, 32, 4, 32),
            (1, 100, 100, 1, 72),
        ] {
            let query = random((batch, queries, heads * dim))?;
            let key = random((batch, keys, heads * dim))?;
            let value = random((batch, keys, heads * dim))?;
            let scale = 1.0 / (dim as f64).sqrt();
            let ours = attention_for_set(set, &query, &key, &value, heads, scale, None)?;
            let theirs = stock::attention(&query, &key, &value, heads, scale, None)?;
            assert_close(&ours, &theirs);
        }
    }
    Ok(())
}

#[test]
fn a_causal_mask_shuts_later_keys_out() -> Result<()> {
    let (tokens, heads, dim) = (19, 2, 8);
    let mask: Vec<f32> = (0..tokens * tokens)
        .map(|index| {
            if index % tokens > index / tokens {
                f32::NEG_INFINITY
            } else {
                0.0
            }
        })
        .collect();
    let mask = Tensor::from_vec(mask, (tokens, tokens), &Device::Cpu)?;
    let input = random((2, tokens, heads * dim))?;
    for set in InstructionSet::available() {
        let ours = attention_for_set(set, &input, &input, &input, heads, 0.3, Some(&mask))?;
        let theirs = stock::attention(&input, &input, &input, heads, 0.3, Some(&mask))?;
        assert_close(&ours, &theirs);
        // The first query sees the first key alone.
        assert_close(&ours.narrow(1, 0, 1)?, &input.narrow(1, 0, 1)?);
    }
    Ok(())
}

#[test]
fn large_scores_do_not_overflow() -> Result<()> {
    let query = (random((1, 8, 16))? * 100.0)?;
    let value = random((1, 8, 16))?;
    let ours = attention(&query, &query, &value, 1, 1.0, None)?;
    assert_close(
        &ours,
        &stock::attention(&query, &query, &value, 1, 1.0, None)?,
    );
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let input = random((1, 9, 8))?;
    let half = input.to_dtype(DType::F64)?;
    let ours = attention(&half, &half, &half, 2, 0.5, None)?;
    assert_eq!(ours.dtype(), DType::F64);
    assert_close(
        &ours.to_dtype(DType::F32)?,
        &attention(&input, &input, &input, 2, 0.5, None)?,
    );
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let input = random((1, 9, 8))?;
    let other = random((1, 9, 12))?;
    assert!(attention(&input, &other, &other, 2, 0.5, None).is_err());
    assert!(attention(&input, &input, &input, 3, 0.5, None).is_err());
    assert!(attention(&input, &input, &input, 0, 0.5, None).is_err());
    Ok(())
}
