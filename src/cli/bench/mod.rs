//! `impasto bench`: measures a server from outside, as a client of its own, and the model inside.

mod client;
mod http;
mod load;
mod overload;
mod painting;
mod photo;
mod profile;
mod random;
mod report;
mod server;
mod stroke;
mod tally;
mod watch;

use clap::{Args, Subcommand};

use super::Failure;

pub use load::LoadArgs;
pub use overload::OverloadArgs;
pub use photo::PhotoArgs;
pub use profile::ProfileArgs;
pub use report::{Spread, percentile};
pub use stroke::StrokeArgs;

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Which bench.
    #[command(subcommand)]
    pub bench: Bench,
}

/// The benches.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// From a stroke to the first pixels of it, over the websocket; prints JSON.
    Stroke(StrokeArgs),
    /// Many members in many rooms, some of them wild: how long each waits, how evenly the device is
    /// shared, and how soon all is well again when the load stops.
    Overload(OverloadArgs),
    /// As many members as a server has to bear, painting, idle, reading slowly or coming back: what
    /// each waits for, and what memory it takes.
    Load(LoadArgs),
    /// Photos, inverted and edited over the websocket: how soon, and that nothing changes where
    /// the mask is zero; exit code 1 when a byte does.
    Photo(PhotoArgs),
    /// Where a window's time goes, operation by operation, beside what the machine can do; without
    /// a server.
    Profile(ProfileArgs),
}

/// Runs a bench.
///
/// # Errors
/// When the server cannot be started or reached, or stops answering.
pub fn run(args: BenchArgs) -> Result<(), Failure> {
    match args.bench {
        Bench::Stroke(args) => stroke::run(args),
        Bench::Overload(args) => overload::run(args),
        Bench::Load(args) => load::run(args),
        Bench::Photo(args) => photo::run(args),
        Bench::Profile(args) => profile::run(&args),
    }
}
