//! What an edit keeps of the photo where it does not change it.

use candle_core::Tensor;

use crate::pipeline::PipelineError;

/// How little the edit must differ from the photo's own way, beside what is lost there, for that
/// to be put back: at a difference of `1/√SHARPNESS` of the loss, half of it.
const SHARPNESS: f64 = 4.0;

/// An edit's latents with what sampling the photo with its own prompt loses, `photo - back`, put
/// back where the edit agrees with that sampling. All are `[1, channels, height, width]` and of
/// one noise level.
///
/// Few steps of a photo's noise do not give the photo, even with its own prompt. Adding the whole
/// loss to every edit (Direct Inversion, arXiv 2310.01506; InfEdit, arXiv 2312.04965) would show
/// the photo through the edit; so, as in proximal guidance (arXiv 2306.05414), what the prompt
/// changes is let go. The share is `e²/(e² + SHARPNESS·d²)`, with the loss e and the difference d
/// between the edit and the photo's own way both as root mean squares over the channels: 1 where
/// the prompt changes nothing, without a threshold of the model's scale.
///
/// # Errors
/// When the device fails.
pub fn put_back(edited: &Tensor, back: &Tensor, photo: &Tensor) -> Result<Tensor, PipelineError> {
    let power = |tensor: &Tensor| tensor.sqr()?.mean_keepdim(1);
    let lost = (photo - back)?;
    let loss = power(&lost)?;
    let change = (power(&(edited - back)?)? * SHARPNESS)?;
    // Where nothing is lost there is nothing to share.
    let share = (&loss / ((&loss + change)? + f64::from(f32::MIN_POSITIVE))?)?;
    Ok((edited + lost.broadcast_mul(&share)?)?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Two channels of four places.
    fn tensor(values: [[f32; 4]; 2]) -> Tensor {
        let values = Tensor::new(&values, &Device::Cpu).unwrap();
        values.reshape((1, 2, 2, 2)).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn the_photo_comes_back_where_both_prompts_paint_the_same() {
        let photo = tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 4.0, -1.0, 2.0]]);
        let back = tensor([[0.5, -1.0, 0.5, 2.0], [1.0, 2.0, -3.0, 2.5]]);
        let found = put_back(&back, &back, &photo).unwrap();
        assert_eq!(values(&found), values(&photo));
    }

    #[test]
    fn what_an_edit_changes_is_let_go() {
        let photo = tensor([[1.0; 4], [1.0; 4]]);
        let back = tensor([[0.0; 4], [0.0; 4]]);
        // Changed by nothing, by a little, by as much as is lost, and by far more.
        let edited = tensor([[0.0, 0.1, 1.0, 50.0], [0.0, -0.1, 1.0, -50.0]]);
        let moved = (put_back(&edited, &back, &photo).unwrap() - &edited).unwrap();
        let shares = [1.0, 1.0 / 1.04, 0.2, 1.0 / 10_001.0];
        for (moved, share) in values(&moved).iter().zip(shares.iter().cycle()) {
            assert!((moved - share).abs() < 1e-5, "{moved} for {share}");
        }
    }

    #[test]
    fn where_nothing_is_lost_the_edit_stays_as_it_is() {
        let photo = tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 4.0, -1.0, 2.0]]);
        let edited = tensor([[1.0, 7.0, 0.5, 3.0], [0.0, 4.0, 9.0, 2.0]]);
        for edited in [&photo, &edited] {
            let found = put_back(edited, &photo, &photo).unwrap();
            assert_eq!(values(&found), values(edited));
        }
    }
}
