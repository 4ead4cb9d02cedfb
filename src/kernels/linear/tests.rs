use candle_core::{D, DType};

use super::*;
use crate::kernels::testing::{assert_close, in_half, random};

#[test]
fn every_set_agrees_with_candle() -> Result<()> {
    for set in InstructionSet::available() {
        for (rows, features_in, features_out) in [
            (1, 1, 1),
            (2, 64, 256),
            (7, 33, 65),
            (77, 40, 100),
            (256, 128, 384),
            (9, 130, 3),
        ] {
            let input = random((rows, features_in))?;
            let bias = random(features_out)?;
            let weight = in_half(&random((features_out, features_in))?)?;
            let linear = Linear::for_set(set, weight.clone(), Some(bias.clone()))?;
            let theirs = stock::linear(&input, &weight, Some(&bias))?;
            assert_close(&linear.forward(&input)?, &theirs);
            assert_eq!(linear.weight()?.to_vec2::<f32>()?, weight.to_vec2::<f32>()?);
            let weight = random((features_out, features_in))?;
            let linear = Linear::for_set(set, weight.clone(), Some(bias.clone()))?;
            let theirs = stock::linear(&input, &weight, Some(&bias))?;
            assert_close(&linear.forward(&input)?, &theirs);
            let residual = random((rows, features_out))?;
            assert_close(
                &linear.forward_add(&input, &residual)?,
                &(theirs + &residual)?,
            );
            let linear = Linear::for_set(set, weight.clone(), None)?;
            assert_close(
                &linear.forward(&input)?,
                &stock::linear(&input, &weight, None)?,
            );
        }
    }
    Ok(())
}

#[test]
fn leading_dimensions_stay() -> Result<()> {
    let weight = random((6, 5))?;
    let linear = Linear::new(weight.clone(), None)?;
    for dims in [
        vec![5],
        vec![3, 5],
        vec![2, 3, 5],
        vec![2, 3, 4, 5],
        vec![0, 5],
    ] {
        let input = random(dims.as_slice())?;
        let output = linear.forward(&input)?;
        assert_eq!(output.dims()[..dims.len() - 1], dims[..dims.len() - 1]);
        assert_eq!(output.dim(D::Minus1)?, 6);
        if input.elem_count() > 0 {
            assert_close(&output, &stock::linear(&input, &weight, None)?);
        }
    }
    Ok(())
}

#[test]
fn views_are_read_as_what_they_show() -> Result<()> {
    let input = random((5, 9))?.t()?;
    let weight = random((5, 6))?.t()?;
    let theirs = stock::linear(&input.contiguous()?, &weight.contiguous()?, None)?;
    assert_close(&Linear::new(weight, None)?.forward(&input)?, &theirs);
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let input = random((3, 5))?;
    let weight = random((6, 5))?;
    let residual = random((3, 6))?;
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64);
    let output =
        Linear::new(wide(&weight)?, None)?.forward_add(&wide(&input)?, &wide(&residual)?)?;
    assert_eq!(output.dtype(), DType::F64);
    assert_close(
        &Linear::new(weight, None)?.forward_add(&input, &residual)?,
        &output.to_dtype(DType::F32)?,
    );
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    assert!(Linear::new(random((6, 5))?, Some(random(5)?)).is_err());
    let linear = Linear::new(random((6, 5))?, None)?;
    assert!(linear.forward(&random((3, 6))?).is_err());
    assert!(
        linear
            .forward_add(&random((3, 5))?, &random((3, 5))?)
            .is_err()
    );
    Ok(())
}

#[test]
fn a_weight_comes_back_as_it_was_given() -> Result<()> {
    for set in InstructionSet::available() {
        for (features_in, features_out) in [(1, 1), (33, 65), (130, 3)] {
            let weight = random((features_out, features_in))?;
            let linear = Linear::for_set(set, weight.clone(), None)?;
            assert_eq!(linear.weight()?.to_vec2::<f32>()?, weight.to_vec2::<f32>()?);
        }
    }
    Ok(())
}

#[test]
fn another_weight_keeps_the_bias_and_leaves_clones_alone() -> Result<()> {
    let (weight, other, bias) = (random((6, 5))?, random((6, 5))?, random(6)?);
    let input = random((3, 5))?;
    let linear = Linear::new(weight.clone(), Some(bias.clone()))?;
    let clone = linear.clone();
    let changed = linear.with_weight(other.clone())?;
    let answer = |weight: &Tensor| stock::linear(&input, weight, Some(&bias));
    assert_close(&changed.forward(&input)?, &answer(&other)?);
    assert_close(&clone.forward(&input)?, &answer(&weight)?);
    Ok(())
}
