//! A UNet's `config.json`, typed and checked.

use serde::Deserialize;
use serde_json::Value;

use super::{Activation, ConfigFile, ModelError, SampleSize};

/// The fields of a `UNet2DConditionModel`'s configuration that decide its shape, with diffusers'
/// names and defaults. Lists have one entry for each block, from the largest image to the
/// smallest.
#[derive(Debug, Clone)]
pub struct UNetConfig {
    /// Channels of the input: the noise latents' and whatever is stacked on them.
    pub in_channels: usize,
    /// Channels of the output: the latents'.
    pub out_channels: usize,
    /// Native height and width in latents, where the file says.
    pub sample_size: Option<(usize, usize)>,
    /// True when the input is mapped from 0…1 to −1…1 first.
    pub center_input_sample: bool,
    /// True when the timestep's cosines come before its sines.
    pub flip_sin_to_cos: bool,
    /// Shifts the frequencies of the timestep's sinusoids.
    pub freq_shift: f64,
    /// True for blocks on the way down that have attention.
    pub down_attention: Vec<bool>,
    /// The block at the bottom.
    pub mid_block: MidBlockType,
    /// True for blocks on the way up that have attention, from the smallest image to the largest.
    pub up_attention: Vec<bool>,
    /// True where the first attention of a transformer looks at the prompt too.
    pub only_cross_attention: Vec<bool>,
    /// Channels.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks on the way down; one more on the way up.
    pub layers_per_block: Vec<usize>,
    /// Transformer blocks after each residual block on the way down.
    pub down_transformer_layers: Vec<Vec<usize>>,
    /// Transformer blocks at the bottom.
    pub mid_transformer_layers: usize,
    /// Transformer blocks after each residual block on the way up, smallest image first.
    pub up_transformer_layers: Vec<Vec<usize>>,
    /// Attention heads. The file calls them `attention_head_dim`: diffusers' old misnomer.
    pub num_attention_heads: Vec<usize>,
    /// Width of the prompt's embeddings.
    pub cross_attention_dim: Vec<usize>,
    /// Padding of the strided convolutions.
    pub downsample_padding: usize,
    /// What the sums in the bottom block are divided by.
    pub mid_block_scale_factor: f64,
    /// Between layers (`act_fn`).
    pub activation: Activation,
    /// Groups of the normalisations.
    pub norm_num_groups: usize,
    /// Added to the normalisations' variance.
    pub norm_eps: f64,
    /// True when attention runs in f32 whatever the model's number format.
    pub upcast_attention: bool,
    /// True when the timestep embedding scales and shifts.
    pub scale_shift: bool,
    /// Width of the timestep embedding.
    pub time_embedding_dim: usize,
    /// Width of LCM's guidance embedding, where the UNet takes one.
    pub time_cond_proj_dim: Option<usize>,
    /// Kernel size of the first convolution.
    pub conv_in_kernel: usize,
    /// Kernel size of the last convolution.
    pub conv_out_kernel: usize,
    /// SDXL's pooled text and sizes beside the timestep.
    pub text_time: Option<TextTime>,
    /// Attention heads that pool the prompt's tokens into one vector beside the timestep
    /// (`addition_embed_type: "text"`), where the UNet has them.
    pub text_pooling_heads: Option<usize>,
}

/// What is at the bottom, between the ways down and up (`mid_block_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MidBlockType {
    /// Nothing (`null`).
    Absent,
    /// One residual block (`UNetMidBlock2D`).
    Plain,
    /// Two residual blocks and a transformer between them (`UNetMidBlock2DCrossAttn`).
    CrossAttention,
}

/// `addition_embed_type: "text_time"`: sizes as sinusoids, beside the pooled text embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextTime {
    /// Width of each number's sinusoids.
    pub addition_time_embed_dim: usize,
    /// Width of the pooled embedding and all sinusoids together.
    pub projection_class_embeddings_input_dim: usize,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Layers {
    Same(usize),
    Each(Vec<usize>),
}

