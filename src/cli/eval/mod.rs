//! `impasto eval`: the scorecard. How good, how varied and how quick every sampler is, at every
//! number of steps, as JSON, a Markdown table and a page with the pictures.

mod chart;
mod judge;
mod markdown;
mod matrix;
mod measure;
mod out_folder;
mod page;
mod painter;
mod plan;
mod prompts;
mod report;
mod rows;
mod schedules;
mod scores;
mod wording;

use std::path::PathBuf;

use clap::Args;

use super::numbers::zero_to_one;
use super::{Failure, default_clip_folder, find_model};
use crate::protocol::{SigmasChoice, TimestepSpacingChoice};
use crate::sampler::sampler_by_name;
use measure::measure;
use out_folder::OutFolder;
use prompts::read_prompts;

/// Flags of `eval`.
#[derive(Clone, Debug, Args)]
pub struct EvalArgs {
    /// A diffusers folder, or the id of a pulled model [default: the bundled model]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// Prompts, one a line; a tab or JSON may name the objects: "two cats<TAB>cat",
    /// {"prompt": "two cats", "objects": ["cat"]}
    #[arg(long, value_name = "FILE")]
    pub prompts: PathBuf,
    /// Folder for the scorecard; made where it is absent
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A CLIPModel folder, which judges the pictures [default: the bundled one]
    #[arg(long, value_name = "DIR")]
    pub clip: Option<PathBuf>,
    /// Samplers, between commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub samplers: Vec<String>,
    /// Where the samplers' timesteps lie: leading, linspace or trailing; default is as the model's
    /// scheduler says. Samplers that cannot have it are told [default: what the model wants with its
    /// own sampler]
    #[arg(long, value_name = "NAME")]
    pub timestep_spacing: Option<TimestepSpacingChoice>,
    /// How the samplers' sigmas are spaced: karras, exponential or beta; default is as the model's
    /// scheduler says. Samplers that cannot have it are told [default: what the model wants with its
    /// own sampler]
    #[arg(long, value_name = "NAME")]
    pub sigmas: Option<SigmasChoice>,
    /// Numbers of sampling steps, between commas
    #[arg(
        long, value_name = "LIST", value_delimiter = ',', default_value = "1,2,4,8,25,50",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub steps: Vec<u32>,
    /// Pictures of each prompt, sampler and number of steps: seeds 0 to N − 1
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub seeds: u32,
    /// Classifier-free guidance scale [default: what the model wants]
    #[arg(long, value_name = "W")]
    pub guidance_scale: Option<f64>,
    /// How much of the seeds' noise is used, 0 to 1; at 0 seeds make no difference [default: what the
    /// model wants]
    #[arg(long, value_name = "V", value_parser = zero_to_one)]
    pub variation: Option<f64>,
    /// cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Prints the JSON on standard output too
    #[arg(long)]
    pub json: bool,
}

/// Paints, judges and writes the scorecard.
///
/// # Errors
/// One line, when a flag, a file or a model cannot be used.
pub fn run(args: EvalArgs) -> Result<(), Failure> {
    for sampler in &args.samplers {
        sampler_by_name(sampler).map_err(Failure::usage)?;
    }
    let prompts = read_prompts(&args.prompts).map_err(Failure::usage)?;
    let model = find_model(args.model.as_deref())?;
    let clip = args.clip.clone().or_else(default_clip_folder);
    let clip = clip.ok_or_else(|| {
        Failure::usage(
            "there is no CLIP model beside the bundled model: give --clip the folder of a \
             CLIPModel, such as a download of openai/clip-vit-base-patch32",
        )
    })?;
    let out = OutFolder::create(&args.out)?;
    // As in the engine: inside the pool, kernels need no hand-over for each operation.
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .map_err(Failure::broken)?;
    let (scorecard, thumbnails) = pool.install(|| measure(&args, prompts, &model, &clip, &out))?;

    let json = serde_json::to_string_pretty(&scorecard).map_err(Failure::broken)?;
    out.write("scorecard.json", json.as_bytes())?;
    out.write("scorecard.md", markdown::table(&scorecard).as_bytes())?;
    let page = page::page(&scorecard, &thumbnails).into_string();
    let page = out.write("scorecard.html", page.as_bytes())?;
    if args.json {
        println!("{json}");
    } else {
        println!("{} pictures; open {}", thumbnails.len(), page.display());
    }
    Ok(())
}
