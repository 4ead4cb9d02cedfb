//! `impasto model pull`: a model from a hub into the models folder.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::check::{describe, first_problem};
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, bytes_bar, models_folder};
use crate::hub::{Hub, HubError, ModelId, PullEvent, PullRequest, Pulled, Revision, Variant, pull};
use crate::model::ModelReport;
use crate::pipeline::check_folder;

/// Flags of `model pull`.
#[derive(Clone, Debug, Args)]
pub struct PullArgs {
    /// The model's name on the hub, such as stabilityai/sd-turbo
    #[arg(value_name = "ID")]
    pub id: String,
    /// Branch, tag, refs/pr/N or commit
    #[arg(long, value_name = "REVISION", default_value = "main")]
    pub revision: String,
    /// Weights in this number format, where the repository has them [default: those without a variant]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<VariantName>,
    /// The model's safety checker too, for --safety-checker on; without this flag a later pull
    /// removes it
    #[arg(long)]
    pub safety_checker: bool,
    /// The hub
    #[arg(
        long,
        value_name = "URL",
        env = "HF_ENDPOINT",
        default_value = "https://huggingface.co"
    )]
    pub endpoint: String,
    /// Failures in a row that are waited out
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub retries: u32,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// A variant, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VariantName {
    /// Half the size of float32.
    Fp16,
    /// Half the size of float32, with its range.
    Bf16,
    /// Float32 where the files without a variant are smaller.
    Fp32,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    pulled: &'a Pulled,
    model: &'a ModelReport,
}

/// Pulls a model, and tells what it is.
///
/// # Errors
/// One line, when it cannot be pulled or cannot paint.
pub fn run(args: &PullArgs) -> Result<(), Failure> {
    let token = std::env::var("HF_TOKEN").ok();
    let token = token.as_deref().filter(|token| !token.trim().is_empty());
    let hub = Hub::new(&args.endpoint, token).map_err(Failure::usage)?;
    let request = PullRequest {
        id: ModelId::parse(&args.id).map_err(Failure::usage)?,
        revision: Revision::parse(&args.revision).map_err(Failure::usage)?,
        variant: args.variant.map(|variant| match variant {
            VariantName::Fp16 => Variant::Fp16,
            VariantName::Bf16 => Variant::Bf16,
            VariantName::Fp32 => Variant::Fp32,
        }),
        safety_checker: args.safety_checker,
        retries: args.retries,
    };
    let models = models_folder()?;
    let progress = bytes_bar(0);
    let pulled = pull(&hub, &models, &request, &mut |event| match event {
        PullEvent::Planned { bytes, .. } => progress.set_length(bytes),
        PullEvent::File { name } => progress.set_message(name.to_owned()),
        PullEvent::Position { bytes } => progress.set_position(bytes),
    });
    progress.finish_and_clear();
    let pulled = pulled.map_err(failure)?;
    let report = check_folder(&pulled.folder).map_err(Failure::usage)?;
    if args.json {
        let report = Report {
            pulled: &pulled,
            model: &report,
        };
        print_pretty_json(&report)?;
    } else {
        println!("{}", describe(&report));
        println!(
            "{} of {} files were fetched into {}",
            pulled.fetched,
            pulled.files,
            pulled.folder.display()
        );
        if report.usable {
            println!("paint with it: impasto serve --model {}", pulled.id);
        }
    }
    first_problem(&report)
}

/// Whose turn it is: exit code 1 for what broke on the way, 2 for what the caller has to put
/// right.
fn failure(error: HubError) -> Failure {
    match error {
        HubError::Unreachable { .. }
        | HubError::Status { .. }
        | HubError::BadAnswer { .. }
        | HubError::Interrupted { .. }
        | HubError::WrongSize { .. }
        | HubError::WrongHash { .. }
        | HubError::Disk { .. } => Failure::broken(error),
        _ => Failure::usage(error),
    }
}
