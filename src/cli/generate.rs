//! `impasto generate`: one picture, or a batch of them, without a server.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Tensor};
use clap::Args;
use serde::Serialize;

use super::generate_control::ControlArgs;
use super::load::{
    LoadExtras, ModelFlags, chosen_sampler, warn_of_extra_networks, warn_of_guidance,
};
use super::numbers::zero_to_one;
use super::output::{add_codec, print_json};
use super::pictures::{format_of, read_image, read_mask, unwritable, write_image};
use super::reference::ReferenceArgs;
use super::schedule::{ScheduleArgs, ScheduleFacts};
use super::{Failure, LoraFlag, SafetyCheckerFlag, bar};
use crate::canvas::{Mask, Pixels, fit_to};
use crate::picture_file::{Notes, Origin, Parameters, check_notes};
use crate::pipeline::{
    GenerateRequest, GivenNoise, MicroConditioning, Output, RenderSettings, Stage, Timings,
};
use crate::protocol::{CanvasSize, Finish, Rect, TimingsMs};

/// Name of the tensor in latents files.
const LATENTS: &str = "latents";
/// Name of the noise between steps, in the same files.
const NOISE: &str = "noise";

/// Flags of `generate`.
#[derive(Clone, Debug, Args)]
pub struct GenerateArgs {
    /// Which model, and on what.
    #[command(flatten)]
    pub model: ModelFlags,
    /// LoRA: a file or its folder, and how much of it (1 when left out); may be repeated
    #[arg(long, value_name = "FILE[:WEIGHT]")]
    pub lora: Vec<LoraFlag>,
    /// What looks at the picture before it is written: off, on (the model's own safety checker), or
    /// the folder of one
    #[arg(long, value_name = "off|on|FOLDER", default_value_t)]
    pub safety_checker: SafetyCheckerFlag,
    /// What steers it by a picture.
    #[command(flatten)]
    pub control: ControlArgs,
    /// What it sees beside the prompt.
    #[command(flatten)]
    pub reference: ReferenceArgs,
    /// What the picture should show; weights as in "(red:1.2) apple, [leaves]"
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// What it should not show
    #[arg(long, value_name = "TEXT")]
    pub negative_prompt: Option<String>,
    /// Sampler [default: what the model wants]
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,
    /// Its timesteps and sigmas.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// Sampling steps [default: what the model wants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,
    /// Classifier-free guidance scale; 1 or less runs without guidance [default: what the model wants]
    #[arg(long, value_name = "W")]
    pub guidance_scale: Option<f64>,
    /// How far guidance is brought back to the contrast of the prompt alone, 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub guidance_rescale: f64,
    /// How closely an InstructPix2Pix model keeps to the image
    #[arg(long, value_name = "W", default_value_t = 1.5)]
    pub image_guidance_scale: f64,
    /// DDIM's and TCD's eta, 0 to 1 [default: 0, TCD 0.3]; other samplers ignore it
    #[arg(long, value_name = "ETA")]
    pub eta: Option<f64>,
    /// Seed of the noise
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// How much of the seed's noise is used, 0 to 1: at 0 the seed makes no difference [default: what
    /// the model wants]
    #[arg(long, value_name = "V")]
    pub variation: Option<f64>,
    /// What the picture looks as if it was made with: none, oil, watercolour or ink [default: what the
    /// model wants]
    #[arg(long, value_name = "NAME")]
    pub finish: Option<Finish>,
    /// How much of the finish is seen, 0 to 1 [default: what the model wants]
    #[arg(long, value_name = "S", value_parser = zero_to_one)]
    pub finish_strength: Option<f64>,
    /// Width in pixels [default: the image's, the control image's, or the model's native size]
    #[arg(long, value_name = "W")]
    pub width: Option<u32>,
    /// Height in pixels [default: the image's, the control image's, or the model's native size]
    #[arg(long, value_name = "H")]
    pub height: Option<u32>,
    /// Image to start from: PNG, JPEG or WebP
    #[arg(long, value_name = "IN")]
    pub image: Option<PathBuf>,
    /// How far from the image the model may go, 0 to 1 [default: what the model wants; 1
    /// under the mask of an inpainting model]
    #[arg(long, value_name = "S", requires = "image")]
    pub strength: Option<f64>,
    /// Where the image may change: white may, black stays
    #[arg(long, value_name = "M.png", requires = "image")]
    pub mask: Option<PathBuf>,
    /// Tells SDXL the size of the picture before scaling [default: the picture's]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub original_size: Option<(u32, u32)>,
    /// Tells SDXL the size of the picture [default: the picture's]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub target_size: Option<(u32, u32)>,
    /// Tells SDXL how far from the left and the top the picture was cut
    #[arg(long, value_name = "LEFTxTOP", value_parser = parse_size, default_value = "0x0")]
    pub crop: (u32, u32),
    /// Initial noise: safetensors with `latents`, shaped [batch, channels, height/8, width/8], a
    /// picture for each row, and perhaps `noise`, [steps, channels, height/8, width/8] or [steps,
    /// batch, channels, height/8, width/8], for the steps that add some
    #[arg(long, value_name = "F.safetensors")]
    pub latents: Option<PathBuf>,
    /// Writes the final latents there, before they are decoded, under the same name
    #[arg(long, value_name = "F.safetensors")]
    pub save_latents: Option<PathBuf>,
    /// The picture: .png, .jpg or .webp. Where --latents has several rows the second is written
    /// beside it as OUT-2.png, and so on
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
    /// All pictures, `out` first.
    pictures: &'a [PathBuf],
    model: &'a str,
    width: u32,
    height: u32,
    steps: u32,
    seed: u64,
    sampler: &'a str,
    #[serde(flatten)]
    schedule: ScheduleFacts,
    load_ms: f64,
    timings_ms: TimingsMs,
}

