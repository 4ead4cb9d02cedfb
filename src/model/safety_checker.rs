//! What looks at pictures before people do (`diffusers.StableDiffusionSafetyChecker`): CLIP's image
//! tower, and concepts that a picture may not be too like.

use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, Result, Tensor};

use super::layers::linear;
use super::{
    ClipImageProcessor, ClipVisionConfig, ClipVisionModel, Component, ConfigFile, ModelError,
    Weights,
};
use crate::canvas::Pixels;
use crate::kernels::Linear;
use crate::protocol::Rect;

/// The class that [`SafetyChecker::load`] can read.
const CLASS: &str = "StableDiffusionSafetyChecker";
/// Concepts that hold a picture back.
const CONCEPTS: usize = 17;
/// Concepts that make the others stricter.
const SPECIAL_CARE: usize = 3;
/// By so much the others are stricter once one of the special ones is there.
const ADJUSTMENT: f32 = 0.01;

/// Which safety checker looks at pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SafetyCheckerChoice {
    /// None: every picture is shown.
    #[default]
    Off,
    /// The one in the model's own folder.
    Own,
    /// The one in another folder: a `safety_checker` folder, or a model folder with one in it.
    At(PathBuf),
}

/// How far a picture is over the threshold of each concept, rounded to thousandths: above 0 it is
/// too like it.
#[derive(Debug, Clone, PartialEq)]
pub struct SafetyScores {
    /// Of the concepts that make the others stricter.
    pub special: Vec<f32>,
    /// Of those that hold a picture back.
    pub concepts: Vec<f32>,
}

/// CLIP's image tower and the concepts. Computes in f32, whatever the model computes in: thresholds
/// are told in thousandths.
pub struct SafetyChecker {
    vision_model: ClipVisionModel,
    visual_projection: Linear,
    concepts: Concepts,
    special_care: Concepts,
    image_processor: ClipImageProcessor,
    device: Device,
}

/// Embeddings of unit length, `[concepts, projection_dim]`, and the cosine from which on each counts.
struct Concepts {
    embeds: Tensor,
    thresholds: Vec<f32>,
}

impl SafetyChecker {
    /// Its folder in a model's.
    pub const FOLDER: &str = "safety_checker";
    /// The folder of its image processor, beside it.
    pub const IMAGE_PROCESSOR_FOLDER: &str = "feature_extractor";

    /// The safety checker that is chosen for the model in a folder or a single file; none where the
    /// choice is [`SafetyCheckerChoice::Off`].
    ///
    /// # Errors
    /// `Missing` where the model has no safety checker of its own, and those of
    /// [`SafetyChecker::load`].
    pub fn chosen(
        choice: &SafetyCheckerChoice,
        model: &Path,
        device: &Device,
    ) -> std::result::Result<Option<Self>, ModelError> {
        let folder = match choice {
            SafetyCheckerChoice::Off => return Ok(None),
            SafetyCheckerChoice::At(folder) => folder,
            SafetyCheckerChoice::Own if has_own(model) => model,
            SafetyCheckerChoice::Own => {
                return Err(ModelError::Missing {
                    path: model.join(Self::FOLDER),
                    hint: "this model comes without a safety checker, so nothing would check its \
                           pictures: give --safety-checker the folder of one or off, or pull the model \
                           with --safety-checker where its repository has one"
                        .to_owned(),
                });
            }
        };
        Self::load(folder, device).map(Some)
    }

    /// Reads a `safety_checker` folder as diffusers saves it, or that of a model folder: its
    /// `config.json` and safetensors, and the `preprocessor_config.json` in it or in the
    /// `feature_extractor` folder beside it.
    ///
    /// # Errors
    /// One sentence that names the file, and the tensor or field, that is not right.
    pub fn load(folder: &Path, device: &Device) -> std::result::Result<Self, ModelError> {
        let inner = folder.join(Self::FOLDER);
        let folder = match inner.is_dir() {
            true => inner.as_path(),
            false => folder,
        };
        if !folder.is_dir() {
            return Err(ModelError::Missing {
                path: folder.to_owned(),
                hint: "give the folder of a safety checker, or a model folder with one in it"
                    .to_owned(),
            });
        }
        let component = Component::at(folder)?;
        let config = component.config()?;
        check_class(&config)?;
        let projection_dim = config.or("projection_dim", 512)?;
        let vision_config = ClipVisionConfig::read(&config.section("vision_config")?)?;
        let image_processor = load_image_processor(folder)?;
        let weights = component.weights(device, DType::F32)?;
        let concepts = |name, count| Concepts::load(&weights, name, count, projection_dim);
        Ok(Self {
            vision_model: ClipVisionModel::load(&vision_config, &tower(&weights))?,
            visual_projection: linear(
                &weights.scope("visual_projection"),
                vision_config.encoder.hidden_size,
                projection_dim,
                false,
            )?,
            concepts: concepts("concept_embeds", CONCEPTS)?,
            special_care: concepts("special_care_embeds", SPECIAL_CARE)?,
            image_processor,
            device: device.clone(),
        })
    }

