//! `impasto model list`: the models in the models folder.

use clap::Args;

use super::check::family_name;
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, models_folder, spinner};
use crate::hub::ModelOnDisk;
use crate::pipeline::check_folder;

/// Flags of `model list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Prints one JSON array on standard output
    #[arg(long)]
    pub json: bool,
}

/// Lists the models.
///
/// # Errors
/// One line, when the models folder cannot be read.
pub fn run(args: &ListArgs) -> Result<(), Failure> {
    let folder = models_folder()?;
    let place = folder.path().display();
    let reading = spinner(format!("reading {place}"));
    let models = folder.list(check_folder).map_err(Failure::usage)?;
    reading.finish_and_clear();
    if args.json {
        print_pretty_json(&models)?;
    } else if models.is_empty() {
        println!("no models in {place}: get one with impasto model pull stabilityai/sd-turbo");
    } else {
        println!("{}", describe(&models));
    }
    Ok(())
}

/// One line per model, and one more for what is wrong with it.
fn describe(models: &[ModelOnDisk]) -> String {
    let widest = models.iter().map(|model| model.id.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for model in models {
        let family = family_name(model.family);
        let mebibytes = model.bytes.div_ceil(1 << 20);
        lines.push(format!(
            "{:<widest$}  {family:<16} {mebibytes:>6} MiB  {}",
            model.id,
            model.folder.display()
        ));
        if let Some(problem) = &model.problem {
            lines.push(format!("  problem: {problem}"));
        }
    }
    lines.join("\n")
}
