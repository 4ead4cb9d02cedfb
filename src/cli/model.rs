//! `impasto model`: looks into model folders.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, spinner};
use crate::model::{ModelReport, inspect};

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
    /// Says what a diffusers folder is, and everything that it lacks
    Check {
        /// A diffusers folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Prints one JSON object on standard output
        #[arg(long)]
        json: bool,
    },
}

/// Runs the action.
///
/// # Errors
/// One line that names the file, and the tensor where there is one.
pub fn run(args: ModelArgs) -> Result<(), Failure> {
    let ModelAction::Check { folder, json } = args.action;
    let reading = spinner(format!("reading {}", folder.display()));
    let report = inspect(&folder).map_err(Failure::usage)?;
    reading.finish_and_clear();
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).map_err(Failure::broken)?
        );
    } else {
        println!("{}", describe(&report));
    }
    match report.problems.first() {
        None => Ok(()),
        Some(first) if report.problems.len() == 1 => Err(Failure::usage(first)),
        Some(first) => {
            let others = report.problems.len() - 1;
            Err(Failure::usage(format!(
                "{first} (and {others} more, see above)"
            )))
        }
    }
}

/// The report for people.
fn describe(report: &ModelReport) -> String {
    let family = match serde_json::to_value(report.family) {
        Ok(serde_json::Value::String(family)) => family,
        _ => "unknown".to_owned(),
    };
    let mut lines = vec![format!(
        "{}: family {family}, {}, {} million parameters, {} MiB",
        report.name,
        report.pipeline_class,
        report.parameters / 1_000_000,
        report.bytes >> 20
    )];
    for component in &report.components {
        lines.push(format!(
            "  {:<16} {:<28} {:>6} million parameters, {}",
            component.name,
            component.class,
            component.parameters / 1_000_000,
            component
                .dtypes
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    if let Some((width, height)) = report.native_size {
        lines.push(format!("  trained at {width} x {height} pixels"));
    }
    lines.extend(
        report
            .problems
            .iter()
            .map(|problem| format!("  problem: {problem}")),
    );
    if report.usable {
        lines.push("  usable".to_owned());
    }
    lines.join("\n")
}
