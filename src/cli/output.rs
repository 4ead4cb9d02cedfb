//! What commands print for programs: JSON, and numbers that are short enough to read.

use std::time::Instant;

use serde::Serialize;

use super::Failure;
use crate::pipeline::hundredths;
use crate::protocol::TimingsMs;

/// Prints one JSON object on one line.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn print_json(report: &impl Serialize) -> Result<(), Failure> {
    println!(
        "{}",
        serde_json::to_string(report).map_err(Failure::broken)?
    );
    Ok(())
}

/// Prints one JSON object on lines that people can read.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn print_pretty_json(report: &impl Serialize) -> Result<(), Failure> {
    println!(
        "{}",
        serde_json::to_string_pretty(report).map_err(Failure::broken)?
    );
    Ok(())
}

/// Adds what reading or writing files took since then, to the total too.
pub fn add_codec(timings_ms: &mut TimingsMs, since: Instant) {
    let codec = hundredths(since.elapsed().as_secs_f64() * 1000.0);
    timings_ms.insert("codec".to_owned(), codec);
    *timings_ms.entry("total".to_owned()).or_default() += codec;
}
