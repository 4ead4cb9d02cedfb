//! Paints everything that was asked for, and judges it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::ProgressBar;

use super::EvalArgs;
use super::judge::{Judge, Seen};
use super::out_folder::OutFolder;
use super::painter::{Painted, Painter, Subject};
use super::plan::{BACK, INVERSE, Plan};
use super::prompts::Prompt;
use super::report::{ClipFacts, DEFINITIONS, ModelFacts, Picture, PromptFacts, Scorecard};
use super::rows::{Distances, rows};
use super::schedules::Schedules;
use super::scores::{
    Distance, Moments, ObjectScore, clip_score, distractors, ten_thousandths, thousandths,
};
use crate::canvas::{Pixels, encode_image, fit_to, pixel_rms};
use crate::cli::machine::this_machine;
use crate::cli::schedule::ScheduleFacts;
use crate::cli::{Failure, bar, spinner};
use crate::engine::device_from_name;
use crate::model::{LoadOptions, Model, ModelError};
use crate::pipeline::{Pipeline, PipelineError};
use crate::protocol::{CanvasSize, FrameFormat};

/// The longer side of a thumbnail, in pixels.
const THUMBNAIL: u32 = 144;
/// JPEG quality of a thumbnail.
const THUMBNAIL_QUALITY: u8 = 82;

/// Paints and judges. The second answer is a thumbnail of each picture as a data URL.
///
/// # Errors
/// One line, when a model cannot be used or the disk is full.
pub fn measure(
    args: &EvalArgs,
    prompts: Vec<Prompt>,
    model_folder: &Path,
    clip_folder: &Path,
    out: &OutFolder,
) -> Result<(Scorecard, Vec<String>), Failure> {
    let device = device_from_name(&args.device).map_err(Failure::usage)?;
    // The smaller one first: a wrong folder is told at once.
    let loading = spinner(format!("loading {}", clip_folder.display()));
    let judge = Judge::load(clip_folder, &device).map_err(Failure::usage)?;
    loading.set_message(format!("loading {}", model_folder.display()));
    let model = Model::load(model_folder, &LoadOptions::on(device)).map_err(Failure::usage)?;
    let guidance_scale = args.guidance_scale.unwrap_or(model.defaults.guidance_scale);
    let variation = args.variation.unwrap_or(model.defaults.variation);
    let model_facts = ModelFacts {
        name: model.name.clone(),
        family: model.family,
        device: args.device.clone(),
        dtype: model.dtype.as_str(),
    };
    // The empty prompt stays beside all others.
    let pipeline = Pipeline::new(model, prompts.len() + 1).map_err(Failure::usage)?;
    let schedules =
        Schedules::of(&pipeline, args.timestep_spacing, args.sigmas).map_err(Failure::usage)?;
    let plan = Plan::new(args, pipeline.scheduler(), &schedules).map_err(Failure::usage)?;
    let told = plan.samplers().into_iter();
    let told = told.map(|name| (name, ScheduleFacts::from(&schedules.get(name))));
    let told = told.filter(|(_, facts)| *facts != ScheduleFacts::default());
    let told = told.collect();
    let warm_up = plan.columns.first().and_then(|(_, names)| names.first());
    let warm_up = warm_up.unwrap_or(&BACK);
    let painter = Painter::new(pipeline, warm_up, guidance_scale, variation, schedules)
        .map_err(Failure::usage)?;
    loading.finish_and_clear();

    let clip = ClipFacts {
        name: judge.clip().name().to_owned(),
        image_size: judge.clip().image_size(),
        projection_dim: judge.clip().projection_dim(),
        logit_scale: thousandths(judge.clip().logit_scale()),
    };
    let size = painter.size();
    let others = distractors(&prompts);
    let each = u64::from(args.seeds) * prompts.len() as u64;
    let mut session = Session {
        painter,
        judge,
        prompts: &prompts,
        distractors: &others,
        out,
        progress: bar("painting", plan.steps_for_each() * each),
        pictures: Vec::new(),
        thumbnails: Vec::new(),
        distances: Distances::default(),
    };
    for prompt in 0..prompts.len() {
        session.paint_prompt(prompt, &plan, args.seeds)?;
    }
    session.progress.finish_and_clear();
    let Session {
        pictures,
        thumbnails,
        distances,
        ..
    } = session;

    let counts: Vec<usize> = others.iter().map(Vec::len).collect();
    let scorecard = Scorecard {
        version: env!("CARGO_PKG_VERSION"),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        model: model_facts,
        clip,
        machine: this_machine(),
        size,
        guidance_scale,
        variation,
        seeds: args.seeds,
        schedules: told,
        definitions: DEFINITIONS.to_vec(),
        rows: rows(&pictures, &distances, &counts),
        across_samplers: distances.sampler_pairs(),
        refused: plan.refused,
        prompts: prompts
            .into_iter()
            .zip(others)
            .map(|(prompt, distractors)| PromptFacts {
                prompt,
                distractors,
            })
            .collect(),
        pictures,
    };
    Ok((scorecard, thumbnails))
}

/// What grows while pictures are painted.
struct Session<'a> {
    painter: Painter,
    judge: Judge,
    prompts: &'a [Prompt],
    distractors: &'a [Vec<String>],
    out: &'a OutFolder,
    progress: ProgressBar,
    pictures: Vec<Picture>,
    thumbnails: Vec<String>,
    distances: Distances,
}

