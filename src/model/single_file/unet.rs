//! A checkpoint's UNet: its shape from its tensors, its configuration and diffusers' names.

use serde_json::{Map, Value, json};

use super::line::Line;
use super::shapes::{Shapes, norm_groups};
use crate::model::sgm_names::SgmNames;
use crate::model::stored::{Stored, TensorMap};

/// What a UNet's tensors tell about it. Names are those after `model.diffusion_model.`.
#[derive(Debug)]
pub(in crate::model) struct UNetShape {
    pub in_channels: usize,
    out_channels: usize,
    kernels: [usize; 2],
    time_width: usize,
    /// Width of LCM's guidance embedding.
    pub guidance_width: Option<usize>,
    /// Width of what SDXL puts beside the timestep.
    pub added_width: Option<usize>,
    /// Width of the prompt's embeddings.
    pub context: Option<usize>,
    dense_projections: bool,
    down: Vec<Level>,
    middle: Middle,
    up: Vec<Level>,
}

/// Residual layers at one size of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Level {
    width: usize,
    /// Transformer blocks after each residual layer; 0 where there is no attention.
    transformers: Vec<usize>,
    /// The first attention of each transformer looks at the prompt too.
    only_cross_attention: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Middle {
    Absent,
    Plain,
    Attention(usize),
}

impl UNetShape {
    /// Reads the shape.
    ///
    /// # Errors
    /// What is missing, or not as in any UNet that diffusers has.
    pub fn read(shapes: &Shapes) -> Result<Self, String> {
        let down = levels(shapes, "input_blocks", 1, |number| {
            vec![format!("input_blocks.{number}.0.op.weight")]
        })?;
        let up = levels(shapes, "output_blocks", 0, |number| {
            let part = |part: usize| format!("output_blocks.{number}.{part}.conv.weight");
            vec![part(1), part(2)]
        })?;
        let deeper = |(up, down): (&Level, &Level)| {
            up.transformers.len() == down.transformers.len() + 1 && up.width == down.width
        };
        if up.len() != down.len() || !up.iter().rev().zip(&down).all(deeper) {
            let widths = |levels: &[Level]| levels.iter().map(|level| level.width).collect();
            let (down, up): (Vec<usize>, Vec<usize>) = (widths(&down), widths(&up));
            return Err(format!(
                "has a UNet whose way up, {up:?}, is not its way down, {down:?}, with a layer more"
            ));
        }
        let block =
            |number: usize| format!("middle_block.1.transformer_blocks.{number}.norm1.weight");
        let middle = if !shapes.any_under("middle_block.0.") {
            Middle::Absent
        } else if shapes.any_under("middle_block.1.") {
            Middle::Attention(shapes.count(block))
        } else {
            Middle::Plain
        };
        let with = |end: &str| shapes.iter().find(|(name, _)| name.ends_with(end));
        let last = |found: Option<(&str, &[usize])>| found?.1.last().copied();
        Ok(Self {
            in_channels: shapes.side("input_blocks.0.0.weight", 1)?,
            out_channels: shapes.side("out.2.weight", 0)?,
            kernels: [
                shapes.side("input_blocks.0.0.weight", 2)?,
                shapes.side("out.2.weight", 2)?,
            ],
            time_width: shapes.side("time_embed.0.weight", 0)?,
            guidance_width: last(with("cond_proj.weight")),
            added_width: shapes.side("label_emb.0.0.weight", 1).ok(),
            context: last(with("attn2.to_k.weight")),
            dense_projections: with(".proj_in.weight").is_some_and(|(_, shape)| shape.len() == 2),
            down,
            middle,
            up,
        })
    }

    /// diffusers' names of the tensors; and the names of those that have no place.
    pub fn tensors(&self, prefix: &str, shapes: &Shapes) -> (TensorMap, Vec<String>) {
        let layers = self.down.iter().map(|level| level.transformers.len());
        let names = SgmNames::new(layers.collect(), '.');
        let (mut map, mut strange) = (TensorMap::new(), Vec::new());
        for (name, shape) in shapes.iter() {
            let full_name = format!("{prefix}{name}");
            let ours = name.rsplit_once('.').and_then(|(module, end)| {
                // Files of latent consistency models mix both namings.
                let module = match module {
                    "time_embedding.cond_proj" => module.to_owned(),
                    module => names.diffusers(module)?,
                };
                Some(format!("{module}.{end}"))
            });
            match ours {
                Some(ours) => {
                    map.insert(ours, Stored::plain(&full_name, shape));
                }
                None => strange.push(full_name),
            }
        }
        (map, strange)
    }

