//! The command line: one file per command.
//!
//! Flags as they were typed are one type ([`ServeFlags`]), settings as they
//! hold are another ([`ServeSettings`]): flags come before environment
//! variables, those before the TOML file, and that before the defaults.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "standard output and error are how a command speaks to its caller"
)]

pub mod bench;
pub mod edit;
mod embedding;
pub mod eval;
pub mod generate;
pub mod invert;
pub mod model;
pub mod serve;

mod bundled;
mod control;
mod failure;
mod find_model;
mod generate_control;
mod load;
mod lora;
mod machine;
mod numbers;
mod output;
mod photo;
mod pictures;
mod progress;
mod reference;
mod safety_checker;
mod schedule;
mod settings;
mod spread;
mod telemetry;

pub use bundled::{bundled_model_folder, default_clip_folder};
pub use control::{ControlFlag, ControlFlagError};
pub use embedding::{EmbeddingFlag, EmbeddingFlagError};
pub use failure::Failure;
pub use find_model::{find_model, models_folder};
pub use load::{PredictionName, SuppliedFlags};
pub use lora::{LoraFlag, LoraFlagError};
pub use progress::{bar, bytes_bar, spinner};
pub use safety_checker::SafetyCheckerFlag;
pub use settings::{AuthChoice, LogFormat, ServeFlags, ServeSettings};

use clap::{Parser, Subcommand};

use crate::kernels::InstructionSet;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "impasto",
    version,
    about = "A real-time diffusion painting server",
    long_about = "Paint on a web canvas, and a diffusion model repaints under your hand.\n\n\
        Without a command, impasto serves.",
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// The command; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Vector instructions of the kernels, to see on one machine what another does
    /// [default: the widest that the processor has]
    #[arg(
        long,
        global = true,
        value_name = "avx512|avx2|portable",
        env = "IMPASTO_INSTRUCTIONS"
    )]
    pub instructions: Option<InstructionSet>,
    /// Flags of `serve`, for a call without a command.
    #[command(flatten)]
    pub serve: ServeFlags,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves the web canvas and its rooms (the default).
    Serve(ServeFlags),
    /// Makes one picture, without a server.
    Generate(generate::GenerateArgs),
    /// Finds the noise that a photo was made from, for `edit`.
    Invert(invert::InvertArgs),
    /// Changes a photo inside a mask, and not a byte outside of it.
    Edit(edit::EditArgs),
    /// Measures a server from outside, as a client of its own.
    Bench(bench::BenchArgs),
    /// Prints a scorecard: how good, how varied and how quick each sampler is.
    Eval(eval::EvalArgs),
    /// Gets models from a hub, and looks into model folders.
    Model(model::ModelArgs),
}

/// Runs what was typed.
///
/// # Errors
/// [`Failure`], with the exit code that fits it.
pub fn run(cli: Cli) -> Result<(), Failure> {
    if let Some(instructions) = cli.instructions {
        instructions.choose().map_err(Failure::usage)?;
    }
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(flags) => serve::run(flags),
        Command::Generate(args) => generate::run(args),
        Command::Invert(args) => invert::run(args),
        Command::Edit(args) => edit::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Model(args) => model::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn impasto_alone_serves_and_takes_the_flags_of_serve() {
        let cli = Cli::try_parse_from(["impasto", "--listen", "127.0.0.1:1"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.listen.unwrap().port(), 1);
    }
}
