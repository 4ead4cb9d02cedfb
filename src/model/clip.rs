//! The network that reads prompts (`transformers.CLIPTextModel` and
//! `CLIPTextModelWithProjection`).

use candle_core::{DType, Result, Tensor};

use super::clip_encoder::{ClipEncoder, ClipEncoderConfig};
use super::layers::{embedding, layer_norm, linear};
use super::{ConfigFile, ModelError, Weights};
use crate::kernels::{LayerNorm, Linear, Wakeful};

/// A CLIP text encoder's configuration, with transformers' names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipTextConfig {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the pooled, projected embedding.
    pub projection_dim: usize,
    /// Longest prompt in tokens, first and last token included.
    pub max_position_embeddings: usize,
    /// The token that ends a prompt: the pooled embedding is taken there.
    pub eos_token_id: u32,
    /// The transformer over the tokens.
    pub encoder: ClipEncoderConfig,
}

impl ClipTextConfig {
    /// Reads the configuration and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        // A whole CLIPModel's file, from which transformers takes the text tower's part.
        if file.optional::<String>("model_type")?.as_deref() == Some("clip") {
            for section in ["text_config", "text_config_dict"] {
                if file
                    .fields()
                    .get(section)
                    .is_some_and(|part| !part.is_null())
                {
                    return Self::read(&file.section(section)?);
                }
            }
        }
        // diffusers then hides the padding from the encoder, which nothing here does.
        file.only("use_attention_mask", false)?;
        Ok(Self {
            vocab_size: file.or("vocab_size", 49408)?,
            projection_dim: file.or("projection_dim", 512)?,
            max_position_embeddings: file.or("max_position_embeddings", 77)?,
            eos_token_id: file.or("eos_token_id", 49407)?,
            encoder: ClipEncoderConfig::read(
                file,
                ClipEncoderConfig {
                    hidden_size: 512,
                    intermediate_size: 2048,
                    num_hidden_layers: 12,
                    num_attention_heads: 8,
                    exact_gelu: false,
                    layer_norm_eps: 1e-5,
                },
            )?,
        })
    }
}

/// Everything that pipelines take from the text encoder.
#[derive(Debug, Clone)]
pub struct ClipTextOutput {
    /// After the last layer and the final normalisation, `[batch, tokens, hidden_size]`: what
    /// Stable Diffusion 1 and 2 are conditioned on.
    pub last_hidden_state: Tensor,
    /// Before the last layer, not normalised, `[batch, tokens, hidden_size]`: what SDXL is
    /// conditioned on.
    pub penultimate_hidden_state: Tensor,
    /// The state of the token that ends the prompt, `[batch, hidden_size]`: what FLUX is
    /// conditioned on.
    pub pooler_output: Tensor,
    /// The projected state of the token that ends the prompt, `[batch, projection_dim]`; only
    /// where the class is `CLIPTextModelWithProjection`.
    pub text_embeds: Option<Tensor>,
}

/// A causal transformer over the prompt's tokens.
pub struct ClipTextModel {
    config: ClipTextConfig,
    token_embedding: Tensor,
    position_embedding: Tensor,
    encoder: ClipEncoder,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
}

impl ClipTextModel {
    /// The classes that [`ClipTextModel::load`] can read.
    pub const CLASSES: [&'static str; 2] = ["CLIPTextModel", "CLIPTextModelWithProjection"];

    /// Builds the network from a checked configuration and its weights. The projection is read
    /// when `with_projection` says so.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(
        config: &ClipTextConfig,
        weights: &Weights,
        with_projection: bool,
    ) -> std::result::Result<Self, ModelError> {
        let width = config.encoder.hidden_size;
        let text_projection = with_projection
            .then(|| {
                linear(
                    &weights.scope("text_projection"),
                    width,
                    config.projection_dim,
                    false,
                )
            })
            .transpose()?;
        // Files written by transformers 5.0 to 5.2 lack the outer module's name.
        let inner = if weights.has("embeddings.token_embedding.weight") {
            weights.clone()
        } else {
            weights.scope("text_model")
        };
        let table = |name: &str, rows: usize| {
            embedding(&inner.scope("embeddings").scope(name), rows, width)
        };
        Ok(Self {
            token_embedding: table("token_embedding", config.vocab_size)?,
            position_embedding: table("position_embedding", config.max_position_embeddings)?,
            encoder: ClipEncoder::load(&inner.scope("encoder"), config.encoder)?,
            final_layer_norm: layer_norm(
                &inner.scope("final_layer_norm"),
                width,
                config.encoder.layer_norm_eps,
            )?,
            text_projection,
            config: config.clone(),
        })
    }

