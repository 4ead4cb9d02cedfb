//! Numbers on the command line that have a range.

/// A number from 0 to 1.
pub fn zero_to_one(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "give a number from 0 to 1".to_owned())
}
