use candle_core::DType;

use super::*;
use crate::kernels::testing::{assert_close, random};

#[test]
fn sums_and_products_agree_with_candle() -> Result<()> {
    for dims in [(1, 1, 1, 1), (2, 3, 5, 7), (2, 64, 32, 32), (3, 1100, 8, 8)] {
        let (left, right) = (random(dims)?, random(dims)?);
        assert_close(&add(&left, &right)?, &(&left + &right)?);
        assert_close(&scale(&left, -1.5)?, &(&left * -1.5)?);
        let bias = random((dims.0, dims.1))?;
        let theirs = left.broadcast_add(&bias.reshape((dims.0, dims.1, 1, 1))?)?;
        assert_close(&add_per_channel(&left, &bias)?, &theirs);
    }
    Ok(())
}

#[test]
fn gated_sums_agree_with_candle() -> Result<()> {
    for (batch, tokens, width) in [(1, 1, 1), (2, 5, 48), (3, 300, 65)] {
        let dims = (batch, tokens, width);
        let (residual, input) = (random(dims)?, random(dims)?);
        let gate = random((batch, width))?;
        let theirs = stock::add_gated(&residual, &gate, &input)?;
        assert_close(&add_gated(&residual, &gate, &input)?, &theirs);
    }
    let (tokens, gate) = (random((2, 5, 8))?, random((3, 8))?);
    assert!(add_gated(&tokens, &gate, &tokens).is_err());
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let input = random((2, 3, 4, 4))?.to_dtype(DType::F64)?;
    let bias = random((2, 3))?.to_dtype(DType::F64)?;
    let doubled = add(&input, &input)?;
    assert_eq!(doubled.dtype(), DType::F64);
    assert_close(
        &doubled.to_dtype(DType::F32)?,
        &scale(&input.to_dtype(DType::F32)?, 2.0)?,
    );
    assert_eq!(add_per_channel(&input, &bias)?.dtype(), DType::F64);
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let input = random((2, 3, 4, 4))?;
    assert!(add(&input, &random((2, 3, 4, 5))?).is_err());
    assert!(add_per_channel(&input, &random((2, 4))?).is_err());
    Ok(())
}
