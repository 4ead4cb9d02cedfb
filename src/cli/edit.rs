//! `impasto edit`: a photo with something else in it, inside a mask.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::load::{
    LoadExtras, ModelFlags, chosen_sampler, warn_of_extra_networks, warn_of_guidance,
};
use super::output::{add_codec, print_json};
use super::photo::run_steps;
use super::pictures::{format_of, read_mask, write_image};
use super::reference::ReferenceArgs;
use super::schedule::{ScheduleArgs, ScheduleFacts};
use super::{Failure, LoraFlag, SafetyCheckerFlag};
use crate::canvas::Mask;
use crate::picture_file::{Notes, Origin, Parameters, check_notes};
use crate::pipeline::{EditMethod, Inversion, PipelineError, RenderSettings, hundredths};
use crate::protocol::{Schedule, TimingsMs};

/// Flags of `edit`.
#[derive(Clone, Debug, Args)]
pub struct EditArgs {
    /// Which model, and on what.
    #[command(flatten)]
    pub model: ModelFlags,
    /// LoRA: a file or its folder, and how much of it (1 when left out); may be repeated
    #[arg(long, value_name = "FILE[:WEIGHT]")]
    pub lora: Vec<LoraFlag>,
    /// What it sees beside the prompt.
    #[command(flatten)]
    pub reference: ReferenceArgs,
    /// What looks at the picture before it is written: off, on (the model's own safety checker), or
    /// the folder of one
    #[arg(long, value_name = "off|on|FOLDER", default_value_t)]
    pub safety_checker: SafetyCheckerFlag,
    /// The photo, as `impasto invert` wrote it
    #[arg(long, value_name = "F.safetensors")]
    pub inversion: PathBuf,
    /// Where the photo may change, of its size: white may, black stays, grey changes less
    #[arg(long, value_name = "M.png")]
    pub mask: PathBuf,
    /// What the photo should show there; weights as in "(red:1.2) apple, [leaves]"
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// What it should not show
    #[arg(long, value_name = "TEXT")]
    pub negative_prompt: Option<String>,
    /// From which noise to start: ddim, edit-friendly or infedit
    #[arg(long, value_name = "NAME", default_value_t = EditMethod::Ddim)]
    pub method: EditMethod,
    /// Sampler; edit-friendly has one of its own [default: what the model wants]
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,
    /// Its timesteps and sigmas.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// Sampling steps [default: what the model wants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,
    /// How far the edit may go from the photo: above 0, up to 1 [default: what the model wants]
    #[arg(long, value_name = "S")]
    pub strength: Option<f64>,
    /// Classifier-free guidance scale; 1 or less runs without guidance [default: what the model wants]
    #[arg(long, value_name = "W")]
    pub guidance_scale: Option<f64>,
    /// Seed of the noise; with ddim the noise is the photo's own
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// The picture: .png, .jpg or .webp
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    out: &'a Path,
    model: &'a str,
    width: u32,
    height: u32,
    method: &'static str,
    sampler: Option<&'a str>,
    #[serde(flatten)]
    schedule: ScheduleFacts,
    steps: u32,
    strength: f64,
    seed: u64,
    psnr_db: EditPsnr,
    load_ms: f64,
    /// Of the edit.
    timings_ms: TimingsMs,
    /// Of the run that PSNR is measured on.
    reconstruction_ms: TimingsMs,
}

/// Peak signal-to-noise ratios of the whole photo, in decibels.
#[derive(Clone, Copy, Debug, Serialize)]
struct EditPsnr {
    /// What this method, with these steps, makes of the photo with the source prompt.
    reconstruction: f64,
    /// What the autoencoder alone makes of it.
    autoencoder: f64,
}

