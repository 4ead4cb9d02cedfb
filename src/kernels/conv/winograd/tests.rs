use candle_core::{Result, Tensor};

use super::super::{Conv2d, Fused, Padding, Weights, with_values};
use super::{Sink, Source, Transformed, run};
use crate::kernels::instructions::InstructionSet;
use crate::kernels::stock;
use crate::kernels::testing::{assert_close, random};

fn by_winograd(conv: &Conv2d, input: &Tensor, fused: Fused, doubled: bool) -> Result<Tensor> {
    let Weights::Packed { weights, .. } = &*conv.weights else {
        candle_core::bail!("these weights are not packed");
    };
    let transformed = Transformed::new(weights, doubled);
    let dims = conv.output_dims(input, if doubled { 2 } else { 1 }, &fused)?;
    with_values(input, fused, dims, |image, input, sums, output| {
        let source = Source::Planes {
            image: *image,
            values: input,
        };
        run(&transformed, source, Sink::Planes { sums, output });
    })
}

/// Against the definition, with everything that is fused.
fn check(
    batch: usize,
    channels: (usize, usize),
    size: (usize, usize),
    doubled: bool,
) -> Result<()> {
    let input = random((batch, channels.0, size.0, size.1))?;
    let weight = random((channels.1, channels.0, 3, 3))?;
    let bias = random(channels.1)?;
    let seen = if doubled {
        stock::upsample_nearest_2x(&input)?
    } else {
        input.clone()
    };
    let plain = stock::conv2d(&seen, &weight, Some(&bias), 1, Padding::all(1))?;
    let per_channel = random((batch, channels.1))?;
    let residual = random(plain.shape())?;
    let summed = plain
        .broadcast_add(&per_channel.reshape((batch, channels.1, 1, 1))?)?
        .add(&residual)?
        .relu()?;
    for set in InstructionSet::available() {
        let conv = Conv2d::for_set(set, weight.clone(), Some(bias.clone()), 1, Padding::all(1))?;
        let fused = Fused {
            per_channel: Some(&per_channel),
            residual: Some(&residual),
            relu: true,
        };
        for (fused, theirs) in [(Fused::default(), &plain), (fused, &summed)] {
            assert_close(&by_winograd(&conv, &input, fused, doubled)?, theirs);
        }
    }
    Ok(())
}

#[test]
fn whole_tiles() -> Result<()> {
    check(1, (32, 32), (32, 32), false)?;
    check(2, (16, 64), (16, 64), false)
}

#[test]
fn part_tiles_and_part_vectors() -> Result<()> {
    check(1, (3, 5), (7, 9), false)?;
    check(2, (33, 17), (13, 30), false)?;
    check(1, (1, 1), (1, 1), false)?;
    check(3, (9, 8), (2, 50), false)
}

#[test]
fn more_rows_than_a_band() -> Result<()> {
    check(1, (24, 3), (50, 130), false)?;
    check(2, (40, 40), (61, 100), false)
}

#[test]
fn doubled_images() -> Result<()> {
    check(1, (32, 32), (16, 16), true)?;
    check(2, (5, 9), (3, 7), true)?;
    check(1, (1, 1), (1, 1), true)?;
    check(2, (40, 33), (33, 65), true)
}

/// Shapes that nobody chose.
#[test]
fn random_shapes() -> Result<()> {
    let chosen: Vec<f32> = random(5 * 12)?.to_vec1()?;
    for chosen in chosen.chunks_exact(5) {
        let below = |index: usize, most: f32| 1 + ((chosen[index] + 1.0) / 2.0 * most) as usize;
        let channels = (below(1, 70.0), below(2, 70.0));
        let size = (below(3, 40.0), below(4, 40.0));
        check(below(0, 3.0), channels, size, false)?;
        check(1, channels, size, true)?;
    }
    Ok(())
}