    /// What makes pictures ready for [`SafetyChecker::scores`].
    pub fn image_processor(&self) -> &ClipImageProcessor {
        &self.image_processor
    }

    /// Normalised pictures `[batch, 3, image_size, image_size]` to the scores of each.
    ///
    /// # Errors
    /// When the pictures have another size, or the device fails.
    pub fn scores(&self, pixel_values: &Tensor) -> Result<Vec<SafetyScores>> {
        let pooled = self.vision_model.forward(pixel_values)?;
        let image_embeds = normalised(&self.visual_projection.forward(&pooled)?)?;
        let special = self.special_care.cosines(&image_embeds)?;
        let concepts = self.concepts.cosines(&image_embeds)?;
        let both = special.iter().zip(&concepts);
        Ok(both
            .map(|(special, concepts)| {
                let (special, adjustment) = self.special_care.scores(special, 0.0, ADJUSTMENT);
                let (concepts, _) = self.concepts.scores(concepts, adjustment, adjustment);
                SafetyScores { special, concepts }
            })
            .collect())
    }

    /// Whether a picture has to be held back. CLIP sees squares: a picture that is none is seen in
    /// as many as cover it, where diffusers looks at the middle one only.
    ///
    /// # Errors
    /// When the device fails, or the image processor makes another size than the tower takes.
    pub fn is_flagged(&self, picture: &Pixels) -> Result<bool> {
        let seen = squares(picture.width(), picture.height())
            .into_iter()
            .map(|square| {
                let part = picture.crop(&square);
                self.image_processor.preprocess(&part, &self.device)
            })
            .collect::<Result<Vec<_>>>()?;
        let scores = self.scores(&Tensor::cat(&seen, 0)?)?;
        Ok(scores.iter().any(SafetyScores::is_flagged))
    }
}

impl SafetyScores {
    /// Whether the picture has to be held back: it is too like one of the concepts, or cannot be
    /// judged, because what is computed from it is no number.
    pub fn is_flagged(&self) -> bool {
        let mut concepts = self.concepts.iter();
        concepts.any(|score| *score > 0.0 || score.is_nan())
    }
}

impl Concepts {
    fn load(
        weights: &Weights,
        name: &str,
        count: usize,
        projection_dim: usize,
    ) -> std::result::Result<Self, ModelError> {
        let embeds = weights.tensor(name, &[count, projection_dim])?;
        let thresholds = weights.tensor(&format!("{name}_weights"), &[count])?;
        Ok(Self {
            embeds: weights.prepared(normalised(&embeds))?,
            thresholds: weights.prepared(thresholds.to_vec1())?,
        })
    }

    /// Cosines between embeddings of unit length, `[batch, projection_dim]`, and each concept.
    fn cosines(&self, image_embeds: &Tensor) -> Result<Vec<Vec<f32>>> {
        image_embeds.matmul(&self.embeds.t()?)?.to_vec2()
    }

    /// How far the cosines are over the thresholds, which are lower by `adjustment`, and by
    /// `adjustment_after` once one was over its own. Answers how much lower they were in the end.
    fn scores(
        &self,
        cosines: &[f32],
        mut adjustment: f32,
        adjustment_after: f32,
    ) -> (Vec<f32>, f32) {
        let mut scores = Vec::with_capacity(cosines.len());
        for (cosine, threshold) in cosines.iter().zip(&self.thresholds) {
            let score = thousandths(cosine - threshold + adjustment);
            if score > 0.0 {
                adjustment = adjustment_after;
            }
            scores.push(score);
        }
        (scores, adjustment)
    }
}

/// Whether a safety checker lies in a model's folder; a folder that was emptied is none.
fn has_own(model: &Path) -> bool {
    let folder = model.join(SafetyChecker::FOLDER);
    folder.join("config.json").is_file()
}

/// Rounded as Python rounds: a half goes to the even neighbour.
fn thousandths(score: f32) -> f32 {
    (score * 1000.0).round_ties_even() / 1000.0
}

/// Rows of unit length (`torch.nn.functional.normalize`).
fn normalised(rows: &Tensor) -> Result<Tensor> {
    let length = rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
    rows.broadcast_div(&length.maximum(1e-12)?)
}

