//! Pictures that steer a render: read once when it begins, added to the UNet at the steps of a span.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;

use super::PipelineError;
use super::step_span::StepSpan;
use crate::canvas::Pixels;
use crate::model::{
    AddedConditioning, AdditionalResiduals, ControlNetModel, ControlNetwork, ImageEmbeds, Model,
};
use crate::protocol::{ControlPreprocess, Settings};

/// How one of the model's controls steers.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlSettings {
    /// The control's name.
    pub name: String,
    /// What is made of the picture first.
    pub preprocess: ControlPreprocess,
    /// How much: what the network gives is multiplied with it (`adapter_conditioning_scale`,
    /// `controlnet_conditioning_scale`).
    pub scale: f64,
    /// Where the span of steps begins, 0 … 1 of those that run (`control_guidance_start`).
    pub start: f64,
    /// Where it ends; a step is steered that lies in the span with all of it (`control_guidance_end`,
    /// `adapter_conditioning_factor`).
    pub end: f64,
}

/// A control and the picture that it is to steer by. One of another size than the render's is scaled
/// to it, whatever that does to its shape (Lanczos), as diffusers does.
#[derive(Clone, Debug)]
pub struct ControlPicture {
    /// Which control, and how.
    pub settings: ControlSettings,
    /// The picture.
    pub picture: Arc<Pixels>,
}

impl ControlSettings {
    /// The control that a room's settings name; none where they name none, or one that steers
    /// nothing.
    pub fn of(settings: &Settings) -> Option<Self> {
        let steers = !settings.control.is_empty() && settings.control_scale != 0.0;
        steers.then(|| Self {
            name: settings.control.clone(),
            preprocess: settings.control_preprocess,
            scale: settings.control_scale,
            start: settings.control_start,
            end: settings.control_end,
        })
    }

    pub(super) fn span(&self) -> StepSpan {
        StepSpan {
            start: self.start,
            end: self.end,
        }
    }

    pub(super) fn check(&self) -> Result<(), PipelineError> {
        let fields = ["control_scale", "control_start", "control_end"];
        self.span().check(self.scale, fields)
    }
}

/// What a render is steered by, ready for its steps.
pub struct Steering {
    /// How much.
    pub(super) scale: f64,
    /// At which steps.
    pub(super) span: StepSpan,
    pub(super) read: Read,
}

/// What a network made of the picture.
pub(super) enum Read {
    /// A T2I-Adapter's features, `[1, channels, height, width]` each, the scale in them.
    Features(Vec<Tensor>),
    /// What the ControlNet of this number among the model's controls sees of it at each step, `[1,
    /// channels, height, width]`.
    Embedded { control: usize, image: Tensor },
    /// What the model's IP-Adapter of this number shows to cross-attention.
    Seen {
        ip_adapter: usize,
        embeds: ImageEmbeds,
    },
}

impl Steering {
    /// Those that steer a step of this number, of so many.
    pub(super) fn of_step(all: &[Arc<Self>], step: usize, steps: usize) -> Vec<Arc<Self>> {
        let of_step = all
            .iter()
            .filter(|one| one.scale != 0.0 && one.span.holds(step, steps));
        of_step.cloned().collect()
    }
}

/// What the rows of one forward of the UNet are.
pub(super) struct SteeredRows<'a> {
    pub sample: &'a Tensor,
    pub timesteps: &'a Tensor,
    pub text: &'a Tensor,
    pub added: &'a AddedConditioning,
    /// What steers each row.
    pub steering: &'a [Vec<Arc<Steering>>],
}

