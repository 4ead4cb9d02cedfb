//! `impasto model`: looks into model folders.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};

use super::{Failure, spinner};
use crate::model::{LoadOptions, Model};

/// What to do with a model.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ModelAction,
}

/// What can be done with a model.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelAction {
    /// Reads a diffusers folder as the server would, and says what it is or what is wrong with it
    Check {
        /// A diffusers folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Runs the action.
///
/// # Errors
/// One line that names the file, and the tensor where there is one.
pub fn run(args: ModelArgs) -> Result<(), Failure> {
    let ModelAction::Check { folder } = args.action;
    let started = Instant::now();
    let loading = spinner(format!("reading {}", folder.display()));
    let options = LoadOptions::new(candle_core::Device::Cpu);
    let model = Model::load(&folder, &options).map_err(Failure::usage)?;
    loading.finish_and_clear();
    println!(
        "{} is complete: {}, family {}, native size {}, default sampler {}, read in {:.1} s",
        folder.display(),
        model.name,
        model.family(),
        model.native_size(),
        model.default_sampler(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