/// Makes one picture, or one for each row of the given latents.
///
/// # Errors
/// One line, when a flag, a file or the model cannot be used.
pub fn run(args: GenerateArgs) -> Result<(), Failure> {
    let format = format_of(&args.out)?;
    let (mut pipeline, load_ms) = args.model.load(&LoadExtras {
        loras: &args.lora,
        controls: &args.control.control,
        ip_adapters: args.reference.ip_adapters(),
        safety_checker: args.safety_checker.clone(),
    })?;
    let model = pipeline.model();
    let image = args.image.as_deref().map(read_image).transpose()?;
    let steering = args.control.read()?;
    let references = args.reference.read()?;
    let size = picture_size(
        &args,
        image
            .as_ref()
            .or(steering.first().map(|one| one.picture.as_ref())),
        model.native_side(),
        model.window_grid(),
    );
    let (width, height) = size;
    args.control.tell_of_sizes(&steering, size);
    let fit = |picture: Pixels| fit_to(&picture, CanvasSize { width, height });
    let mask = args.mask.as_deref().map(read_mask).transpose()?;
    let sampler = chosen_sampler(args.sampler.as_deref(), &pipeline)?;
    let wanted = pipeline.model().defaults.clone();
    let guidance_scale = args.guidance_scale.unwrap_or(wanted.guidance_scale);
    warn_of_guidance(guidance_scale, model);
    warn_of_extra_networks(&args.prompt);
    let schedule = match args.schedule.listed(args.steps)? {
        Some(listed) => listed,
        None => args.schedule.spaced(
            pipeline
                .default_schedule(&sampler)
                .map_err(Failure::usage)?,
        ),
    };
    let schedule_facts = ScheduleFacts::from(&schedule);
    let steps = schedule
        .listed_steps()
        .or(args.steps)
        .unwrap_or(wanted.steps);
    let strength = args.strength.unwrap_or(match mask {
        Some(_) => wanted.fill_strength,
        None => wanted.strength,
    });
    let output = Output {
        rect: Rect::new(0, 0, width, height),
        finish: args.finish.unwrap_or(wanted.finish),
        finish_strength: args.finish_strength.unwrap_or(wanted.finish_strength),
    };
    let name = model.name.clone();
    let notes = Notes {
        origin: Origin::of(image.is_some(), true),
        dpi: None,
        parameters: Some(Parameters {
            prompt: args.prompt.clone(),
            negative_prompt: args.negative_prompt.clone().unwrap_or_default(),
            steps,
            sampler: sampler.clone(),
            sigmas: schedule.sigmas(),
            guidance_scale,
            seed: args.seed,
            width,
            height,
            model: name.clone(),
            strength: image.as_ref().map(|_| strength),
        }),
    };
    check_notes(&notes, format).map_err(Failure::usage)?;
    let request = GenerateRequest {
        settings: RenderSettings {
            prompt: args.prompt.clone(),
            negative_prompt: args.negative_prompt.clone(),
            guidance_scale,
            guidance_rescale: args.guidance_rescale,
            image_guidance_scale: args.image_guidance_scale,
            steps,
            strength,
            keeps_a_step: false,
            seed: args.seed,
            variation: args.variation.unwrap_or(wanted.variation),
            sampler: sampler.clone(),
            schedule,
            eta: args.eta,
            regions: Vec::new(),
            references,
            micro_conditioning: MicroConditioning {
                original_size: args.original_size,
                crop: args.crop,
                target_size: args.target_size,
            },
        },
        size,
        image: image.map(fit),
        controls: steering,
        mask: mask.map(fit).map(|picture| Mask::from_brightness(&picture)),
        latents: args
            .latents
            .as_deref()
            .map(|file| read_noise(file, &model.device))
            .transpose()?,
    };

    let progress = bar("sampling", steps.into());
    let rendered = pipeline
        .generate_batch(request, |done, steps| {
            progress.set_length(steps as u64);
            progress.set_position(done as u64);
        })
        .map_err(Failure::usage)?;
    progress.finish_and_clear();

    if let Some(file) = &args.save_latents {
        let rows: Vec<&Tensor> = rendered.iter().map(|rendered| &rendered.latents).collect();
        save_latents(file, &Tensor::cat(&rows, 0).map_err(Failure::broken)?)?;
    }
    let coding = Instant::now();
    let pictures: Vec<PathBuf> = (1..=rendered.len())
        .map(|number| numbered(&args.out, number))
        .collect();
    let mut timings = Timings::default();
    for (row, (file, rendered)) in pictures.iter().zip(rendered).enumerate() {
        let rendered = rendered.shown(&output);
        write_image(file, &rendered.pixels, format, &notes)?;
        // A step of a batch is in the times of each of its rows.
        let own = |stage: &Stage| row == 0 || *stage != Stage::Denoise;
        for stage in Stage::ALL.into_iter().filter(own) {
            timings.add(stage, rendered.timings.spent(stage));
        }
    }
    let mut timings_ms = timings.to_ms();
    add_codec(&mut timings_ms, coding);
    if args.json {
        let report = Report {
            out: &args.out,
            pictures: &pictures,
            model: &name,
            width,
            height,
            steps,
            seed: args.seed,
            sampler: &sampler,
            schedule: schedule_facts,
            load_ms,
            timings_ms,
        };
        print_json(&report)?;
    }
    Ok(())
}