    /// The same network with more rows `[vectors, hidden_size]` in its table of words, after those
    /// that it has.
    ///
    /// # Errors
    /// When they are of another width.
    pub fn with_vectors(mut self, vectors: &Tensor) -> Result<Self> {
        let table = &self.token_embedding;
        let vectors = vectors.to_device(table.device())?.to_dtype(table.dtype())?;
        self.token_embedding = Tensor::cat(&[table, &vectors], 0)?;
        Ok(self)
    }

    /// Words that the network knows.
    pub fn words(&self) -> usize {
        self.token_embedding.dims().first().copied().unwrap_or(0)
    }

    /// The configuration that the network was built from.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// Width of [`ClipTextOutput::text_embeds`], where the class has them.
    pub fn projection_dim(&self) -> Option<usize> {
        self.text_projection
            .is_some()
            .then_some(self.config.projection_dim)
    }

    /// Token ids `[batch, tokens]` (u32) to embeddings `[batch, tokens, hidden_size]`: the last
    /// hidden state. Padding is seen like any other token, as Stable Diffusion was trained.
    ///
    /// # Errors
    /// When there are more tokens than positions, or an id is not in the vocabulary.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Ok(self.forward_all(ids)?.last_hidden_state)
    }

    /// Token ids `[batch, tokens]` (u32) to everything that pipelines ask for.
    ///
    /// # Errors
    /// When there are more tokens than positions, or an id is not in the vocabulary.
    pub fn forward_all(&self, ids: &Tensor) -> Result<ClipTextOutput> {
        let _wakeful = Wakeful::threads(self.token_embedding.device());
        let (batch, tokens) = ids.dims2()?;
        if tokens > self.config.max_position_embeddings {
            candle_core::bail!(
                "{tokens} tokens are more than the text encoder's {} positions",
                self.config.max_position_embeddings
            );
        }
        let ids = ids.to_device(self.token_embedding.device())?;
        let embedded = self.token_embedding.index_select(&ids.flatten_all()?, 0)?;
        let embedded = embedded.reshape((batch, tokens, self.config.encoder.hidden_size))?;
        let positions = self.position_embedding.narrow(0, 0, tokens)?;
        let embedded = embedded.broadcast_add(&positions)?;
        let mask = self.causal_mask(tokens)?;
        let states = self.encoder.forward(&embedded, Some(&mask))?;
        let last_hidden_state = self.final_layer_norm.forward(&states.last)?;
        let pooler_output = self.pooled(&last_hidden_state, &ids)?;
        let text_embeds = self.text_projection.as_ref();
        let text_embeds = text_embeds.map(|projection| projection.forward(&pooler_output));
        Ok(ClipTextOutput {
            last_hidden_state,
            penultimate_hidden_state: states.penultimate,
            pooler_output,
            text_embeds: text_embeds.transpose()?,
        })
    }

    /// Each row's state at the token that ends the prompt, `[batch, hidden_size]`.
    fn pooled(&self, states: &Tensor, ids: &Tensor) -> Result<Tensor> {
        let mut rows = Vec::new();
        for (row, ids) in ids.to_vec2::<u32>()?.iter().enumerate() {
            // Old configurations say 2 whatever the vocabulary; transformers then takes the
            // highest id, which is the end in CLIP's own vocabulary. A taught word's is higher, and
            // no end.
            let own = |id: &&u32| (**id as usize) < self.config.vocab_size;
            let end = match self.config.eos_token_id {
                2 => ids
                    .iter()
                    .filter(own)
                    .max()
                    .and_then(|end| ids.iter().position(|id| id == end)),
                end => ids.iter().position(|id| *id == end),
            };
            rows.push(states.get(row)?.get(end.unwrap_or(0))?);
        }
        Tensor::stack(&rows, 0)
    }

    /// −∞ where a token would see a later one, `[1, 1, tokens, tokens]`.
    fn causal_mask(&self, tokens: usize) -> Result<Tensor> {
        let mask: Vec<f32> = (0..tokens)
            .flat_map(|query| {
                (0..tokens).map(move |key| if key > query { f32::NEG_INFINITY } else { 0.0 })
            })
            .collect();
        Tensor::from_vec(mask, (1, 1, tokens, tokens), self.token_embedding.device())?
            .to_dtype(self.dtype())
    }

    /// The number format that the network computes in, and answers in.
    pub fn dtype(&self) -> DType {
        self.token_embedding.dtype()
    }
}
