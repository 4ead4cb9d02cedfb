//! FLUX.1's denoising network (`diffusers.FluxTransformer2DModel`).

use candle_core::{D, DType, Result, Tensor};

use super::joint_attention::{
    AdaptiveNorm, AfterAttention, AttentionKind, FeedForward, Heads, JointAttention, Modulation,
    Rotation, modulated,
};
use super::layers::linear;
use super::time_text_embedding::TimeTextEmbedding;
use super::{FluxConfig, ModelError, Weights};
use crate::kernels::{Linear, add_gated, gelu_tanh};

/// Frequencies of rotary embeddings fall from 1 to one over this.
const ROPE_THETA: f64 = 10_000.0;
/// Sides of the square of latents that a token holds.
pub(super) const PACKED: usize = 2;

/// Predicts a flow's velocity from noisy latents, the timestep and two embeddings of the prompt.
pub struct FluxTransformer2DModel {
    config: FluxConfig,
    dtype: DType,
    time_text_embed: TimeTextEmbedding,
    context_embedder: Linear,
    x_embedder: Linear,
    transformer_blocks: Vec<FluxTransformerBlock>,
    single_transformer_blocks: Vec<FluxSingleTransformerBlock>,
    norm_out: AdaptiveNorm,
    proj_out: Linear,
}

impl FluxTransformer2DModel {
    /// Builds the network from a checked configuration and its weights.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub fn load(config: &FluxConfig, weights: &Weights) -> std::result::Result<Self, ModelError> {
        let heads = Heads {
            count: config.num_attention_heads,
            dim: config.attention_head_dim,
            qk_norm: true,
        };
        let width = heads.width();
        let dense = |name: &str, input, output| linear(&weights.scope(name), input, output, true);
        let (double, single) = (
            weights.scope("transformer_blocks"),
            weights.scope("single_transformer_blocks"),
        );
        Ok(Self {
            dtype: weights.dtype(),
            time_text_embed: TimeTextEmbedding::load(
                &weights.scope("time_text_embed"),
                width,
                config.pooled_projection_dim,
                config.guidance_embeds,
            )?,
            context_embedder: dense("context_embedder", config.joint_attention_dim, width)?,
            x_embedder: dense("x_embedder", config.in_channels, width)?,
            transformer_blocks: (0..config.num_layers)
                .map(|number| FluxTransformerBlock::load(&double.scope(number), heads))
                .collect::<std::result::Result<_, _>>()?,
            single_transformer_blocks: (0..config.num_single_layers)
                .map(|number| FluxSingleTransformerBlock::load(&single.scope(number), heads))
                .collect::<std::result::Result<_, _>>()?,
            norm_out: AdaptiveNorm::load(&weights.scope("norm_out"), width)?,
            proj_out: dense("proj_out", width, config.in_channels)?,
            config: config.clone(),
        })
    }

    /// One prediction for each row of a batch, each row at its own timestep.
    ///
    /// `sample` is `[batch, in_channels / 4, height, width]` with even sides, `timesteps` `[batch]`
    /// in 0 … 1000, `encoder_hidden_states` `[batch, tokens, joint_attention_dim]`, `pooled`
    /// `[batch, pooled_projection_dim]`; `guidance` is `[batch]` where the network embeds it.
    /// Returns what the sample is shaped like, in its number format.
    ///
    /// # Errors
    /// When shapes disagree, or the guidance scale is absent where the network needs it.
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        encoder_hidden_states: &Tensor,
        pooled: &Tensor,
        guidance: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (batch, _, height, width) = sample.dims4()?;
        if height % PACKED != 0 || width % PACKED != 0 {
            candle_core::bail!("latents of {width} × {height} are not made of 2 × 2 squares");
        }
        let timesteps = timesteps.to_dtype(DType::F32)?.expand(batch)?;
        // diffusers' pipeline divides by a thousand and its network multiplies again.
        let timesteps = ((timesteps / 1000.0)? * 1000.0)?;
        let guidance = guidance.map(|scale| scale.to_dtype(DType::F32)? * 1000.0);
        let guidance = guidance.transpose()?;
        let time = self
            .time_text_embed
            .forward(&timesteps, guidance.as_ref(), pooled)?;
        let mut image = self
            .x_embedder
            .forward(&pack(&sample.to_dtype(self.dtype)?)?)?;
        let mut prompt = self
            .context_embedder
            .forward(&encoder_hidden_states.to_dtype(self.dtype)?)?;
        let words = prompt.dim(1)?;
        let rotation = self.rotation(words, height / PACKED, width / PACKED, sample)?;
        for block in &self.transformer_blocks {
            (image, prompt) = block.forward(&image, &prompt, &time, &rotation)?;
        }
        let mut tokens = Tensor::cat(&[prompt, image], 1)?;
        for block in &self.single_transformer_blocks {
            tokens = block.forward(&tokens, &time, &rotation)?;
        }
        let image = tokens.narrow(1, words, tokens.dim(1)? - words)?;
        let image = self.norm_out.forward(&image.contiguous()?, &time)?;
        let image = self.proj_out.forward(&image)?;
        unpack(&image, height, width)?.to_dtype(sample.dtype())
    }

    /// A prompt's tokens all lie at 0, an image's at their row and column.
    fn rotation(
        &self,
        words: usize,
        rows: usize,
        columns: usize,
        near: &Tensor,
    ) -> Result<Rotation> {
        let [of_index, of_row, of_column] = self.config.axes_dims_rope;
        let tables = [
            angles(of_index, 1),
            angles(of_row, rows),
            angles(of_column, columns),
        ];
        let pairs = self.config.attention_head_dim / 2;
        let places = std::iter::repeat_n([0, 0, 0], words)
            .chain((0..rows).flat_map(|row| (0..columns).map(move |column| [0, row, column])));
        let all: Vec<f64> = places
            .flat_map(|place| {
                let axes = tables.iter().zip(place);
                axes.flat_map(|(table, at)| table[at].iter().copied())
            })
            .collect();
        let shape = (words + rows * columns, pairs);
        let tensor = |function: fn(f64) -> f64| {
            let values = all.iter().map(|angle| function(*angle) as f32).collect();
            Tensor::from_vec::<_, f32>(values, shape, near.device())
        };
        Ok(Rotation {
            cos: tensor(f64::cos)?,
            sin: tensor(f64::sin)?,
        })
    }
}