    /// `config.json` as diffusers would have it. `pooled` is the width of the pooled embedding.
    ///
    /// # Errors
    /// What diffusers has no field for.
    pub fn config(
        &self,
        line: Line,
        sample_size: usize,
        pooled: Option<usize>,
    ) -> Result<Map<String, Value>, String> {
        let widths: Vec<usize> = self.down.iter().map(|level| level.width).collect();
        let layers: Vec<usize> = self
            .down
            .iter()
            .map(|level| level.transformers.len())
            .collect();
        let heads: Vec<usize> = widths.iter().map(|width| line.heads(*width)).collect();
        let types = |levels: &[Level], plain: &str| -> Result<Vec<String>, String> {
            let kind = |level: &Level| match level.transformers.contains(&0) {
                false => Ok(format!("CrossAttn{plain}")),
                true if level.transformers.iter().all(|count| *count == 0) => Ok(plain.to_owned()),
                true => {
                    Err("has a UNet with attention after some layers of a block only".to_owned())
                }
            };
            levels.iter().map(kind).collect()
        };
        let down_types = types(&self.down, "DownBlock2D")?;
        let up_types = types(&self.up, "UpBlock2D")?;
        let middle = match self.middle {
            Middle::Absent => Value::Null,
            Middle::Plain => json!("UNetMidBlock2D"),
            Middle::Attention(_) => json!("UNetMidBlock2DCrossAttn"),
        };
        let (transformers, transformers_up) = self.transformer_layers()?;
        let mut config = json!({
            "_class_name": "UNet2DConditionModel",
            "sample_size": sample_size,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "down_block_types": down_types,
            "mid_block_type": middle,
            "up_block_types": up_types,
            "block_out_channels": widths,
            "layers_per_block": one_for_all(&layers),
            "transformer_layers_per_block": transformers,
            "reverse_transformer_layers_per_block": transformers_up,
            "attention_head_dim": one_for_all(&heads),
            "cross_attention_dim": self.context,
            "use_linear_projection": self.dense_projections,
            "upcast_attention": line == Line::Sd2,
            "norm_num_groups": norm_groups(widths.iter().copied()),
            "act_fn": "silu",
            "center_input_sample": false,
            "downsample_padding": 1,
            "flip_sin_to_cos": true,
            "freq_shift": 0,
            "mid_block_scale_factor": 1,
            "norm_eps": 1e-5,
        });
        let mut put = |field: &str, value: Value| {
            config[field] = value;
        };
        if self.kernels != [3, 3] {
            put("conv_in_kernel", json!(self.kernels[0]));
            put("conv_out_kernel", json!(self.kernels[1]));
        }
        if Some(self.time_width) != widths.first().map(|width| 4 * width) {
            put("time_embedding_dim", json!(self.time_width));
        }
        if let Some(width) = self.guidance_width {
            put("time_cond_proj_dim", json!(width));
        }
        if self.down.iter().any(|level| level.only_cross_attention) {
            let each: Vec<bool> = self
                .down
                .iter()
                .map(|level| level.only_cross_attention)
                .collect();
            put("only_cross_attention", json!(each));
        }
        if let (Some(width), Some(pooled)) = (self.added_width, pooled) {
            // Six numbers beside the pooled text, each as so many sinusoids.
            let sinusoids = width.saturating_sub(pooled) / 6;
            put("addition_embed_type", json!("text_time"));
            put("addition_time_embed_dim", json!(sinusoids));
            put("projection_class_embeddings_input_dim", json!(width));
        }
        match config {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    }

    /// `transformer_layers_per_block` and `reverse_transformer_layers_per_block`.
    fn transformer_layers(&self) -> Result<(Value, Value), String> {
        let down: Vec<Value> = self.down.iter().map(Level::transformer_layers).collect();
        let up: Vec<Value> = self.up.iter().map(Level::transformer_layers).collect();
        if let (Middle::Attention(middle), Some(last)) = (self.middle, down.last()) {
            let last = last.get(0).unwrap_or(last);
            if *last != json!(middle) {
                return Err(format!(
                    "has a UNet with {middle} transformer blocks at the bottom and {last} before it"
                ));
            }
        }
        let nested = down.iter().any(Value::is_array);
        let mirrored = down.iter().rev().eq(&up);
        let reverse = if nested || !mirrored {
            json!(up)
        } else {
            Value::Null
        };
        let first = down.first().cloned().unwrap_or_default();
        let same = !nested && down.iter().all(|one| *one == first);
        Ok((if same { first } else { json!(down) }, reverse))
    }
}

impl Level {
    /// One number where all layers have as many, a list otherwise.
    fn transformer_layers(&self) -> Value {
        // Where there is no attention the number says nothing; diffusers' folders have 1.
        let counts: Vec<usize> = self
            .transformers
            .iter()
            .map(|count| (*count).max(1))
            .collect();
        one_for_all(&counts)
    }
}

fn one_for_all(numbers: &[usize]) -> Value {
    match numbers {
        [first, rest @ ..] if rest.iter().all(|number| number == first) => json!(first),
        numbers => json!(numbers),
    }
}

/// The levels of one way: a row of layers, cut where the image changes its size. `cuts` names what
/// does that: on the way down it is a layer of its own, on the way up the end of one.
fn levels(
    shapes: &Shapes,
    way: &str,
    from: usize,
    cuts: impl Fn(usize) -> Vec<String>,
) -> Result<Vec<Level>, String> {
    let mut levels = Vec::new();
    let mut level: Option<Level> = None;
    let numbers = (from..).take_while(|number| shapes.any_under(&format!("{way}.{number}.")));
    for number in numbers {
        let layer = format!("{way}.{number}.0.out_layers.3.weight");
        let is_layer = shapes.has(&layer);
        if is_layer {
            let width = shapes.side(&layer, 0)?;
            let block = |block: usize, end: &str| {
                format!("{way}.{number}.1.transformer_blocks.{block}.{end}.weight")
            };
            let count = shapes.count(|index| block(index, "norm1"));
            let seen = |end: &str| shapes.side(&block(0, end), 1).ok();
            let (own, prompt) = (seen("attn1.to_q"), seen("attn2.to_k"));
            let level = level.get_or_insert_with(|| Level {
                width,
                transformers: Vec::new(),
                only_cross_attention: false,
            });
            level.transformers.push(count);
            level.only_cross_attention |=
                count > 0 && own != prompt && seen("attn1.to_k") == prompt;
        }
        let cut = cuts(number).iter().any(|name| shapes.has(name));
        if cut {
            levels.extend(level.take());
        } else if !is_layer {
            return Err(format!(
                "has a UNet whose `{way}.{number}` is no layer that is known"
            ));
        }
    }
    levels.extend(level);
    if levels.is_empty() {
        return Err(format!("has a UNet without `{way}`"));
    }
    Ok(levels)
}