/// The image tower's module: transformers' class was a module within a module for long, and is none
/// in newer files.
fn tower(weights: &Weights) -> Weights {
    let outer = weights.scope("vision_model");
    let inner = outer.scope("vision_model");
    match inner.has("embeddings.class_embedding") {
        true => inner,
        false => outer,
    }
}

fn check_class(config: &ConfigFile) -> std::result::Result<(), ModelError> {
    let architectures: Vec<String> = config.or("architectures", Vec::new())?;
    match architectures.into_iter().next() {
        Some(class) if class == CLASS => Ok(()),
        class => Err(ModelError::UnknownClass {
            path: config.path().to_owned(),
            component: SafetyChecker::FOLDER.to_owned(),
            class: class.unwrap_or_else(|| "model of an unknown class".to_owned()),
            supported: CLASS.to_owned(),
        }),
    }
}

/// The image processor that lies in the checker's own folder, or where pipelines have it.
fn load_image_processor(folder: &Path) -> std::result::Result<ClipImageProcessor, ModelError> {
    let has_one = |folder: &Path| {
        let mut names = ["preprocessor_config.json", "processor_config.json"].into_iter();
        names.any(|name| folder.join(name).is_file())
    };
    let beside = folder
        .parent()
        .map(|model| model.join(SafetyChecker::IMAGE_PROCESSOR_FOLDER))
        .filter(|beside| has_one(beside));
    match beside {
        Some(beside) if !has_one(folder) => ClipImageProcessor::load(&beside),
        _ => ClipImageProcessor::load(folder),
    }
}

/// The fewest squares, as large as the shorter side, that cover a picture evenly.
fn squares(width: u32, height: u32) -> Vec<Rect> {
    let side = width.min(height);
    if side == 0 {
        return Vec::new();
    }
    let rest = width.max(height) - side;
    let gaps = rest.div_ceil(side);
    let offset = |index: u32| match gaps {
        0 => 0,
        // At most `rest`, so it fits.
        gaps => (u64::from(rest) * u64::from(index) / u64::from(gaps)) as u32,
    };
    (0..=gaps)
        .map(|index| match width >= height {
            true => Rect::new(offset(index), 0, side, side),
            false => Rect::new(0, offset(index), side, side),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(concepts: &[f32]) -> SafetyScores {
        SafetyScores {
            special: Vec::new(),
            concepts: concepts.to_vec(),
        }
    }

    #[test]
    fn a_score_above_zero_or_none_at_all_holds_a_picture_back() {
        assert!(!scores(&[-0.2, 0.0]).is_flagged());
        assert!(scores(&[-0.2, 0.001]).is_flagged());
        assert!(scores(&[-0.2, f32::NAN]).is_flagged());
    }

    #[test]
    fn a_special_concept_makes_the_later_ones_and_all_others_stricter() {
        let concepts = |thresholds: &[f32]| Concepts {
            embeds: Tensor::zeros((1, 1), DType::F32, &Device::Cpu).unwrap(),
            thresholds: thresholds.to_vec(),
        };
        let special = concepts(&[0.25, 0.25, 0.25]);
        let (found, adjustment) = special.scores(&[0.245, 0.255, 0.245], 0.0, ADJUSTMENT);
        assert_eq!((found, adjustment), (vec![-0.005, 0.005, 0.005], 0.01));
        let (found, adjustment) = special.scores(&[0.245; 3], 0.0, ADJUSTMENT);
        assert_eq!((found, adjustment), (vec![-0.005; 3], 0.0));
    }

    #[test]
    fn squares_cover_a_picture_and_none_is_more_than_needed() {
        assert_eq!(squares(64, 64), [Rect::new(0, 0, 64, 64)]);
        assert_eq!(
            squares(64, 96),
            [Rect::new(0, 0, 64, 64), Rect::new(0, 32, 64, 64)]
        );
        assert_eq!(squares(0, 9), []);
        for (width, height) in [(512, 128), (130, 64), (64, 193), (7, 1)] {
            let found = squares(width, height);
            let (long, short) = (width.max(height), width.min(height));
            assert_eq!(found.len() as u32, long.div_ceil(short));
            let along = |square: &Rect| square.x + square.y;
            assert_eq!(along(&found[0]), 0);
            assert_eq!(along(&found[found.len() - 1]) + short, long);
            let touches = |pair: &[Rect]| along(&pair[1]) <= along(&pair[0]) + short;
            assert!(found.windows(2).all(touches), "{found:?}");
        }
    }
}