impl SteeredRows<'_> {
    /// What controls add to the UNet, all of them together: sums, as in diffusers' `MultiAdapter`
    /// and `MultiControlNetModel`. Rows that nothing steers get zeros.
    pub fn residuals(&self, model: &Model) -> Result<AdditionalResiduals, PipelineError> {
        let mut residuals = AdditionalResiduals {
            down_intrablock: self.features()?,
            ..AdditionalResiduals::default()
        };
        // The rows of each ControlNet; one that has several pictures for a row runs for each.
        let mut runs: BTreeMap<usize, Vec<(u32, &Steering, &Tensor)>> = BTreeMap::new();
        for (row, steering) in self.steering.iter().enumerate() {
            for one in steering {
                if let Read::Embedded { control, image } = &one.read {
                    let rows = runs.entry(*control).or_default();
                    rows.push((row as u32, one.as_ref(), image));
                }
            }
        }
        for (control, rows) in runs {
            let Some(ControlNetwork::ControlNet(network)) = model
                .controls()
                .get(control)
                .map(|control| &control.network)
            else {
                continue;
            };
            let found = self.run(network, &rows)?;
            if residuals.down_block.is_empty() {
                residuals.down_block = found.down_block;
                residuals.mid_block = found.mid_block;
                continue;
            }
            let sums = residuals.down_block.iter().zip(&found.down_block);
            residuals.down_block = sums.map(|(a, b)| a + b).collect::<Result<_, _>>()?;
            if let (Some(sum), Some(more)) = (&residuals.mid_block, &found.mid_block) {
                residuals.mid_block = Some((sum + more)?);
            }
        }
        Ok(residuals)
    }

    /// T2I-Adapters' features, each with all rows; none where no row has any.
    fn features(&self) -> Result<Vec<Tensor>, PipelineError> {
        let mut by_row: Vec<Vec<Tensor>> = Vec::with_capacity(self.steering.len());
        for steering in self.steering {
            let mut sums: Vec<Tensor> = Vec::new();
            for one in steering {
                let Read::Features(features) = &one.read else {
                    continue;
                };
                sums = match sums.is_empty() {
                    true => features.clone(),
                    false => sums
                        .iter()
                        .zip(features)
                        .map(|(sum, feature)| sum + feature)
                        .collect::<Result<_, _>>()?,
                };
            }
            by_row.push(sums);
        }
        let Some(some) = by_row.iter().find(|features| !features.is_empty()) else {
            return Ok(Vec::new());
        };
        let with_all_rows = |(number, like): (usize, &Tensor)| {
            let zeros = like.zeros_like()?;
            let rows = by_row.iter().map(|row| row.get(number).unwrap_or(&zeros));
            Tensor::cat(&rows.collect::<Vec<_>>(), 0)
        };
        let features = some.iter().enumerate().map(with_all_rows);
        Ok(features.collect::<Result<_, _>>()?)
    }

    /// One forward of a ControlNet for some of the rows, its answers scaled and put in their place
    /// among all.
    fn run(
        &self,
        network: &ControlNetModel,
        rows: &[(u32, &Steering, &Tensor)],
    ) -> Result<AdditionalResiduals, PipelineError> {
        let device = self.sample.device();
        let numbers: Vec<u32> = rows.iter().map(|(row, ..)| *row).collect();
        let all = self.steering.len();
        let is_all = numbers.iter().copied().eq(0..all as u32);
        let places = Tensor::new(numbers, device)?;
        let of_rows = |tensor: &Tensor| match is_all {
            true => Ok(tensor.clone()),
            false => tensor.index_select(&places, 0),
        };
        // It sees the latents, and nothing that lies beside them, such as a mask.
        let sample = self
            .sample
            .narrow(1, 0, network.in_channels())?
            .contiguous()?;
        let mut added = AddedConditioning::default();
        if network.takes_text_time() {
            added.text_embeds = self.added.text_embeds.as_ref().map(of_rows).transpose()?;
            added.time_ids = self.added.time_ids.as_ref().map(of_rows).transpose()?;
        }
        let embedded: Vec<&Tensor> = rows.iter().map(|(_, _, embedded)| *embedded).collect();
        let found = network.forward(
            &of_rows(&sample)?,
            &of_rows(self.timesteps)?,
            &of_rows(self.text)?,
            &added,
            &Tensor::cat(&embedded, 0)?,
        )?;
        let scales: Vec<f32> = rows
            .iter()
            .map(|(_, steering, _)| steering.scale as f32)
            .collect();
        let scales = Tensor::from_vec(scales, (rows.len(), 1, 1, 1), device)?;
        let in_place = |residual: &Tensor| -> candle_core::Result<Tensor> {
            let scaled = residual.broadcast_mul(&scales.to_dtype(residual.dtype())?)?;
            if is_all {
                return Ok(scaled);
            }
            let (_, channels, height, width) = scaled.dims4()?;
            let shape = (all, channels, height, width);
            let zeros = Tensor::zeros(shape, scaled.dtype(), device)?;
            zeros.index_add(&places, &scaled, 0)
        };
        Ok(AdditionalResiduals {
            down_intrablock: Vec::new(),
            down_block: found
                .down_block
                .iter()
                .map(in_place)
                .collect::<Result<_, _>>()?,
            mid_block: found.mid_block.as_ref().map(in_place).transpose()?,
        })
    }
}
