//! What a scorecard says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::prompts::Prompt;
use super::scores::{Moments, ObjectScore, Variance};
use crate::cli::bench::Spread;
use crate::cli::machine::Machine;
use crate::cli::schedule::ScheduleFacts;
use crate::model::Family;

/// The whole scorecard: `scorecard.json`.
#[derive(Debug, Serialize)]
pub struct Scorecard {
    /// Version of the program.
    pub version: &'static str,
    /// What was typed.
    pub command: String,
    /// The model that painted.
    pub model: ModelFacts,
    /// The model that judged.
    pub clip: ClipFacts,
    /// The machine that the times were measured on.
    pub machine: Machine,
    /// Width and height of the pictures, in pixels.
    pub size: (u32, u32),
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    /// How much of the seeds' noise was used, 0 to 1.
    pub variation: f64,
    /// Pictures of each prompt, sampler and number of steps: seeds 0 to one less.
    pub seeds: u32,
    /// The schedules of samplers that have another than the model's scheduler gives them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<&'static str, ScheduleFacts>,
    /// The prompts, with what their objects are compared with.
    pub prompts: Vec<PromptFacts>,
    /// What the numbers mean.
    pub definitions: Vec<Definition>,
    /// One for each sampler and number of steps.
    pub rows: Vec<Row>,
    /// One for each pair of samplers and number of steps.
    pub across_samplers: Vec<SamplerPair>,
    /// What a sampler could not do with this model's scheduler.
    pub refused: Vec<Refusal>,
    /// Every picture.
    pub pictures: Vec<Picture>,
}

/// The model that painted.
#[derive(Debug, Serialize)]
pub struct ModelFacts {
    /// The folder's name.
    pub name: String,
    /// What kind of model it is.
    pub family: Family,
    /// `cpu`, `cuda:N` or `metal`.
    pub device: String,
    /// The number format that it computed in.
    pub dtype: &'static str,
}

/// The model that judged.
#[derive(Debug, Serialize)]
pub struct ClipFacts {
    /// The folder's name.
    pub name: String,
    /// Side of the pictures that it saw, in pixels.
    pub image_size: usize,
    /// Width of its embeddings.
    pub projection_dim: usize,
    /// What cosines were multiplied by in its training.
    pub logit_scale: f64,
}

/// A prompt, and what its objects are compared with.
#[derive(Debug, Serialize)]
pub struct PromptFacts {
    /// The prompt and its objects.
    #[serde(flatten)]
    pub prompt: Prompt,
    /// Objects of other prompts.
    pub distractors: Vec<String>,
}

/// What a number means.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Definition {
    /// The field, or the column.
    pub name: &'static str,
    /// The meaning.
    pub meaning: &'static str,
}

/// A sampler at a number of steps, over all prompts and seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The sampler.
    pub sampler: &'static str,
    /// Steps asked for.
    pub steps: u32,
    /// Steps that were run.
    pub steps_run: usize,
    /// Milliseconds for each picture.
    pub image_ms: Spread,
    /// Milliseconds for each step.
    pub step_ms: Spread,
    /// CLIP score with the picture's own prompt, 0 to 100.
    pub clip_score: Moments,
    /// CLIP score with the other prompts; none where there is one prompt.
    pub clip_score_of_other_prompts: Option<Moments>,
    /// Share of objects found, 0 to 1; none where nothing could be looked for.
    pub recall: Option<f64>,
    /// The recall that guessing would have.
    pub recall_by_chance: Option<f64>,
    /// Objects that were looked for.
    pub objects: usize,
    /// How far pictures of one prompt with different seeds are apart.
    pub across_seeds: Option<Variance>,
    /// Inversion only: how close the round trip came to its source, in decibels.
    pub round_trip_psnr: Option<Moments>,
}

/// Two samplers with the same prompts, seeds and steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SamplerPair {
    /// Steps of both.
    pub steps: u32,
    /// One sampler.
    pub first: &'static str,
    /// The other.
    pub second: &'static str,
    /// How far their pictures are apart.
    #[serde(flatten)]
    pub distance: Variance,
}

/// A sampler that cannot do a number of steps with this model's scheduler.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refusal {
    /// The sampler.
    pub sampler: &'static str,
    /// The steps.
    pub steps: u32,
    /// Why not.
    pub reason: String,
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Picture {
    /// Its file, relative to the scorecard.
    pub file: String,
    /// Index of its prompt, from 0.
    pub prompt: usize,
    /// The sampler.
    pub sampler: &'static str,
    /// Steps asked for.
    pub steps: u32,
    /// Steps that were run.
    pub steps_run: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// Milliseconds from the request to the pixels, without the text encoder.
    pub image_ms: f64,
    /// Milliseconds of each step.
    pub step_ms: f64,
    /// CLIP score with its own prompt.
    pub clip_score: f64,
    /// Mean CLIP score with the other prompts.
    pub clip_score_of_other_prompts: Option<f64>,
    /// Its prompt's objects.
    pub objects: Vec<ObjectScore>,
    /// Inversion only: how close the round trip came, in decibels.
    pub round_trip_psnr: Option<f64>,
}

/// What the numbers mean, in the order of the table's columns.
pub const DEFINITIONS: [Definition; 8] = [
    Definition {
        name: "image_ms",
        meaning: "Milliseconds from the request to the pixels: noise, all steps and decoding. The \
            text encoder, which runs once for each prompt, and CLIP are left out.",
    },
    Definition {
        name: "step_ms",
        meaning: "Milliseconds of one sampling step, both guidance rows where there are two.",
    },
    Definition {
        name: "clip_score",
        meaning: "100 · max(cosine, 0) of CLIP's embeddings of the picture and of its prompt, as \
            torchmetrics defines it (Hessel et al. 2021). Comparable only under the same CLIP.",
    },
    Definition {
        name: "clip_score_of_other_prompts",
        meaning: "The same with every other prompt of the file: what a picture scores that has \
            nothing to do with its words. The gap is what counts.",
    },
    Definition {
        name: "recall",
        meaning: "The share of the prompts' objects that are found. An object is found where its \
            text has a higher cosine with the picture than each of up to 9 objects of other \
            prompts that the prompt does not name. recall_by_chance is what guessing would reach.",
    },
    Definition {
        name: "across_seeds",
        meaning: "How far two pictures of one prompt, sampler and number of steps with different \
            seeds are apart, mean over all pairs: 1 − cosine of CLIP's image embeddings, and the \
            root mean square difference of the pixels (1 is black against white).",
    },
    Definition {
        name: "across_samplers",
        meaning: "The same two distances between two samplers with the same prompt, seed and \
            number of steps. 0 where they draw the same picture.",
    },
    Definition {
        name: "round_trip_psnr",
        meaning: "ddim-inverse paints nothing from noise. Its row turns a picture (ddim, the most \
            steps of this card) into noise and back with ddim in the same number of steps, without \
            guidance, and tells how close that came in decibels (99 is identical); its image_ms is \
            the whole round trip, its step_ms a step of the way there.",
    },
];
