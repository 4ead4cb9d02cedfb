//! The log: `tracing` events and spans on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::{Failure, LogFormat};

/// Starts the log with a filter such as `info` or `impasto=debug,warn`.
/// Spans are logged with their duration where the filter lets `debug` through.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|cause| {
        Failure::usage(format!(
            "`{filter}` is not a log filter ({cause}): write it like info or impasto=debug"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|cause| Failure::broken(format!("the log cannot start: {cause}")))
}
