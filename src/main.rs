//! The `impasto` command.

use std::process::ExitCode;

use clap::Parser;
use impasto::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
