//! `impasto model check`: what a model folder, or a single file, is, and what is wrong with it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, SuppliedFlags, find_model, spinner};
use crate::model::{Family, ModelReport};
use crate::pipeline::check_model;

/// Flags of `model check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// A diffusers folder, a single-file checkpoint, or the id of a pulled model
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// What is given beside it.
    #[command(flatten)]
    pub supplied: SuppliedFlags,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Looks into a model folder, or a single file.
///
/// # Errors
/// One line that names the file, and the tensor where there is one.
pub fn run(args: CheckArgs) -> Result<(), Failure> {
    let folder = find_model(Some(&args.model))?;
    let reading = spinner(format!("reading {}", folder.display()));
    let report = check_model(&folder, &args.supplied.into()).map_err(Failure::usage)?;
    reading.finish_and_clear();
    if args.json {
        print_pretty_json(&report)?;
    } else {
        println!("{}", describe(&report));
    }
    first_problem(&report)
}

/// The report's verdict as a command ends with it.
///
/// # Errors
/// The first problem, where there is one.
pub fn first_problem(report: &ModelReport) -> Result<(), Failure> {
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
pub fn describe(report: &ModelReport) -> String {
    let family = family_name(report.family);
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
    if let (Some(class), Some(sampler)) = (&report.scheduler_class, &report.sampler) {
        lines.push(format!("  scheduler        {class}: sampler {sampler}"));
    }
    lines.extend(
        report
            .notices
            .iter()
            .map(|notice| format!("  notice: {notice}")),
    );
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

/// A family's name, or that it cannot be told.
pub fn family_name(family: Option<Family>) -> &'static str {
    family.map_or("unknown", Family::name)
}
