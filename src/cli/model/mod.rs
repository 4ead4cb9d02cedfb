//! `impasto model`: gets models and looks into them.

mod check;
mod convert;
mod list;
mod pull;

pub use check::CheckArgs;
pub use convert::ConvertArgs;
pub use list::ListArgs;
pub use pull::{PullArgs, VariantName};

use clap::{Args, Subcommand};

use super::Failure;

/// What to do with models.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ModelAction,
}

/// What can be done with models.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelAction {
    /// Downloads what painting needs of a diffusers repository; goes on where it was interrupted
    #[command(
        after_help = "Models are kept in $IMPASTO_MODELS, or in impasto/models where the \
        platform keeps a user's data (~/.local/share on Linux). HF_TOKEN is sent to the hub for \
        models that are gated or private."
    )]
    Pull(PullArgs),
    /// Lists the models that were pulled, or that lie in the models folder
    List(ListArgs),
    /// Says what a diffusers folder or a single-file checkpoint is, and everything that it lacks
    Check(CheckArgs),
    /// Writes a single-file checkpoint as a diffusers folder
    Convert(ConvertArgs),
}

/// Runs the action.
///
/// # Errors
/// One line, with the exit code that fits it.
pub fn run(args: ModelArgs) -> Result<(), Failure> {
    match args.action {
        ModelAction::Pull(args) => pull::run(&args),
        ModelAction::List(args) => list::run(&args),
        ModelAction::Check(args) => check::run(args),
        ModelAction::Convert(args) => convert::run(args),
    }
}