impl UNetConfig {
    /// Reads the configuration and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> Result<Self, ModelError> {
        let cross = "CrossAttnUpBlock2D".to_owned();
        let usual = vec!["UpBlock2D".to_owned(), cross.clone(), cross.clone(), cross];
        let up_types = file.or("up_block_types", usual)?;
        Self::read_with(file, down_block_types(file)?, up_types)
    }

    /// Reads the configuration of a network that is a UNet's first half, such as a ControlNet; the
    /// way up, which it does not have, mirrors the way down.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub(super) fn read_half(file: &ConfigFile) -> Result<Self, ModelError> {
        let down_types = down_block_types(file)?;
        let mirrored = down_types.iter().rev();
        let up_types = mirrored.map(|class| class.replace("Down", "Up")).collect();
        Self::read_with(file, down_types, up_types)
    }

    fn read_with(
        file: &ConfigFile,
        down_types: Vec<String>,
        up_types: Vec<String>,
    ) -> Result<Self, ModelError> {
        refuse_unsupported(file)?;
        let blocks = down_types.len();
        if up_types.len() != blocks || blocks == 0 {
            return Err(file.refuse(
                "up_block_types",
                format!("must name {blocks} blocks, at least one"),
            ));
        }
        let block_out_channels: Vec<usize> =
            file.or("block_out_channels", vec![320, 640, 1280, 1280])?;
        if block_out_channels.len() != blocks || block_out_channels.contains(&0) {
            return Err(file.refuse(
                "block_out_channels",
                format!("must list {blocks} positive widths"),
            ));
        }
        let layers_per_block = file.per_block("layers_per_block", blocks, 2)?;
        let heads_field = match file.fields().get("num_attention_heads") {
            None | Some(Value::Null) => "attention_head_dim",
            Some(_) => "num_attention_heads",
        };
        let num_attention_heads = file.per_block(heads_field, blocks, 8)?;
        if num_attention_heads
            .iter()
            .zip(&block_out_channels)
            .any(|(heads, width)| *heads == 0 || heads > width)
        {
            return Err(file.refuse(heads_field, "must be between 1 and the block's channels"));
        }
        let norm_num_groups = file.or("norm_num_groups", 32)?;
        if norm_num_groups == 0
            || block_out_channels
                .iter()
                .any(|width| width % norm_num_groups != 0)
        {
            return Err(file.refuse(
                "norm_num_groups",
                format!("is {norm_num_groups}, which does not divide {block_out_channels:?}"),
            ));
        }
        let (down_transformer_layers, mid_transformer_layers, up_transformer_layers) =
            transformer_layers(file, &layers_per_block)?;
        let first_width = block_out_channels.first().copied().unwrap_or_default();
        Ok(Self {
            in_channels: file.or("in_channels", 4)?,
            out_channels: file.or("out_channels", 4)?,
            sample_size: file.optional("sample_size")?.map(|size| match size {
                SampleSize::Square(side) => (side, side),
                SampleSize::Sides(height, width) => (height, width),
            }),
            center_input_sample: file.or("center_input_sample", false)?,
            flip_sin_to_cos: file.or("flip_sin_to_cos", true)?,
            freq_shift: file.or("freq_shift", 0.0)?,
            down_attention: attention_of(file, "down_block_types", &down_types, "DownBlock2D")?,
            mid_block: mid_block(file)?,
            up_attention: attention_of(file, "up_block_types", &up_types, "UpBlock2D")?,
            only_cross_attention: file.per_block("only_cross_attention", blocks, false)?,
            layers_per_block,
            down_transformer_layers,
            mid_transformer_layers,
            up_transformer_layers,
            num_attention_heads,
            cross_attention_dim: file.per_block("cross_attention_dim", blocks, 1280)?,
            downsample_padding: file.or("downsample_padding", 1)?,
            mid_block_scale_factor: file.or("mid_block_scale_factor", 1.0)?,
            activation: Activation::read(file, "silu")?,
            norm_num_groups,
            norm_eps: file.or("norm_eps", 1e-5)?,
            upcast_attention: file.or("upcast_attention", false)?,
            scale_shift: file.or("resnet_time_scale_shift", String::new())? == "scale_shift",
            time_embedding_dim: file.or("time_embedding_dim", 4 * first_width)?,
            time_cond_proj_dim: file.optional("time_cond_proj_dim")?,
            conv_in_kernel: file.or("conv_in_kernel", 3)?,
            conv_out_kernel: file.or("conv_out_kernel", 3)?,
            text_time: text_time(file)?,
            text_pooling_heads: text_pooling_heads(file)?,
            block_out_channels,
        })
    }

    /// True for the block with the smallest image, which makes it no smaller.
    pub(super) fn is_lowest(&self, level: usize) -> bool {
        level + 1 == self.block_out_channels.len()
    }

    /// True where a T2I-Adapter's feature is added to a block's last layer; otherwise it is added
    /// to the smaller image that the block ends with, as in SDXL's first.
    pub(super) fn adapts_layers(&self, level: usize) -> bool {
        self.down_attention[level] || self.is_lowest(level)
    }

    /// Where a T2I-Adapter's features are added: how many channels there are, and how many times
    /// smaller than the latents the image is; the bottom, where there is one, comes last.
    pub(super) fn adapter_places(&self) -> Vec<(usize, usize)> {
        let levels = self.block_out_channels.iter().enumerate();
        let mut places: Vec<(usize, usize)> = levels
            .map(|(level, channels)| {
                let halvings = level + usize::from(!self.adapts_layers(level));
                (*channels, 1 << halvings)
            })
            .collect();
        if self.mid_block != MidBlockType::Absent {
            places.extend(places.last().copied());
        }
        places
    }
}

