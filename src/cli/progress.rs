//! Progress on standard error, for whatever takes longer than a second.
//! Nothing is drawn where standard error is not a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` steps of `what`.
pub fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    let template = "{msg} [{bar:32}] {pos}/{len} {elapsed} (eta {eta})";
    bar.set_style(style(template).progress_chars("=> "));
    bar
}

/// A bar over `length` bytes.
pub fn bytes_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let template = "[{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} (eta {eta}) {wide_msg}";
    bar.set_style(style(template).progress_chars("=> "));
    bar
}

/// A spinner for `what`, whose end nobody can foresee.
pub fn spinner(what: impl Into<String>) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what.into());
    spinner.set_style(style("{spinner} {msg} {elapsed}"));
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
