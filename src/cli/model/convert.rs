//! `impasto model convert`: a single-file checkpoint as a diffusers folder.

use std::path::PathBuf;

use clap::Args;

use super::check::{describe, first_problem};
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, SuppliedFlags, bytes_bar, find_model};
use crate::model::{ModelError, Supplied, convert};
use crate::pipeline::{check_folder, check_model};

/// Flags of `model convert`.
#[derive(Clone, Debug, Args)]
pub struct ConvertArgs {
    /// A checkpoint of Stable Diffusion 1, 2 or SDXL, as safetensors
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder that is made
    #[arg(value_name = "OUT_FOLDER")]
    pub out: PathBuf,
    /// What is given beside the file.
    #[command(flatten)]
    pub supplied: SuppliedFlags,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Converts a checkpoint, and tells what came of it.
///
/// # Errors
/// One line, when the file is no such checkpoint or the folder cannot be written.
pub fn run(args: ConvertArgs) -> Result<(), Failure> {
    let file = find_model(Some(&args.file))?;
    let supplied: Supplied = args.supplied.into();
    // What is wrong with it should be told before gigabytes are written.
    let report = check_model(&file, &supplied).map_err(Failure::usage)?;
    if !report.usable {
        eprintln!("{}", describe(&report));
        return first_problem(&report);
    }
    for notice in &report.notices {
        eprintln!("impasto: {notice}");
    }
    let progress = bytes_bar(0);
    let written = convert(&file, &supplied, &args.out, &mut |written, total| {
        progress.set_length(total);
        progress.set_position(written);
    });
    progress.finish_and_clear();
    written.map_err(|error| match error {
        ModelError::Unwritable { .. } => Failure::broken(error),
        error => Failure::usage(error),
    })?;
    let report = check_folder(&args.out).map_err(Failure::usage)?;
    if args.json {
        print_pretty_json(&report)?;
    } else {
        println!("{}", describe(&report));
        println!(
            "paint with it: impasto serve --model {}",
            args.out.display()
        );
    }
    first_problem(&report)
}
