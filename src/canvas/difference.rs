//! How far two pictures are apart.

/// Root of the mean squared difference of two pictures' bytes, 0 to 1 of the full range; none
/// where their sizes differ or they are empty.
pub fn pixel_rms(left: &[u8], right: &[u8]) -> Option<f64> {
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let squares: u64 = left
        .iter()
        .zip(right)
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    Some((squares as f64 / left.len() as f64).sqrt() / 255.0)
}

/// Peak signal-to-noise ratio in decibels, of a root mean square error of the full range; at most
/// 99, which stands for identical.
pub fn psnr(rms: f64) -> f64 {
    (-20.0 * rms.log10()).min(99.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_differ_by_shares_of_the_full_range() {
        assert_eq!(pixel_rms(&[0, 0], &[255, 255]), Some(1.0));
        assert_eq!(pixel_rms(&[7, 9], &[7, 9]), Some(0.0));
        let rms = pixel_rms(&[0, 0, 0, 0], &[51, 0, 0, 0]).unwrap();
        assert!((rms - 0.1).abs() < 1e-12);
        assert_eq!(pixel_rms(&[1], &[1, 2]), None);
        assert!((psnr(0.1) - 20.0).abs() < 1e-9);
        assert_eq!(psnr(0.0), 99.0);
    }
}
