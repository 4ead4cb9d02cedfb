//! Attention over an image's tokens and a prompt's together, and what stands around it in the
//! blocks of diffusion transformers (Esser et al., "Scaling Rectified Flow Transformers", 2024).

use candle_core::{D, Result, Tensor};

use super::layers::{linear, rms_norm};
use super::{ModelError, Weights};
use crate::kernels::{
    Linear, RmsNorm, add_gated, attention, gelu_tanh, modulated_layer_norm, rotary, silu,
};

/// Added to every normalisation's variance or mean square.
const EPS: f64 = 1e-6;

/// The heads of an attention layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub count: usize,
    pub dim: usize,
    /// Whether queries and keys are normalised, head by head.
    pub qk_norm: bool,
}

impl Heads {
    /// Of all heads side by side.
    pub fn width(self) -> usize {
        self.count * self.dim
    }
}

/// The angles by which queries and keys are turned, `[tokens, dim / 2]` each, prompt first.
pub(super) struct Rotation {
    pub cos: Tensor,
    pub sin: Tensor,
}

/// Queries, keys and values of one kind of tokens.
struct Projections {
    query: Linear,
    key: Linear,
    value: Linear,
    norms: Option<[RmsNorm; 2]>,
}

/// Queries, keys and values.
struct Projected {
    query: Tensor,
    key: Tensor,
    value: Tensor,
}

impl Projections {
    fn load(
        weights: &Weights,
        heads: Heads,
        [query, key, value]: [&str; 3],
        norms: [&str; 2],
    ) -> std::result::Result<Self, ModelError> {
        let width = heads.width();
        let dense = |name: &str| linear(&weights.scope(name), width, width, true);
        let norm = |name: &str| rms_norm(&weights.scope(name), heads.dim, EPS);
        Ok(Self {
            query: dense(query)?,
            key: dense(key)?,
            value: dense(value)?,
            norms: match heads.qk_norm {
                true => Some([norm(norms[0])?, norm(norms[1])?]),
                false => None,
            },
        })
    }

    fn forward(&self, tokens: &Tensor) -> Result<Projected> {
        let (query, key) = (self.query.forward(tokens)?, self.key.forward(tokens)?);
        let (query, key) = match &self.norms {
            Some([of_query, of_key]) => (of_query.forward(&query)?, of_key.forward(&key)?),
            None => (query, key),
        };
        Ok(Projected {
            query,
            key,
            value: self.value.forward(tokens)?,
        })
    }
}

/// Attention whose output layer, and whose projections of the prompt, may be absent.
pub(super) struct JointAttention {
    heads: Heads,
    image: Projections,
    prompt: Option<Projections>,
    to_out: Option<Linear>,
    to_add_out: Option<Linear>,
}

/// Which parts an attention layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttentionKind {
    /// Of an image and a prompt, and an answer to both.
    Joint,
    /// Of both, and an answer to the image alone (`context_pre_only`).
    JointLast,
    /// Of one kind of tokens.
    Own,
    /// Of one kind, without an output layer (`pre_only`).
    Bare,
}

impl JointAttention {
    /// Reads the layer in the module `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        heads: Heads,
        kind: AttentionKind,
    ) -> std::result::Result<Self, ModelError> {
        let width = heads.width();
        let of_image = Projections::load(
            weights,
            heads,
            ["to_q", "to_k", "to_v"],
            ["norm_q", "norm_k"],
        )?;
        let sees_prompt = matches!(kind, AttentionKind::Joint | AttentionKind::JointLast);
        let of_prompt = sees_prompt.then(|| {
            let names = ["add_q_proj", "add_k_proj", "add_v_proj"];
            Projections::load(weights, heads, names, ["norm_added_q", "norm_added_k"])
        });
        let out = |wanted: bool, name: &str| {
            wanted
                .then(|| linear(&weights.scope(name), width, width, true))
                .transpose()
        };
        Ok(Self {
            heads,
            image: of_image,
            prompt: of_prompt.transpose()?,
            to_out: out(kind != AttentionKind::Bare, "to_out.0")?,
            to_add_out: out(kind == AttentionKind::Joint, "to_add_out")?,
        })
    }

    /// The answer to one kind of tokens, `[batch, tokens, width]`.
    pub fn forward(&self, tokens: &Tensor, rotation: Option<&Rotation>) -> Result<Tensor> {
        let mixed = self.mix(self.image.forward(tokens)?, rotation)?;
        self.out(&mixed)
    }

    /// The answers to the image and, where it has one, to the prompt.
    pub fn forward_joint(
        &self,
        image: &Tensor,
        prompt: &Tensor,
        rotation: Option<&Rotation>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let Some(of_prompt) = &self.prompt else {
            candle_core::bail!("this attention layer has no projections of a prompt");
        };
        let (text, own) = (of_prompt.forward(prompt)?, self.image.forward(image)?);
        let both = |text: Tensor, own: Tensor| Tensor::cat(&[text, own], 1);
        let all = Projected {
            query: both(text.query, own.query)?,
            key: both(text.key, own.key)?,
            value: both(text.value, own.value)?,
        };
        let mixed = self.mix(all, rotation)?;
        let (words, pixels) = (prompt.dim(1)?, image.dim(1)?);
        let to_image = self.out(&mixed.narrow(1, words, pixels)?.contiguous()?)?;
        let to_prompt = self.to_add_out.as_ref().map(|layer| {
            let mixed = mixed.narrow(1, 0, words)?.contiguous()?;
            layer.forward(&mixed)
        });
        Ok((to_image, to_prompt.transpose()?))
    }

    fn mix(&self, all: Projected, rotation: Option<&Rotation>) -> Result<Tensor> {
        let Projected { query, key, value } = all;
        let heads = self.heads.count;
        let (query, key) = match rotation {
            Some(Rotation { cos, sin }) => (
                rotary(&query, cos, sin, heads)?,
                rotary(&key, cos, sin, heads)?,
            ),
            None => (query, key),
        };
        let scale = 1.0 / (self.heads.dim as f64).sqrt();
        attention(&query, &key, &value, heads, scale, None)
    }

    fn out(&self, mixed: &Tensor) -> Result<Tensor> {
        match &self.to_out {
            Some(layer) => layer.forward(mixed),
            None => Ok(mixed.clone()),
        }
    }
}