/// The size that was asked for; or the image's, cut to the model's grid; or
/// the model's native size.
fn picture_size(
    args: &GenerateArgs,
    image: Option<&Pixels>,
    native_size: u32,
    grid: u32,
) -> (u32, u32) {
    let to_grid = |side: u32| (side / grid * grid).max(grid);
    let (width, height) = image.map_or((native_size, native_size), |image| {
        (to_grid(image.width()), to_grid(image.height()))
    });
    (args.width.unwrap_or(width), args.height.unwrap_or(height))
}

/// Two numbers with an x between them.
fn parse_size(text: &str) -> Result<(u32, u32), String> {
    text.split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .ok_or_else(|| "write two whole numbers with an x between them, as in 1024x768".to_owned())
}

fn read_noise(file: &Path, device: &candle_core::Device) -> Result<GivenNoise, Failure> {
    let place = file.display();
    let mut tensors = candle_core::safetensors::load(file, device)
        .map_err(|cause| Failure::usage(format!("cannot read {place} as safetensors: {cause}")))?;
    let latents = tensors.remove(LATENTS).ok_or_else(|| {
        Failure::usage(format!(
            "{place} has no tensor `{LATENTS}`: save the initial noise under that name"
        ))
    })?;
    let floats = |tensor: Tensor| tensor.to_dtype(DType::F32).map_err(Failure::broken);
    Ok(GivenNoise {
        initial: floats(latents)?,
        between: tensors.remove(NOISE).map(floats).transpose()?,
    })
}

/// Where the picture of this number goes, the first being 1: `out.png`, `out-2.png`, …
fn numbered(out: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return out.to_owned();
    }
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(out.file_stem()), part(out.extension()));
    out.with_file_name(format!("{stem}-{number}.{ending}"))
}

fn save_latents(file: &Path, latents: &Tensor) -> Result<(), Failure> {
    let latents = latents.to_dtype(DType::F32).map_err(Failure::broken)?;
    let tensors = HashMap::from([(LATENTS, latents)]);
    candle_core::safetensors::save(&tensors, file).map_err(|cause| unwritable(file, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_after_the_first_are_numbered() {
        let out = Path::new("a.b/sea.side.png");
        assert_eq!(numbered(out, 1), out);
        assert_eq!(numbered(out, 3), Path::new("a.b/sea.side-3.png"));
    }

    #[test]
    fn latents_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latents.safetensors");
        let device = candle_core::Device::Cpu;
        let latents = Tensor::arange(0f32, 32.0, &device)
            .unwrap()
            .reshape((1, 2, 4, 4))
            .unwrap();
        save_latents(&file, &latents).unwrap();
        let GivenNoise { initial, between } = read_noise(&file, &device).unwrap();
        assert_eq!(initial.dims(), [1, 2, 4, 4]);
        assert!(between.is_none());
        assert_eq!(
            initial.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            latents.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
    }
}