/// The angles of `dim / 2` pairs at so many positions, in f64 as diffusers computes them.
fn angles(dim: usize, positions: usize) -> Vec<Vec<f64>> {
    let frequency = |pair: usize| ROPE_THETA.powf(-((2 * pair) as f64) / dim as f64);
    let frequencies: Vec<f64> = (0..dim / 2).map(frequency).collect();
    (0..positions)
        .map(|at| frequencies.iter().map(|f| at as f64 * f).collect())
        .collect()
}

/// `[batch, channels, height, width]` to tokens `[batch, height / 2 · width / 2, channels · 4]`.
fn pack(latents: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = latents.dims4()?;
    let (rows, columns) = (height / PACKED, width / PACKED);
    latents
        .reshape(&[batch, channels, rows, PACKED, columns, PACKED])?
        .permute([0, 2, 4, 1, 3, 5])?
        .reshape((batch, rows * columns, channels * PACKED * PACKED))
}

/// What [`pack`] was given.
fn unpack(tokens: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, features) = tokens.dims3()?;
    let (rows, columns) = (height / PACKED, width / PACKED);
    let channels = features / (PACKED * PACKED);
    tokens
        .reshape(&[batch, rows, columns, channels, PACKED, PACKED])?
        .permute([0, 3, 1, 4, 2, 5])?
        .reshape((batch, channels, height, width))
}