/// Two dense layers with a GELU between them (`gelu-approximate`), four times as wide inside.
pub(super) struct FeedForward {
    enter: Linear,
    leave: Linear,
}

impl FeedForward {
    /// Reads the layers in the module `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(weights: &Weights, width: usize) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            enter: linear(&weights.scope("net.0.proj"), width, 4 * width, true)?,
            leave: linear(&weights.scope("net.2"), 4 * width, width, true)?,
        })
    }

    /// `[batch, tokens, width]` to the same shape.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        self.leave
            .forward(&gelu_tanh(&self.enter.forward(tokens)?)?)
    }
}

/// What a block makes of the timestep: `N` vectors `[batch, width]` each, by which tokens are
/// shifted, scaled and gated.
pub(super) struct Modulation {
    linear: Linear,
    parts: usize,
}

impl Modulation {
    /// Reads `linear` in the module `weights`, from `width` to so many vectors of `width`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        weights: &Weights,
        width: usize,
        parts: usize,
    ) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            linear: linear(&weights.scope("linear"), width, parts * width, true)?,
            parts,
        })
    }

    /// The vectors for an embedded timestep `[batch, width]`.
    pub fn vectors(&self, time: &Tensor) -> Result<Vec<Tensor>> {
        let all = self.linear.forward(&silu(time)?)?;
        all.chunk(self.parts, D::Minus1)?
            .iter()
            .map(Tensor::contiguous)
            .collect()
    }
}

/// Tokens normalised, then scaled and shifted as the timestep says.
pub(super) fn modulated(tokens: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    modulated_layer_norm(tokens, shift, scale, EPS)
}

/// `AdaLayerNormContinuous`: a normalisation whose scale comes before its shift.
pub(super) struct AdaptiveNorm(Modulation);

impl AdaptiveNorm {
    /// Reads `linear` in the module `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(weights: &Weights, width: usize) -> std::result::Result<Self, ModelError> {
        Modulation::load(weights, width, 2).map(Self)
    }

    /// `[batch, tokens, width]` to the same shape.
    pub fn forward(&self, tokens: &Tensor, time: &Tensor) -> Result<Tensor> {
        match self.0.vectors(time)?.as_slice() {
            [scale, shift] => modulated(tokens, shift, scale),
            _ => candle_core::bail!("a normalisation has one scale and one shift"),
        }
    }
}

/// What follows attention in a block, for one kind of tokens: the answer, gated, then the feed
/// forward part between its own modulation and gate.
pub(super) struct AfterAttention<'a> {
    pub gate: &'a Tensor,
    pub shift: &'a Tensor,
    pub scale: &'a Tensor,
    pub feed_forward_gate: &'a Tensor,
}

impl<'a> AfterAttention<'a> {
    /// From the last four parts of a modulation's six.
    pub fn of(parts: &'a [Tensor]) -> Result<Self> {
        match parts {
            [gate, shift, scale, feed_forward_gate] => Ok(Self {
                gate,
                shift,
                scale,
                feed_forward_gate,
            }),
            _ => candle_core::bail!("a block's modulation has six parts"),
        }
    }

    /// The tokens with both added.
    pub fn add(&self, tokens: &Tensor, answer: &Tensor, layer: &FeedForward) -> Result<Tensor> {
        let tokens = add_gated(tokens, self.gate, answer)?;
        self.feed_forward(&tokens, layer)
    }

    /// The tokens with the feed forward part alone added.
    pub fn feed_forward(&self, tokens: &Tensor, layer: &FeedForward) -> Result<Tensor> {
        let hidden = layer.forward(&modulated(tokens, self.shift, self.scale)?)?;
        add_gated(tokens, self.feed_forward_gate, &hidden)
    }
}
