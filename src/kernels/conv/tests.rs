use candle_core::DType;

use super::*;
use crate::kernels::testing::{assert_close, in_half, random};

struct Case {
    batch: usize,
    channels: (usize, usize),
    size: (usize, usize),
    kernel: (usize, usize),
    stride: usize,
    padding: Padding,
}

impl Case {
    fn new(batch: usize, channels: (usize, usize), size: (usize, usize)) -> Self {
        Self {
            batch,
            channels,
            size,
            kernel: (3, 3),
            stride: 1,
            padding: Padding::all(1),
        }
    }

    fn pointwise(self) -> Self {
        Self {
            kernel: (1, 1),
            padding: Padding::all(0),
            ..self
        }
    }

    fn strided(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    fn padded(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    fn kernel(self, kernel: (usize, usize)) -> Self {
        Self { kernel, ..self }
    }

    fn check(self) -> Result<()> {
        let (channels_in, channels_out) = self.channels;
        let input = random((self.batch, channels_in, self.size.0, self.size.1))?;
        let weight = random((channels_out, channels_in, self.kernel.0, self.kernel.1))?;
        let bias = random(channels_out)?;
        for weight in [in_half(&weight)?, weight] {
            let theirs = stock::conv2d(&input, &weight, Some(&bias), self.stride, self.padding)?;
            for set in InstructionSet::available() {
                let conv = Conv2d::for_set(
                    set,
                    weight.clone(),
                    Some(bias.clone()),
                    self.stride,
                    self.padding,
                )?;
                assert_close(&conv.forward(&input)?, &theirs);
            }
        }
        Ok(())
    }
}

const ASYMMETRIC: Padding = Padding {
    top: 0,
    bottom: 1,
    left: 0,
    right: 1,
};

#[test]
fn whole_vectors() -> Result<()> {
    Case::new(1, (3, 32), (32, 32)).check()?;
    Case::new(2, (32, 20), (16, 16)).check()?;
    Case::new(1, (5, 9), (7, 48)).check()?;
    Case::new(1, (4, 3), (64, 64)).check()
}

#[test]
fn part_vectors() -> Result<()> {
    Case::new(2, (6, 13), (5, 61)).check()?;
    Case::new(1, (6, 4), (3, 5)).check()?;
    Case::new(1, (2, 10), (9, 100)).check()
}

#[test]
fn halves_of_vectors() -> Result<()> {
    Case::new(1, (64, 40), (8, 8)).check()?;
    Case::new(3, (5, 16), (3, 8)).check()?;
    Case::new(2, (7, 24), (5, 24)).check()
}

#[test]
fn gathered_columns() -> Result<()> {
    Case::new(1, (6, 24), (1, 1)).check()?;
    Case::new(3, (6, 24), (3, 5)).check()?;
    Case::new(2, (64, 64), (4, 4)).check()?;
    Case::new(2, (17, 33), (12, 12)).check()?;
    Case::new(3, (4, 17), (37, 18)).check()
}

#[test]
fn more_rows_than_a_task_stages() -> Result<()> {
    Case::new(2, (40, 9), (70, 64)).check()?;
    Case::new(2, (200, 8), (40, 17)).check()
}

#[test]
fn strides() -> Result<()> {
    Case::new(1, (8, 16), (64, 64)).strided(2).check()?;
    Case::new(2, (8, 16), (16, 16)).strided(2).check()?;
    Case::new(2, (3, 12), (7, 9)).strided(2).check()?;
    Case::new(1, (3, 12), (33, 50)).strided(3).check()
}

#[test]
fn paddings() -> Result<()> {
    Case::new(1, (8, 16), (17, 33))
        .padded(ASYMMETRIC)
        .strided(2)
        .check()?;
    Case::new(2, (4, 9), (9, 9))
        .padded(Padding::all(0))
        .check()?;
    Case::new(1, (4, 9), (20, 20))
        .padded(Padding::all(2))
        .check()?;
    Case::new(1, (4, 9), (2, 2)).padded(Padding::all(3)).check()
}

#[test]
fn kernels() -> Result<()> {
    Case::new(1, (24, 40), (16, 16)).pointwise().check()?;
    Case::new(3, (24, 40), (8, 8)).pointwise().check()?;
    Case::new(2, (7, 9), (5, 7)).pointwise().check()?;
    Case::new(2, (7, 16), (9, 9))
        .pointwise()
        .strided(2)
        .check()?;
    Case::new(1, (3, 9), (32, 32))
        .kernel((7, 5))
        .padded(Padding::all(3))
        .check()?;
    Case::new(1, (3, 9), (32, 32))
        .kernel((2, 2))
        .padded(ASYMMETRIC)
        .check()
}

#[test]
fn fused_sums_and_relu_come_after_the_bias() -> Result<()> {
    for size in [16, 6] {
        let input = random((2, 5, size, size))?;
        let weight = random((11, 5, 3, 3))?;
        let bias = random(11)?;
        let per_channel = random((2, 11))?;
        let residual = random((2, 11, size, size))?;
        let fused = Fused {
            per_channel: Some(&per_channel),
            residual: Some(&residual),
            relu: true,
        };
        let theirs = stock::conv2d(&input, &weight, Some(&bias), 1, Padding::all(1))?
            .broadcast_add(&per_channel.reshape((2, 11, 1, 1))?)?
            .add(&residual)?
            .relu()?;
        for set in InstructionSet::available() {
            let conv =
                Conv2d::for_set(set, weight.clone(), Some(bias.clone()), 1, Padding::all(1))?;
            assert_close(&conv.forward_fused(&input, fused)?, &theirs);
        }
    }
    Ok(())
}

#[test]
fn upsampling_first() -> Result<()> {
    for (height, width) in [(8, 8), (16, 16), (3, 5), (1, 1), (10, 33)] {
        let input = random((2, 5, height, width))?;
        let weight = random((11, 5, 3, 3))?;
        let larger = stock::upsample_nearest_2x(&input)?;
        let theirs = stock::conv2d(&larger, &weight, None, 1, Padding::all(1))?;
        for set in InstructionSet::available() {
            let conv = Conv2d::for_set(set, weight.clone(), None, 1, Padding::all(1))?;
            assert_close(&conv.forward_upsampled(&input, Fused::default())?, &theirs);
        }
    }
    Ok(())
}

#[test]
fn views_are_read_as_what_they_show() -> Result<()> {
    let input = random((2, 16, 16, 6))?.permute((0, 3, 1, 2))?;
    let weight = random((6, 9, 3, 3))?.transpose(0, 1)?;
    let theirs = stock::conv2d(
        &input.contiguous()?,
        &weight.contiguous()?,
        None,
        1,
        Padding::all(1),
    )?;
    assert_close(&Conv2d::new(weight, None, 1, 1)?.forward(&input)?, &theirs);
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let input = random((1, 3, 8, 8))?;
    let weight = random((4, 3, 3, 3))?;
    let bias = random(4)?;
    let ours = Conv2d::new(weight.clone(), Some(bias.clone()), 1, 1)?;
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64);
    let theirs = Conv2d::new(wide(&weight)?, Some(wide(&bias)?), 1, 1)?;
    let residual = random((1, 4, 16, 16))?;
    let wide_residual = wide(&residual)?;
    let fused = Fused {
        residual: Some(&residual),
        relu: true,
        ..Fused::default()
    };
    let wide_fused = Fused {
        residual: Some(&wide_residual),
        ..fused
    };
    let output = theirs.forward_upsampled(&wide(&input)?, wide_fused)?;
    assert_eq!(output.dtype(), DType::F64);
    assert_close(
        &ours.forward_upsampled(&input, fused)?,
        &output.to_dtype(DType::F32)?,
    );
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let weight = random((4, 3, 3, 3))?;
    assert!(Conv2d::new(weight.clone(), Some(random(3)?), 1, 1).is_err());
    assert!(Conv2d::new(weight.clone(), None, 0, 1).is_err());
    let conv = Conv2d::new(weight, None, 1, 0)?;
    assert!(conv.forward(&random((1, 4, 8, 8))?).is_err());
    assert!(conv.forward(&random((1, 3, 2, 8))?).is_err());
    let residual = random((1, 4, 8, 8))?;
    let fused = Fused {
        residual: Some(&residual),
        ..Fused::default()
    };
    assert!(conv.forward_fused(&random((1, 3, 8, 8))?, fused).is_err());
    Ok(())
}

#[test]
fn a_weight_comes_back_as_it_was_given() -> Result<()> {
    for set in InstructionSet::available() {
        for shape in [(1, 1, 1, 1), (9, 5, 3, 3), (20, 3, 5, 1)] {
            let weight = random(shape)?;
            let conv = Conv2d::for_set(set, weight.clone(), None, 1, Padding::all(0))?;
            let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
            assert_eq!(conv.weight()?.shape(), weight.shape());
            assert_eq!(values(&conv.weight()?)?, values(&weight)?);
        }
    }
    Ok(())
}

#[test]
fn another_weight_keeps_everything_else() -> Result<()> {
    let (weight, other, bias) = (random((4, 3, 3, 3))?, random((4, 3, 3, 3))?, random(4)?);
    let input = random((1, 3, 8, 8))?;
    for stride in [1, 2] {
        let conv = Conv2d::new(weight.clone(), Some(bias.clone()), stride, 1)?;
        // Makes what is kept of the weights for doubled images.
        conv.forward_upsampled(&input, Fused::default())?;
        let changed = conv.with_weight(other.clone())?;
        let theirs = Conv2d::new(other.clone(), Some(bias.clone()), stride, 1)?;
        assert_close(&changed.forward(&input)?, &theirs.forward(&input)?);
        assert_close(
            &changed.forward_upsampled(&input, Fused::default())?,
            &theirs.forward_upsampled(&input, Fused::default())?,
        );
    }
    Ok(())
}
