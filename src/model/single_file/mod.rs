//! Checkpoints of Stable Diffusion 1, 2 and SDXL in a single file, with the names of Stability's
//! own code.
//!
//! Which model it is and how its networks are built is told from the names and shapes of its
//! tensors. Nothing is copied: a component's weights are the file's, under diffusers' names, with
//! the few changes of shape that these call for ([`Change`](super::stored::Change)).

mod autoencoder;
mod line;
mod others;
mod scheduler;
mod shapes;
mod text;
mod tiny_autoencoder;
mod unet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use self::line::{AUTOENCODER, Line, UNET};
pub(super) use self::shapes::Shapes;
use self::text::{CLIP_WORDS, TextInFile, is_open_clip};
use self::unet::UNetShape;
use super::stored::TensorMap;
use super::{ConfigFile, ModelError, SafetensorsFile, Supplied};

/// What other tools keep beside the networks, and nothing here needs.
const USELESS: [&str; 14] = [
    "model_ema.",
    "alphas_cumprod",
    "betas",
    "sqrt_",
    "log_one_minus_alphas_cumprod",
    "posterior_",
    "lvlb_weights",
    "logvar",
    "denoiser.",
    "global_step",
    "scale_factor",
    "v_pred",
    "ztsnr",
    "embedding_manager.",
];

/// A checkpoint in one file.
#[derive(Debug, Clone)]
pub(super) struct SingleFile {
    path: PathBuf,
    line: Line,
    index: Map<String, Value>,
    scheduler: Map<String, Value>,
    parts: BTreeMap<&'static str, FilePart>,
    words: usize,
    notices: Vec<String>,
}

/// A component that lies in one or more files among others.
#[derive(Debug, Clone)]
pub(super) struct FilePart {
    /// What its `config.json` would say.
    pub config: ConfigFile,
    /// Where its tensors are.
    pub files: Vec<(PathBuf, TensorMap)>,
}

impl SingleFile {
    /// Reads the header of a checkpoint and finds its parts.
    ///
    /// # Errors
    /// `NoFolder` for files that are something else, `Checkpoint` for what is missing or not as in
    /// any model of these lines, and the file's own troubles.
    pub fn open(path: &Path, supplied: &Supplied) -> Result<Self, ModelError> {
        let file = SafetensorsFile::open(path)?;
        let shapes = shapes_of(&file);
        if let Some(other) = others::other_than_a_checkpoint(&shapes) {
            return Err(ModelError::NoFolder {
                path: path.to_owned(),
                what: other.what,
                way_out: other.way_out,
            });
        }
        Self::of(&file, &shapes, supplied).map_err(|reason| match reason {
            Refusal::Refiner => refiner(path),
            Refusal::Because(reason) => ModelError::Checkpoint {
                path: path.to_owned(),
                reason,
            },
        })
    }

    fn of(file: &SafetensorsFile, shapes: &Shapes, supplied: &Supplied) -> Result<Self, Refusal> {
        let path = file.path().to_owned();
        let unet_shapes = shapes.under(UNET);
        let unet = UNetShape::read(&unet_shapes)
            .map_err(|reason| format!("that {reason}: get it again, or another of its kind"))?;
        let line = Line::of(shapes);
        refuse_relatives(shapes, &unet, line)?;
        let has_vae = shapes.any_under(AUTOENCODER);
        let mut missing = Vec::new();
        if line.is_none() {
            missing.push("a text encoder (cond_stage_model.*, conditioner.embedders.*)".to_owned());
        }
        let encoders = line.map_or(&[][..], Line::text_encoders);
        for (name, prefix) in encoders
            .iter()
            .filter(|(_, prefix)| !shapes.any_under(prefix))
        {
            missing.push(format!("its {name} ({prefix}*)"));
        }
        if !has_vae && supplied.vae.is_none() {
            missing.push(format!("an autoencoder ({AUTOENCODER}*)"));
        }
        let (Some(line), []) = (line, missing.as_slice()) else {
            let way_out = match missing.as_slice() {
                [_] if line.is_some() && !has_vae => "give one with --vae",
                _ => "get one with all parts, or the model's diffusers folder",
            };
            return Err(format!("without {}: {way_out}", missing.join(" and ")).into());
        };

        let told = scheduler::prediction(supplied.prediction, line, unet.in_channels, shapes, file);
        let part = |fields: Map<String, Value>, tensors: TensorMap| FilePart {
            config: ConfigFile::of_fields(&path, fields),
            files: vec![(path.clone(), tensors)],
        };
        let mut parts = BTreeMap::new();
        let mut strange = Vec::new();
        let (mut words, mut pooled) = (usize::MAX, None);
        for (name, prefix) in encoders {
            let text = TextInFile::read(line, name, prefix, &shapes.under(prefix))
                .map_err(|reason| format!("that {reason}: get it again"))?;
            words = words.min(text.words);
            pooled = text.pooled.or(pooled);
            strange.extend(text.strange);
            parts.insert(*name, part(text.config, text.tensors));
        }
        let sample_size = sample_size(line, unet.in_channels, &told);
        let config = unet
            .config(line, sample_size, pooled)
            .map_err(|reason| format!("that {reason}, which nothing here can run"))?;
        let (tensors, rest) = unet.tensors(UNET, &unet_shapes);
        parts.insert("unet", part(config, tensors));
        strange.extend(rest);
        if has_vae {
            let vae = shapes.under(AUTOENCODER);
            let config = autoencoder::config(&vae, line.scaling_factor(), sample_size * 8)
                .map_err(|reason| format!("that {reason} in its autoencoder: get it again"))?;
            let (tensors, rest) = autoencoder::tensors(AUTOENCODER, &vae);
            parts.insert("vae", part(config, tensors));
            strange.extend(rest.into_iter().filter(|name| !name.contains(".loss.")));
        }
        strange.extend(outside(shapes, encoders));
        let embeds_guidance = unet.guidance_width.is_some();
        let (class, settings) =
            scheduler::scheduler(line, unet.in_channels, embeds_guidance, &told);
        let tokenizer = match &supplied.tokenizer {
            Some(folder) => folder.display().to_string(),
            None => "CLIP's own vocabulary".to_owned(),
        };
        let mut notices = vec![format!(
            "A single file of {} has no scheduler and no tokenizer: {class} and {tokenizer} are \
             taken.",
            line.name()
        )];
        notices.extend(told.notice);
        if let [first, rest @ ..] = strange.as_slice() {
            let others = match rest.len() {
                0 => String::new(),
                others => format!(" and {others} others"),
            };
            notices.push(format!(
                "`{first}`{others} in the file belong to nothing here."
            ));
        }
        Ok(Self {
            index: index(line, &unet, class),
            scheduler: fields(settings),
            path,
            line,
            parts,
            words,
            notices,
        })
    }

