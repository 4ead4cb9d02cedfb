//! Pictures that a render sees beside its prompt, through IP-Adapters.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;

use super::PipelineError;
use super::control::{Read, Steering};
use super::step_span::StepSpan;
use crate::canvas::Pixels;
use crate::model::{ImagePrompt, Model};
use crate::protocol::Settings;

/// How a reference picture is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceSettings {
    /// The name of the model's IP-Adapter.
    pub ip_adapter: String,
    /// How much: what cross-attention to the picture answers is multiplied with it
    /// (`set_ip_adapter_scale`).
    pub scale: f64,
    /// Where the span of steps begins, 0 … 1 of those that run.
    pub start: f64,
    /// Where it ends; the picture is seen at a step that lies in the span with all of it.
    pub end: f64,
}

/// A picture of any size beside the prompt, and how it is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferencePicture {
    /// Through which IP-Adapter, and how much.
    pub settings: ReferenceSettings,
    /// The picture. CLIP looks at its middle.
    pub picture: Arc<Pixels>,
}

impl ReferenceSettings {
    /// How a room's settings would see a picture; none where they name no adapter, or see nothing of
    /// it.
    pub fn of(settings: &Settings) -> Option<Self> {
        let sees = !settings.ip_adapter.is_empty() && settings.reference_scale != 0.0;
        sees.then(|| Self {
            ip_adapter: settings.ip_adapter.clone(),
            scale: settings.reference_scale,
            start: settings.reference_start,
            end: settings.reference_end,
        })
    }

    pub(super) fn span(&self) -> StepSpan {
        StepSpan {
            start: self.start,
            end: self.end,
        }
    }

    pub(super) fn check(&self) -> Result<(), PipelineError> {
        let fields = ["reference_scale", "reference_start", "reference_end"];
        self.span().check(self.scale, fields)
    }
}

/// How much a row sees of a picture, and the picture's tokens.
type Seen<'a> = (f64, &'a Tensor);

/// What the rows of one forward see of pictures, through each adapter. `is_negative` says which of
/// them are the negative prompt's.
pub(super) fn image_prompts(
    model: &Model,
    steering: &[Vec<Arc<Steering>>],
    is_negative: &[bool],
) -> Result<Vec<ImagePrompt>, PipelineError> {
    // By adapter, and by which of the row's pictures through that adapter: scale and tokens of each
    // row that has one.
    let mut seen: BTreeMap<(usize, usize), Vec<Option<Seen>>> = BTreeMap::new();
    let all = steering.len();
    for (row, (steering, is_negative)) in steering.iter().zip(is_negative).enumerate() {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for one in steering {
            let Read::Seen { ip_adapter, embeds } = &one.read else {
                continue;
            };
            let count = counts.entry(*ip_adapter).or_default();
            let rows = seen.entry((*ip_adapter, *count));
            let rows = rows.or_insert_with(|| vec![None; all]);
            *count += 1;
            let tokens = match is_negative {
                true => &embeds.negative_image_embeds,
                false => &embeds.image_embeds,
            };
            rows[row] = Some((one.scale, tokens));
        }
    }
    let mut prompts = Vec::with_capacity(seen.len());
    for ((number, _), rows) in seen {
        let (Some(adapter), Some((_, like))) = (
            model.ip_adapters().get(number),
            rows.iter().flatten().next(),
        ) else {
            continue;
        };
        let zeros = like.zeros_like()?;
        let tokens: Vec<&Tensor> = rows
            .iter()
            .map(|row| row.map_or(&zeros, |(_, tokens)| tokens))
            .collect();
        let scales = rows
            .iter()
            .map(|row| row.map_or(0.0, |(scale, _)| scale as f32));
        let scales: Vec<f32> = scales.collect();
        prompts.push(adapter.image_prompt(Tensor::cat(&tokens, 0)?, &scales)?);
    }
    Ok(prompts)
}