/// What f16 cannot hold would become infinite.
fn within_f16(tokens: Tensor) -> Result<Tensor> {
    const MOST: f32 = 65504.0;
    match tokens.dtype() {
        DType::F16 => tokens.clamp(-MOST, MOST),
        _ => Ok(tokens),
    }
}

/// Joint attention and feed forward parts, of image and prompt each with weights of its own.
struct FluxTransformerBlock {
    norm1: Modulation,
    norm1_context: Modulation,
    attn: JointAttention,
    ff: FeedForward,
    ff_context: FeedForward,
}

impl FluxTransformerBlock {
    fn load(weights: &Weights, heads: Heads) -> std::result::Result<Self, ModelError> {
        let width = heads.width();
        let modulation = |name: &str| Modulation::load(&weights.scope(name), width, 6);
        Ok(Self {
            norm1: modulation("norm1")?,
            norm1_context: modulation("norm1_context")?,
            attn: JointAttention::load(&weights.scope("attn"), heads, AttentionKind::Joint)?,
            ff: FeedForward::load(&weights.scope("ff"), width)?,
            ff_context: FeedForward::load(&weights.scope("ff_context"), width)?,
        })
    }

    fn forward(
        &self,
        image: &Tensor,
        prompt: &Tensor,
        time: &Tensor,
        rotation: &Rotation,
    ) -> Result<(Tensor, Tensor)> {
        let (of_image, of_prompt) = (self.norm1.vectors(time)?, self.norm1_context.vectors(time)?);
        let ([shift, scale, rest @ ..], [prompt_shift, prompt_scale, prompt_rest @ ..]) =
            (of_image.as_slice(), of_prompt.as_slice())
        else {
            candle_core::bail!("a block's modulation has six parts");
        };
        let (to_image, to_prompt) = self.attn.forward_joint(
            &modulated(image, shift, scale)?,
            &modulated(prompt, prompt_shift, prompt_scale)?,
            Some(rotation),
        )?;
        let image = AfterAttention::of(rest)?.add(image, &to_image, &self.ff)?;
        let prompt = match to_prompt {
            Some(answer) => {
                AfterAttention::of(prompt_rest)?.add(prompt, &answer, &self.ff_context)?
            }
            None => prompt.clone(),
        };
        Ok((image, within_f16(prompt)?))
    }
}

/// Attention and a feed forward part side by side, of all tokens together.
struct FluxSingleTransformerBlock {
    norm: Modulation,
    attn: JointAttention,
    proj_mlp: Linear,
    proj_out: Linear,
}

impl FluxSingleTransformerBlock {
    fn load(weights: &Weights, heads: Heads) -> std::result::Result<Self, ModelError> {
        let width = heads.width();
        let dense = |name: &str, input, output| linear(&weights.scope(name), input, output, true);
        Ok(Self {
            norm: Modulation::load(&weights.scope("norm"), width, 3)?,
            attn: JointAttention::load(&weights.scope("attn"), heads, AttentionKind::Bare)?,
            proj_mlp: dense("proj_mlp", width, 4 * width)?,
            proj_out: dense("proj_out", 5 * width, width)?,
        })
    }

    fn forward(&self, tokens: &Tensor, time: &Tensor, rotation: &Rotation) -> Result<Tensor> {
        let vectors = self.norm.vectors(time)?;
        let [shift, scale, gate] = vectors.as_slice() else {
            candle_core::bail!("a single block's modulation has three parts");
        };
        let normed = modulated(tokens, shift, scale)?;
        let hidden = gelu_tanh(&self.proj_mlp.forward(&normed)?)?;
        let mixed = self.attn.forward(&normed, Some(rotation))?;
        let answer = self
            .proj_out
            .forward(&Tensor::cat(&[mixed, hidden], D::Minus1)?)?;
        within_f16(add_gated(tokens, gate, &answer)?)
    }
}
