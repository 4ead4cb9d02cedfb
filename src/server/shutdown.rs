//! The signals that ask a server to stop.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The exit code of a process that did not end by itself in time.
const OVERDUE: i32 = 1;

/// Listens for SIGTERM and SIGINT from now on; the future ends at the first of them. The process
/// ends `within` that time after it, or at the second signal, whatever its tasks do: a thread of
/// its own sees to it, since a busy runtime would hear of neither.
///
/// # Errors
/// When the operating system lets nobody listen.
#[cfg(unix)]
pub fn stop_signal(within: Duration) -> io::Result<impl Future<Output = ()>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    std::thread::Builder::new()
        .name("impasto-signals".to_owned())
        .spawn(move || {
            let mut signals = signals.forever();
            if signals.next().is_none() {
                return;
            }
            stop.cancel();
            end_within(within);
            if signals.next().is_some() {
                tracing::warn!("a second signal: the server ends at once");
                std::process::exit(OVERDUE);
            }
        })?;
    Ok(async move { stopped.cancelled().await })
}

/// Listens for Ctrl-C; the future ends when it is pressed, and the process `within` that time
/// after it.
///
/// # Errors
/// None here; the signature is that of other systems.
#[cfg(not(unix))]
pub fn stop_signal(within: Duration) -> io::Result<impl Future<Output = ()>> {
    Ok(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        end_within(within);
    })
}

/// Ends the process when the time is over, unless it has ended by then.
pub fn end_within(within: Duration) {
    let watch = std::thread::Builder::new()
        .name("impasto-deadline".to_owned())
        .spawn(move || {
            std::thread::sleep(within);
            tracing::error!("the server did not end in time and is ended");
            std::process::exit(OVERDUE);
        });
    if let Err(cause) = watch {
        tracing::error!(%cause, "nothing sees to it that the server ends in time");
    }
}