fn down_block_types(file: &ConfigFile) -> Result<Vec<String>, ModelError> {
    let cross = "CrossAttnDownBlock2D".to_owned();
    let usual = vec![
        cross.clone(),
        cross.clone(),
        cross,
        "DownBlock2D".to_owned(),
    ];
    file.or("down_block_types", usual)
}

fn refuse_unsupported(file: &ConfigFile) -> Result<(), ModelError> {
    for field in [
        "class_embed_type",
        "num_class_embeds",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "time_embedding_act_fn",
        "timestep_post_act",
        "cross_attention_norm",
    ] {
        file.only(field, Value::Null)?;
    }
    file.only("dual_cross_attention", false)?;
    file.only("class_embeddings_concat", false)?;
    file.only("attention_type", "default")?;
    file.only("time_embedding_type", "positional")?;
    let shift: String = file.or("resnet_time_scale_shift", "default".to_owned())?;
    if !matches!(shift.as_str(), "default" | "scale_shift") {
        return Err(file.refuse(
            "resnet_time_scale_shift",
            format!("is {shift:?}, which is not supported: use \"default\" or \"scale_shift\""),
        ));
    }
    Ok(())
}

fn attention_of(
    file: &ConfigFile,
    field: &str,
    types: &[String],
    plain: &str,
) -> Result<Vec<bool>, ModelError> {
    let with_attention = format!("CrossAttn{plain}");
    types
        .iter()
        .map(|class| match class {
            class if class == plain => Ok(false),
            class if *class == with_attention => Ok(true),
            class => Err(file.refuse(
                field,
                format!("names `{class}`, which is not supported: use {plain} or {with_attention}"),
            )),
        })
        .collect()
}

fn mid_block(file: &ConfigFile) -> Result<MidBlockType, ModelError> {
    const PLAIN: &str = "UNetMidBlock2D";
    const CROSS: &str = "UNetMidBlock2DCrossAttn";
    match file.fields().get("mid_block_type") {
        Some(Value::Null) => Ok(MidBlockType::Absent),
        None => Ok(MidBlockType::CrossAttention),
        Some(Value::String(class)) if class == CROSS => Ok(MidBlockType::CrossAttention),
        Some(Value::String(class)) if class == PLAIN => Ok(MidBlockType::Plain),
        Some(class) => Err(file.refuse(
            "mid_block_type",
            format!("is {class}, which is not supported: use \"{CROSS}\", \"{PLAIN}\" or null"),
        )),
    }
}