/// Edits one photo.
///
/// # Errors
/// One line, when a flag, a file or the model cannot be used.
pub fn run(args: EditArgs) -> Result<(), Failure> {
    let format = format_of(&args.out)?;
    let listed = args.schedule.listed(args.steps)?;
    if args.method == EditMethod::EditFriendly && args.schedule.asks() {
        return Err(Failure::usage(
            "--method edit-friendly has timesteps of its own: leave --timestep-spacing, --sigmas and \
             --timesteps out, or choose another method",
        ));
    }
    let mask = Mask::from_brightness(&read_mask(&args.mask)?);
    let references = args.reference.read()?;
    let (mut pipeline, load_ms) = args.model.load(&LoadExtras {
        loras: &args.lora,
        ip_adapters: args.reference.ip_adapters(),
        safety_checker: args.safety_checker.clone(),
        ..LoadExtras::default()
    })?;
    let inversion = Inversion::load(&args.inversion, &pipeline.model().device);
    let inversion = Arc::new(inversion.map_err(Failure::usage)?);
    let sampler = chosen_sampler(args.sampler.as_deref(), &pipeline)?;
    let schedule = match (listed, args.method) {
        (Some(listed), _) => listed,
        (None, EditMethod::EditFriendly) => Schedule::default(),
        (None, EditMethod::Ddim | EditMethod::InfEdit) => {
            let wanted = pipeline.default_schedule(&sampler);
            args.schedule.spaced(wanted.map_err(Failure::usage)?)
        }
    };
    let wanted = pipeline.model().defaults.clone();
    let steps = schedule
        .listed_steps()
        .or(args.steps)
        .unwrap_or(wanted.steps);
    let strength = args.strength.unwrap_or(wanted.photo.strength);
    let guidance_scale = args.guidance_scale.unwrap_or(wanted.photo.guidance_scale);
    warn_of_guidance(guidance_scale, pipeline.model());
    warn_of_extra_networks(&args.prompt);
    let settings = RenderSettings {
        prompt: args.prompt.clone(),
        negative_prompt: args.negative_prompt.clone(),
        guidance_scale,
        steps,
        strength,
        seed: args.seed,
        sampler: sampler.clone(),
        schedule: schedule.clone(),
        references,
        ..RenderSettings::default()
    };
    let notes = Notes {
        origin: Origin::EditedPhoto,
        dpi: None,
        parameters: Some(Parameters {
            prompt: args.prompt.clone(),
            negative_prompt: args.negative_prompt.clone().unwrap_or_default(),
            steps,
            // This method has steps of its own, whatever the sampler.
            sampler: match args.method {
                EditMethod::EditFriendly => args.method.name().to_owned(),
                EditMethod::Ddim | EditMethod::InfEdit => sampler.clone(),
            },
            sigmas: schedule.sigmas(),
            guidance_scale,
            seed: args.seed,
            width: mask.width(),
            height: mask.height(),
            model: pipeline.model().name.clone(),
            strength: Some(strength),
        }),
    };
    check_notes(&notes, format).map_err(Failure::usage)?;

    let edit = pipeline
        .begin_photo_edit(&inversion, &mask, args.method, &settings)
        .map_err(Failure::usage)?;
    let edit = run_steps(&pipeline, edit, "editing")?;
    let edited = pipeline
        .finish_photo_edit(edit)
        .map_err(|error| match error {
            PipelineError::HeldBack => Failure::usage(error),
            _ => Failure::broken(error),
        })?;
    let mut timings_ms = edited.timings.to_ms();
    let coding = Instant::now();
    write_image(&args.out, &edited.pixels, format, &notes)?;
    add_codec(&mut timings_ms, coding);

    let unchanged = pipeline
        .begin_method_reconstruction(&inversion, args.method, &settings)
        .map_err(Failure::broken)?;
    let unchanged = run_steps(&pipeline, unchanged, "measuring")?;
    let found = pipeline
        .finish_reconstruction(unchanged)
        .map_err(Failure::broken)?;
    let autoencoder = pipeline
        .autoencoder_psnr(&inversion)
        .map_err(Failure::broken)?;
    let psnr_db = EditPsnr {
        reconstruction: hundredths(found.psnr),
        autoencoder: hundredths(autoencoder),
    };
    if args.json {
        let report = Report {
            out: &args.out,
            model: &pipeline.model().name,
            width: edited.pixels.width(),
            height: edited.pixels.height(),
            method: args.method.name(),
            sampler: (args.method != EditMethod::EditFriendly).then_some(&sampler),
            schedule: ScheduleFacts::from(&schedule),
            steps,
            strength,
            seed: args.seed,
            psnr_db,
            load_ms,
            timings_ms,
            reconstruction_ms: found.timings.to_ms(),
        };
        return print_json(&report);
    }
    println!(
        "with its own prompt the photo would come back with {:.1} dB; the autoencoder alone \
         reaches {:.1} dB",
        psnr_db.reconstruction, psnr_db.autoencoder
    );
    Ok(())
}