/// A picture that others of its prompt and number of steps are compared with.
struct Shown {
    /// Its place in [`Session::pictures`].
    index: usize,
    pixels: Pixels,
    seen: Seen,
}

impl Session<'_> {
    /// All samplers, steps and seeds of one prompt. Only pictures of one number of steps are held
    /// at a time.
    fn paint_prompt(&mut self, prompt: usize, plan: &Plan, seeds: u32) -> Result<(), Failure> {
        let text = &self.prompts[prompt].prompt;
        let subject = |steps, seed| Subject {
            prompt: text,
            steps,
            seed,
        };
        let mut sources = Vec::new();
        if plan.inverts() {
            for seed in 0..u64::from(seeds) {
                let source = subject(plan.most_steps(), seed);
                let painted = self.painter.paint(BACK, source).map_err(unpaintable)?;
                sources.push(painted.pixels);
                self.progress.inc(u64::from(plan.most_steps()));
            }
        }
        for (steps, samplers) in &plan.columns {
            let mut shown = Vec::new();
            for sampler in samplers {
                for seed in 0..u64::from(seeds) {
                    let subject = subject(*steps, seed);
                    let source = sources.get(seed as usize).filter(|_| *sampler == INVERSE);
                    let painted = match source {
                        Some(source) => self.painter.round_trip(source, subject),
                        None => self.painter.paint(sampler, subject),
                    };
                    let painted = painted.map_err(unpaintable)?;
                    let both_ways = if source.is_some() { 2 } else { 1 };
                    self.progress.inc(u64::from(*steps) * both_ways);
                    let judged = self.keep(prompt, sampler, subject, painted)?;
                    // A round trip shows how well it keeps a picture, not what it would paint.
                    shown.extend(Some(judged).filter(|_| source.is_none()));
                }
            }
            self.compare(&shown);
        }
        Ok(())
    }

    /// Writes a picture, judges it and notes what was measured.
    fn keep(
        &mut self,
        prompt: usize,
        sampler: &'static str,
        subject: Subject,
        painted: Painted,
    ) -> Result<Shown, Failure> {
        let file = OutFolder::picture_name(prompt, sampler, subject.steps, subject.seed);
        let png = encode_image(&painted.pixels, FrameFormat::Png, 100).map_err(Failure::broken)?;
        self.out.write(&file, &png)?;
        self.thumbnails.push(thumbnail(&painted.pixels)?);
        let seen = self.judge.see(&painted.pixels).map_err(unjudgeable)?;
        let own = self
            .judge
            .cosine(&seen, subject.prompt)
            .map_err(unjudgeable)?;
        let mut others = Vec::new();
        for (index, other) in self.prompts.iter().enumerate() {
            if index != prompt {
                let cosine = self.judge.cosine(&seen, &other.prompt);
                others.push(clip_score(cosine.map_err(unjudgeable)?));
            }
        }
        let mut foreign = Vec::new();
        for object in &self.distractors[prompt] {
            foreign.push(self.judge.cosine(&seen, object).map_err(unjudgeable)?);
        }
        let mut objects = Vec::new();
        for object in &self.prompts[prompt].objects {
            let cosine = self.judge.cosine(&seen, object).map_err(unjudgeable)?;
            let mut score = ObjectScore::new(object, cosine, &foreign);
            score.cosine = ten_thousandths(score.cosine);
            objects.push(score);
        }
        self.pictures.push(Picture {
            file,
            prompt,
            sampler,
            steps: subject.steps,
            steps_run: painted.steps_run,
            seed: subject.seed,
            image_ms: thousandths(painted.image_ms),
            step_ms: thousandths(painted.step_ms),
            clip_score: thousandths(clip_score(own)),
            clip_score_of_other_prompts: Moments::of(others).map(|moments| moments.mean),
            objects,
            round_trip_psnr: painted.round_trip_psnr.map(thousandths),
        });
        Ok(Shown {
            index: self.pictures.len() - 1,
            pixels: painted.pixels,
            seen,
        })
    }

    /// Compares every picture with every later one.
    fn compare(&mut self, shown: &[Shown]) {
        for (position, first) in shown.iter().enumerate() {
            for second in &shown[position + 1..] {
                let Some(pixel_rms) = pixel_rms(first.pixels.data(), second.pixels.data()) else {
                    continue;
                };
                let distance = Distance {
                    clip: first.seen.distance(&second.seen),
                    pixel_rms,
                };
                self.distances.add(
                    &self.pictures[first.index],
                    &self.pictures[second.index],
                    distance,
                );
            }
        }
    }
}

/// A small JPEG as a data URL.
fn thumbnail(picture: &Pixels) -> Result<String, Failure> {
    let longer = picture.width().max(picture.height()).max(1);
    let scaled = |side: u32| (side * THUMBNAIL.min(longer) / longer).max(1);
    let size = CanvasSize {
        width: scaled(picture.width()),
        height: scaled(picture.height()),
    };
    let jpeg = encode_image(&fit_to(picture, size), FrameFormat::Jpeg, THUMBNAIL_QUALITY)
        .map_err(Failure::broken)?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}

fn unpaintable(error: PipelineError) -> Failure {
    Failure::usage(error)
}

fn unjudgeable(error: ModelError) -> Failure {
    Failure::usage(error)
}
