use candle_core::DType;

use super::*;
use crate::kernels::testing::random;

const SHAPES: [(usize, usize, usize, usize); 4] =
    [(1, 1, 1, 1), (2, 3, 5, 7), (1, 64, 32, 32), (3, 70, 9, 19)];

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn upsampling_agrees_with_candle() -> Result<()> {
    for shape in SHAPES {
        let input = random(shape)?;
        let (ours, theirs) = (
            upsample_nearest_2x(&input)?,
            stock::upsample_nearest_2x(&input)?,
        );
        assert_eq!(ours.shape(), theirs.shape());
        assert_eq!(values(&ours), values(&theirs));
    }
    Ok(())
}

#[test]
fn tokens_are_the_image_turned() -> Result<()> {
    for (batch, channels, height, width) in SHAPES {
        let image = random((batch, channels, height, width))?;
        let tokens = tokens_from_image(&image)?;
        let theirs = image.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        assert_eq!(tokens.shape(), theirs.shape());
        assert_eq!(values(&tokens), values(&theirs));
        let back = image_from_tokens(&tokens, height, width)?;
        assert_eq!(back.shape(), image.shape());
        assert_eq!(values(&back), values(&image));
    }
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let image = random((1, 2, 3, 4))?.to_dtype(DType::F64)?;
    let tokens = tokens_from_image(&image)?;
    assert_eq!(tokens.dims(), [1, 12, 2]);
    assert_eq!(image_from_tokens(&tokens, 3, 4)?.dims(), [1, 2, 3, 4]);
    assert_eq!(upsample_nearest_2x(&image)?.dims(), [1, 2, 6, 8]);
    Ok(())
}
