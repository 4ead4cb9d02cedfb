//! `impasto invert`: the noise that a photo was made from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::load::{LoadExtras, ModelFlags};
use super::output::{add_codec, print_json};
use super::photo::run_steps;
use super::pictures::read_image;
use super::{Failure, bar};
use crate::pipeline::{Inversion, Pipeline, hundredths};
use crate::protocol::TimingsMs;

/// Flags of `invert`.
#[derive(Clone, Debug, Args)]
pub struct InvertArgs {
    /// Which model, and on what.
    #[command(flatten)]
    pub model: ModelFlags,
    /// The photo: PNG, JPEG or WebP, at most 1024 × 1024 pixels in all
    #[arg(long, value_name = "P")]
    pub image: PathBuf,
    /// What the photo shows
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// Steps on the way to the noise: more are truer; 0 only encodes the photo, which is enough
    /// for `edit --method edit-friendly` and `infedit`
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub steps: u32,
    /// How often each step is solved again for what the way back needs, which is worth more than
    /// more steps and takes as long; 0 is plain inverse DDIM
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=20))]
    pub refinements: u32,
    /// The inverted photo, for `edit`
    #[arg(long, value_name = "F.safetensors")]
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
    steps: u32,
    refinements: u32,
    psnr_db: InversionPsnr,
    load_ms: f64,
    /// Of the inversion.
    timings_ms: TimingsMs,
    /// Of the way back that PSNR is measured on.
    reconstruction_ms: Option<TimingsMs>,
}

/// Peak signal-to-noise ratios against the photo, in decibels.
#[derive(Clone, Copy, Debug, Serialize)]
struct InversionPsnr {
    /// Of the pixels, after the way to the noise and back; none without steps.
    reconstruction: Option<f64>,
    /// Of the latents, likewise.
    latents: Option<f64>,
    /// Of the pixels, by the autoencoder alone.
    autoencoder: f64,
}

/// Inverts one photo and measures how well it comes back.
///
/// # Errors
/// One line, when a flag, a file or the model cannot be used.
pub fn run(args: InvertArgs) -> Result<(), Failure> {
    let photo = read_image(&args.image)?;
    let (mut pipeline, load_ms) = args.model.load(&LoadExtras::default())?;
    let progress = bar("inverting", args.steps.into());
    let mut inverting = pipeline
        .begin_inversion(&photo, &args.prompt, args.steps, args.refinements)
        .map_err(Failure::usage)?;
    while !inverting.is_done() {
        pipeline
            .step_inversion(&mut inverting)
            .map_err(Failure::broken)?;
        progress.set_position(inverting.steps_done() as u64);
    }
    progress.finish_and_clear();
    let mut timings_ms = inverting.timings().to_ms();
    let Some(inversion) = inverting.finish() else {
        return Err(Failure::broken("the inversion stopped before its end"));
    };
    let saving = Instant::now();
    inversion.save(&args.out).map_err(Failure::usage)?;
    add_codec(&mut timings_ms, saving);

    let (psnr_db, reconstruction_ms) = measure(&mut pipeline, &Arc::new(inversion))?;
    if args.json {
        let report = Report {
            out: &args.out,
            model: &pipeline.model().name,
            width: photo.width(),
            height: photo.height(),
            steps: args.steps,
            refinements: args.refinements,
            psnr_db,
            load_ms,
            timings_ms,
            reconstruction_ms,
        };
        return print_json(&report);
    }
    let autoencoder = psnr_db.autoencoder;
    match psnr_db.reconstruction {
        Some(found) => println!(
            "the photo comes back from its noise with {found:.1} dB; the autoencoder alone \
             reaches {autoencoder:.1} dB"
        ),
        None => println!("encoded; the autoencoder reaches {autoencoder:.1} dB"),
    }
    Ok(())
}

/// The way back, and how close it comes.
fn measure(
    pipeline: &mut Pipeline,
    inversion: &Arc<Inversion>,
) -> Result<(InversionPsnr, Option<TimingsMs>), Failure> {
    let autoencoder = pipeline
        .autoencoder_psnr(inversion)
        .map_err(Failure::broken)?;
    let mut psnr_db = InversionPsnr {
        reconstruction: None,
        latents: None,
        autoencoder: hundredths(autoencoder),
    };
    if inversion.trajectory().is_empty() {
        return Ok((psnr_db, None));
    }
    let back = pipeline
        .begin_reconstruction(inversion)
        .map_err(Failure::broken)?;
    let back = run_steps(pipeline, back, "reconstructing")?;
    let found = pipeline
        .finish_reconstruction(back)
        .map_err(Failure::broken)?;
    psnr_db.reconstruction = Some(hundredths(found.psnr));
    psnr_db.latents = Some(hundredths(found.latents_psnr));
    Ok((psnr_db, Some(found.timings.to_ms())))
}