type TransformerLayers = (Vec<Vec<usize>>, usize, Vec<Vec<usize>>);

/// The counts for the way down, the bottom and the way up.
fn transformer_layers(
    file: &ConfigFile,
    layers_per_block: &[usize],
) -> Result<TransformerLayers, ModelError> {
    let blocks = layers_per_block.len();
    let field = "transformer_layers_per_block";
    let reverse_field = "reverse_transformer_layers_per_block";
    let down = file.per_block(field, blocks, Layers::Same(1))?;
    let up = match file.optional::<Vec<Layers>>(reverse_field)? {
        Some(up) => up,
        None if down.iter().any(|layers| matches!(layers, Layers::Each(_))) => {
            return Err(file.refuse(
                reverse_field,
                format!("must be given where {field} nests lists"),
            ));
        }
        None => down.iter().rev().cloned().collect(),
    };
    let spread = |field: &str, layers: &Layers, count: usize| match layers {
        Layers::Same(number) => Ok(vec![*number; count]),
        Layers::Each(numbers) if numbers.len() == count => Ok(numbers.clone()),
        Layers::Each(numbers) => Err(file.refuse(
            field,
            format!(
                "lists {} numbers for a block of {count} layers",
                numbers.len()
            ),
        )),
    };
    if up.len() != blocks {
        return Err(file.refuse(reverse_field, format!("must list {blocks} blocks")));
    }
    let mid = match down.last() {
        Some(Layers::Same(number)) => *number,
        Some(Layers::Each(numbers)) => numbers.first().copied().unwrap_or(1),
        None => 1,
    };
    let down = down
        .iter()
        .zip(layers_per_block)
        .map(|(layers, count)| spread(field, layers, *count));
    let down = down.collect::<Result<_, _>>()?;
    let up = up
        .iter()
        .zip(layers_per_block.iter().rev())
        .map(|(layers, count)| spread(reverse_field, layers, *count + 1))
        .collect::<Result<_, _>>()?;
    Ok((down, mid, up))
}

fn text_time(file: &ConfigFile) -> Result<Option<TextTime>, ModelError> {
    if added(file)?.as_deref() != Some("text_time") {
        return Ok(None);
    }
    let needed = |field: &str| {
        file.optional(field)?
            .ok_or_else(|| file.refuse(field, "is absent, but \"text_time\" needs it"))
    };
    Ok(Some(TextTime {
        addition_time_embed_dim: needed("addition_time_embed_dim")?,
        projection_class_embeddings_input_dim: needed("projection_class_embeddings_input_dim")?,
    }))
}

fn text_pooling_heads(file: &ConfigFile) -> Result<Option<usize>, ModelError> {
    if added(file)?.as_deref() != Some("text") {
        return Ok(None);
    }
    const FIELD: &str = "addition_embed_type_num_heads";
    let heads: usize = file.or(FIELD, 64)?;
    let width = match file.fields().get("cross_attention_dim") {
        None => 1280,
        Some(width) => width.as_u64().unwrap_or(0) as usize,
    };
    if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
        return Err(file.refuse(FIELD, format!("must divide cross_attention_dim, {width}")));
    }
    Ok(Some(heads))
}

/// What joins the timestep's embedding.
fn added(file: &ConfigFile) -> Result<Option<String>, ModelError> {
    let kind = file.optional::<String>("addition_embed_type")?;
    match kind.as_deref() {
        None | Some("text" | "text_time") => Ok(kind),
        Some(other) => Err(file.refuse(
            "addition_embed_type",
            format!("is {other:?}, which is not supported: use \"text\", \"text_time\" or null"),
        )),
    }
}
