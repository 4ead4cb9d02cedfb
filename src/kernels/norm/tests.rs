use candle_core::DType;

use super::*;
use crate::kernels::testing::{assert_close, random};

#[test]
fn group_norm_agrees_with_candle() -> Result<()> {
    for set in InstructionSet::available() {
        for (dims, groups) in [
            (vec![1, 64, 32, 32], 32),
            (vec![2, 96, 5, 7], 32),
            (vec![3, 6, 1, 1], 2),
            (vec![2, 5, 70, 70], 1),
            (vec![2, 8, 9], 8),
            (vec![2, 8], 4),
        ] {
            let input = (random(dims.as_slice())? * 3.0)?;
            let weight = random(dims[1])?;
            let bias = random(dims[1])?;
            let norm = GroupNorm::new(weight.clone(), bias.clone(), groups, 1e-5)?;
            let theirs = stock::group_norm(&input, &weight, &bias, groups, 1e-5)?;
            assert_close(&norm.run(set, &input, shift_values)?, &theirs);
            assert_close(
                &norm.run(set, &input, shift_and_silu_values)?,
                &stock::silu(&theirs)?,
            );
        }
    }
    Ok(())
}

#[test]
fn layer_norm_agrees_with_candle() -> Result<()> {
    for set in InstructionSet::available() {
        for dims in [vec![7], vec![3, 128], vec![2, 77, 320], vec![600, 65]] {
            let input = random(dims.as_slice())?;
            let width = dims[dims.len() - 1];
            let (weight, bias) = (random(width)?, random(width)?);
            let norm = LayerNorm::new(weight.clone(), bias.clone(), 1e-5)?;
            let theirs = stock::layer_norm(&input, &weight, &bias, 1e-5)?;
            assert_close(&norm.run(set, &input)?, &theirs);
        }
    }
    Ok(())
}

#[test]
fn modulated_layer_norm_agrees_with_candle() -> Result<()> {
    for (batch, tokens, width) in [(1, 1, 7), (2, 77, 320), (3, 600, 65)] {
        let input = random((batch, tokens, width))?;
        let (shift, scale) = (random((batch, width))?, random((batch, width))?);
        let ones = random(width)?.ones_like()?;
        let plain = stock::layer_norm(&input, &ones, &ones.zeros_like()?, 1e-6)?;
        let theirs = plain
            .broadcast_mul(&(&scale + 1.0)?.unsqueeze(1)?)?
            .broadcast_add(&shift.unsqueeze(1)?)?;
        assert_close(
            &modulated_layer_norm(&input, &shift, &scale, 1e-6)?,
            &theirs,
        );
        let stock = stock::modulated_layer_norm(&input, &shift, &(&scale + 1.0)?, 1e-6)?;
        assert_close(&stock, &theirs);
    }
    let (input, other) = (random((2, 3, 4))?, random((1, 4))?);
    assert!(modulated_layer_norm(&input, &other, &other, 1e-6).is_err());
    Ok(())
}

#[test]
fn rms_norm_agrees_with_candle() -> Result<()> {
    for (rows, heads, width) in [(1, 1, 8), (70, 3, 16), (600, 4, 65)] {
        let input = random((rows, heads * width))?;
        let weight = random(width)?;
        let by_head = input.reshape((rows, heads, width))?;
        let theirs = candle_nn::ops::rms_norm(&by_head, &weight, 1e-6)?;
        let theirs = theirs.reshape(input.shape())?;
        let norm = RmsNorm::new(weight.clone(), 1e-6)?;
        assert_close(&norm.forward(&input)?, &theirs);
        assert_close(&stock::rms_norm(&input, &weight, 1e-6)?, &theirs);
    }
    assert!(
        RmsNorm::new(random(5)?, 1e-6)?
            .forward(&random((2, 8))?)
            .is_err()
    );
    Ok(())
}

#[test]
fn a_large_mean_does_not_drown_the_variance() -> Result<()> {
    let input = random((1, 4, 50, 50))?;
    let ones = random(4)?.ones_like()?;
    let norm = GroupNorm::new(ones.clone(), ones.zeros_like()?, 2, 1e-6)?;
    let plain = norm.forward(&input)?;
    let shifted = norm.forward(&(&input + 64.0)?)?;
    let error = (plain - shifted)?.abs()?.max_all()?.to_scalar::<f32>()?;
    // Adding 64 alone rounds the inputs to 4e-6.
    assert!(error < 3e-5, "{error}");
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let input = random((2, 6, 4, 4))?;
    let (weight, bias) = (random(6)?, random(6)?);
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64);
    let ours = GroupNorm::new(weight.clone(), bias.clone(), 3, 1e-5)?;
    let theirs = GroupNorm::new(wide(&weight)?, wide(&bias)?, 3, 1e-5)?;
    let output = theirs.forward_silu(&wide(&input)?)?;
    assert_eq!(output.dtype(), DType::F64);
    assert_close(&ours.forward_silu(&input)?, &output.to_dtype(DType::F32)?);
    let input = random((5, 6))?;
    let ours = LayerNorm::new(weight.clone(), bias.clone(), 1e-5)?;
    let theirs = LayerNorm::new(wide(&weight)?, wide(&bias)?, 1e-5)?;
    let output = theirs.forward(&wide(&input)?)?;
    assert_close(&ours.forward(&input)?, &output.to_dtype(DType::F32)?);
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    assert!(GroupNorm::new(random(6)?, random(6)?, 4, 1e-5).is_err());
    assert!(GroupNorm::new(random(6)?, random(6)?, 0, 1e-5).is_err());
    assert!(GroupNorm::new(random(6)?, random(5)?, 3, 1e-5).is_err());
    let norm = GroupNorm::new(random(6)?, random(6)?, 3, 1e-5)?;
    assert!(norm.forward(&random((1, 3, 4, 4))?).is_err());
    assert!(LayerNorm::new(random(6)?, random(5)?, 1e-5).is_err());
    assert!(
        LayerNorm::new(random(6)?, random(6)?, 1e-5)?
            .forward(&random((2, 5))?)
            .is_err()
    );
    Ok(())
}
