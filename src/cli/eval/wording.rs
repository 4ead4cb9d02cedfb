//! How numbers are written, in Markdown and on the page alike.

use std::fmt::Display;

use super::report::Row;
use super::scores::Moments;

/// The steps that were asked for, and those that were run where they are fewer.
pub fn steps(row: &Row) -> String {
    if row.steps_run == row.steps as usize {
        row.steps.to_string()
    } else {
        format!("{} ({} run)", row.steps, row.steps_run)
    }
}

/// A number with its noun: `1 step`, `2 steps`.
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Mean and deviation.
pub fn moments(moments: &Moments) -> String {
    format!("{:.1} ± {:.1}", moments.mean, moments.deviation)
}

/// A share as per cent.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// A distance between pictures.
pub fn distance(value: f64) -> String {
    format!("{value:.3}")
}

/// What there is, or a dash.
pub fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}
