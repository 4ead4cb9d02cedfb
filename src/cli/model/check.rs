//! `impasto model check`: what a model folder, or a single file, is, and what is wrong with it; of
//! what steers models, too.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, SuppliedFlags, find_model, spinner};
use crate::model::{
    ControlReport, Family, IpAdapterReport, ModelReport, inspect_control, inspect_ip_adapter,
};
use crate::pipeline::check_model;

/// Flags of `model check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// A diffusers folder, a single-file checkpoint, or the id of a pulled model; or a T2I-Adapter,
    /// ControlNet or IP-Adapter
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
    let control = inspect_control(&folder).map_err(Failure::usage)?;
    if let Some(report) = control {
        reading.finish_and_clear();
        return tell_of_control(&report, args.json);
    }
    let ip_adapter = inspect_ip_adapter(&folder).map_err(Failure::usage)?;
    if let Some(report) = ip_adapter {
        reading.finish_and_clear();
        return tell_of_ip_adapter(&report, args.json);
    }
    let report = check_model(&folder, &args.supplied.into()).map_err(Failure::usage)?;
    reading.finish_and_clear();
    if args.json {
        print_pretty_json(&report)?;
    } else {
        println!("{}", describe(&report));
    }
    first_problem(&report)
}

fn tell_of_control(report: &ControlReport, json: bool) -> Result<(), Failure> {
    if json {
        print_pretty_json(report)?;
    } else {
        println!("{}", describe_control(report));
    }
    verdict(&report.problems)
}

/// The report of a control for people.
fn describe_control(report: &ControlReport) -> String {
    let kind = report.adapter_type.map(|kind| format!(" ({kind})"));
    let made_for = report.made_for.map(|models| format!(" for {models}"));
    let mut lines = vec![format!(
        "{}: {}{}{}, {} million parameters, {} MiB, {}",
        report.name,
        report.class,
        kind.unwrap_or_default(),
        made_for.unwrap_or_default(),
        report.parameters / 1_000_000,
        report.bytes >> 20,
        report.dtypes.iter().cloned().collect::<Vec<_>>().join(" ")
    )];
    lines.push(match report.picture_channels {
        1 => "  reads a grey picture".to_owned(),
        _ => "  reads a picture in colour".to_owned(),
    });
    let problems = report.problems.iter();
    lines.extend(problems.map(|problem| format!("  problem: {problem}")));
    if report.problems.is_empty() {
        lines.push("  usable with --control, beside a model of that family".to_owned());
    }
    lines.join("\n")
}

fn tell_of_ip_adapter(report: &IpAdapterReport, json: bool) -> Result<(), Failure> {
    if json {
        print_pretty_json(report)?;
    } else {
        println!("{}", describe_ip_adapter(report));
    }
    verdict(&report.problems)
}

/// The report of an IP-Adapter for people.
fn describe_ip_adapter(report: &IpAdapterReport) -> String {
    let made_for = report.made_for.map(|models| format!(" for {models}"));
    let mut lines = vec![format!(
        "{}: {}{}, {} million parameters, {} MiB, {}",
        report.name,
        report.class,
        made_for.unwrap_or_default(),
        report.parameters / 1_000_000,
        report.bytes >> 20,
        report.dtypes.iter().cloned().collect::<Vec<_>>().join(" ")
    )];
    let problems = report.problems.iter();
    lines.extend(problems.map(|problem| format!("  problem: {problem}")));
    if report.problems.is_empty() {
        lines.push("  usable with --ip-adapter, beside a model of that family".to_owned());
    }
    lines.join("\n")
}

/// The report's verdict as a command ends with it.
///
/// # Errors
/// The first problem, where there is one.
pub fn first_problem(report: &ModelReport) -> Result<(), Failure> {
    verdict(&report.problems)
}

fn verdict(problems: &[String]) -> Result<(), Failure> {
    match problems.first() {
        None => Ok(()),
        Some(first) if problems.len() == 1 => Err(Failure::usage(first)),
        Some(first) => {
            let others = problems.len() - 1;
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
    lines.push(format!(
        "  memory           {} on the CPU (float32), {} on a GPU (float16)",
        bytesize::ByteSize(report.memory_cpu),
        bytesize::ByteSize(report.memory_gpu)
    ));
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