    /// What `model_index.json` would say.
    pub fn index(&self) -> ConfigFile {
        ConfigFile::of_fields(&self.path, self.index.clone())
    }

    /// What `scheduler_config.json` would say.
    pub fn scheduler(&self) -> ConfigFile {
        ConfigFile::of_fields(&self.path, self.scheduler.clone())
    }

    /// A component; none where the file has none of that name.
    pub fn part(&self, name: &str) -> Option<&FilePart> {
        self.parts.get(name)
    }

    /// Whether the text encoder of this name pads prompts with the first word of its vocabulary.
    pub fn pads_with_first_word(&self, text_encoder: &str) -> bool {
        is_open_clip(self.line, text_encoder)
    }

    /// The file knows fewer words than CLIP's vocabulary has: it must come with one of its own.
    ///
    /// # Errors
    /// `Checkpoint`.
    pub fn check_words(&self) -> Result<(), ModelError> {
        if self.words >= CLIP_WORDS {
            return Ok(());
        }
        Err(ModelError::Checkpoint {
            path: self.path.clone(),
            reason: format!(
                "whose text encoder knows {} words where CLIP's vocabulary has {CLIP_WORDS}: give \
                 its own with --tokenizer FOLDER",
                self.words
            ),
        })
    }

    /// What was taken for what no tensor tells, each in one sentence.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

/// Why a file is not taken.
enum Refusal {
    Refiner,
    Because(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

/// That something is SDXL's refiner.
pub(super) fn refiner(path: &Path) -> ModelError {
    ModelError::NoFolder {
        path: path.to_owned(),
        what: "SDXL's refiner, which only goes over pictures of the base model (it wants an \
               aesthetics score)"
            .to_owned(),
        way_out: "give the base model, which paints without it".to_owned(),
    }
}

/// The names and shapes of a file's tensors.
pub(super) fn shapes_of(file: &SafetensorsFile) -> Shapes {
    let names = file.names().into_iter();
    names
        .filter_map(|name| {
            let shape = file.info(&name)?.shape.clone();
            Some((name, shape))
        })
        .collect()
}

/// An autoencoder in files of its own: one with the original names, or TAESD's two. `scaling_factor`
/// is the model's. None where the file is something else.
///
/// # Errors
/// What is missing, and the file's own troubles.
pub(super) fn autoencoder_alone(
    path: &Path,
    scaling_factor: f64,
) -> Result<Option<FilePart>, ModelError> {
    let all = shapes_of(&SafetensorsFile::open(path)?);
    let refuse = |reason: String| ModelError::NoFolder {
        path: path.to_owned(),
        what: format!("an autoencoder that {reason}"),
        way_out: "get it again".to_owned(),
    };
    if tiny_autoencoder::is_one_way(&all) {
        let [encoder, decoder] = both_ways(path)?;
        let shapes = |path: &Path| Ok(shapes_of(&SafetensorsFile::open(path)?));
        let (down, up) = (shapes(&encoder)?, shapes(&decoder)?);
        let config = tiny_autoencoder::config(&down, &up).map_err(refuse)?;
        let [down, up] = tiny_autoencoder::tensors(&down, &up);
        return Ok(Some(FilePart {
            config: ConfigFile::of_fields(path, config),
            files: vec![(encoder, down), (decoder, up)],
        }));
    }
    let prefixes = [AUTOENCODER, ""].into_iter();
    for (prefix, shapes) in prefixes.map(|prefix| (prefix, all.under(prefix))) {
        if !autoencoder::is_autoencoder(&shapes) {
            continue;
        }
        let config = autoencoder::config(&shapes, scaling_factor, 512).map_err(refuse)?;
        let (tensors, _) = autoencoder::tensors(prefix, &shapes);
        return Ok(Some(FilePart {
            config: ConfigFile::of_fields(path, config),
            files: vec![(path.to_owned(), tensors)],
        }));
    }
    Ok(None)
}

/// TAESD's two files by one of them: they are called alike but for `encoder` and `decoder`.
fn both_ways(path: &Path) -> Result<[PathBuf; 2], ModelError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ways = ["encoder", "decoder"];
    let Some(own) = ways.into_iter().find(|way| name.contains(way)) else {
        return Err(ModelError::NoFolder {
            path: path.to_owned(),
            what: "one half of a tiny autoencoder".to_owned(),
            way_out: "call the halves …_encoder.safetensors and …_decoder.safetensors".to_owned(),
        });
    };
    let paths = ways.map(|way| path.with_file_name(name.replace(own, way)));
    match paths.iter().find(|path| !path.is_file()) {
        None => Ok(paths),
        Some(missing) => Err(ModelError::Missing {
            path: missing.clone(),
            hint: "the other half of the tiny autoencoder belongs beside it".to_owned(),
        }),
    }
}

/// Models with the same parts that want something else from whoever runs them.
fn refuse_relatives(shapes: &Shapes, unet: &UNetShape, line: Option<Line>) -> Result<(), Refusal> {
    let base = "use a model that is told by words";
    let is_second_alone = line.is_none() && shapes.any_under("conditioner.embedders.0.model.");
    if is_second_alone || unet.context == Some(1280) {
        return Err(Refusal::Refiner);
    }
    for (mark, name) in [
        ("edm_mean", "Playground v2.5"),
        ("edm_vpred.sigma_max", "CosXL"),
    ] {
        if shapes.has(mark) {
            return Err(format!(
                "of {name}, which was trained with EDM: single files of it are not read, give its \
                 diffusers folder"
            )
            .into());
        }
    }
    let labels = "model.diffusion_model.label_emb.weight";
    if shapes.has(labels) || unet.in_channels == 7 {
        return Err(format!("of an upscaler, which is not supported: {base}").into());
    }
    if unet.added_width.is_some() && line.is_some_and(|line| line != Line::Sdxl) {
        return Err(format!(
            "of Stable unCLIP, which wants an image's embedding and is not supported: {base}"
        )
        .into());
    }
    if unet.context.is_none() {
        return Err(format!("whose UNet reads no prompt: {base}").into());
    }
    Ok(())
}

/// The names outside all parts that are of no use either.
fn outside(shapes: &Shapes, encoders: &[(&str, &str)]) -> Vec<String> {
    let inside = |name: &str| {
        let mut parts = encoders.iter().map(|(_, prefix)| *prefix);
        name.starts_with(UNET)
            || name.starts_with(AUTOENCODER)
            || parts.any(|prefix| name.starts_with(prefix))
    };
    let useless = |name: &str| {
        USELESS.iter().any(|useless| name.starts_with(useless)) || name.ends_with("logit_scale")
    };
    let names = shapes.iter().map(|(name, _)| name);
    names
        .filter(|name| !inside(name) && !useless(name))
        .map(str::to_owned)
        .collect()
}

/// Native side in latents.
fn sample_size(line: Line, in_channels: usize, told: &scheduler::Told) -> usize {
    match line {
        Line::Sd1 => 64,
        Line::Sd2 if in_channels == 4 && told.prediction == super::Prediction::V => 96,
        Line::Sd2 => 64,
        Line::Sdxl => 128,
    }
}

fn index(line: Line, unet: &UNetShape, scheduler: &str) -> Map<String, Value> {
    let class = match (line, unet.in_channels) {
        (Line::Sdxl, 9) => "StableDiffusionXLInpaintPipeline",
        (Line::Sdxl, 8) => "StableDiffusionXLInstructPix2PixPipeline",
        (Line::Sdxl, _) => "StableDiffusionXLPipeline",
        (_, 9) => "StableDiffusionInpaintPipeline",
        (_, 8) => "StableDiffusionInstructPix2PixPipeline",
        _ if unet.guidance_width.is_some() => "LatentConsistencyModelPipeline",
        _ => "StableDiffusionPipeline",
    };
    let mut index = fields(json!({
        "_class_name": class,
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", scheduler],
    }));
    let others = match line {
        Line::Sdxl => json!({
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "force_zeros_for_empty_prompt": true,
        }),
        _ => json!({
            "safety_checker": [null, null],
            "feature_extractor": [null, null],
            "requires_safety_checker": false,
        }),
    };
    index.extend(fields(others));
    index
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
