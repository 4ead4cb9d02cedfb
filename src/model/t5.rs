//! T5's encoder, which reads prompts for flow models (`transformers.T5EncoderModel`, version 1.1;
//! Raffel et al., "Exploring the Limits of Transfer Learning", 2019).

use candle_core::{DType, Device, Result, Tensor};

use super::layers::{embedding, linear, rms_norm};
use super::{ConfigFile, ModelError, Weights};
use crate::kernels::{Linear, RmsNorm, Wakeful, add, attention, gelu_tanh};

/// A T5 encoder's configuration, with transformers' names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct T5Config {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the embeddings.
    pub d_model: usize,
    /// Width of a head.
    pub d_kv: usize,
    /// Width inside the feed forward parts.
    pub d_ff: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Heads of attention.
    pub num_heads: usize,
    /// Distances between tokens that are told apart.
    pub relative_attention_num_buckets: usize,
    /// From this distance on all are the same.
    pub relative_attention_max_distance: usize,
    /// Added to every normalisation's mean square.
    pub layer_norm_epsilon: f64,
}

impl T5Config {
    /// Reads the configuration and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        let activation: String = file.or("feed_forward_proj", "relu".to_owned())?;
        if activation != "gated-gelu" {
            let reason = format!("is {activation:?}: T5 version 1.1 has \"gated-gelu\"");
            return Err(file.refuse("feed_forward_proj", reason));
        }
        let config = Self {
            vocab_size: file.or("vocab_size", 32128)?,
            d_model: file.or("d_model", 512)?,
            d_kv: file.or("d_kv", 64)?,
            d_ff: file.or("d_ff", 2048)?,
            num_layers: file.or("num_layers", 6)?,
            num_heads: file.or("num_heads", 8)?,
            relative_attention_num_buckets: file.or("relative_attention_num_buckets", 32)?,
            relative_attention_max_distance: file.or("relative_attention_max_distance", 128)?,
            layer_norm_epsilon: file.or("layer_norm_epsilon", 1e-6)?,
        };
        let buckets = config.relative_attention_num_buckets;
        if buckets < 4 || !buckets.is_multiple_of(4) {
            let reason = format!("is {buckets}: it must be a multiple of four");
            return Err(file.refuse("relative_attention_num_buckets", reason));
        }
        if config.relative_attention_max_distance <= buckets / 4 {
            let reason = format!("must be above {}", buckets / 4);
            return Err(file.refuse("relative_attention_max_distance", reason));
        }
        if config.num_heads == 0 || config.d_kv == 0 {
            return Err(file.refuse("num_heads", "and `d_kv` must be above 0"));
        }
        Ok(config)
    }
}

/// Attention and a gated feed forward part, each added to its input.
struct Block {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_forward_norm: RmsNorm,
    gate: Linear,
    enter: Linear,
    leave: Linear,
}

impl Block {
    fn load(weights: &Weights, config: &T5Config) -> std::result::Result<Self, ModelError> {
        let (width, inner) = (config.d_model, config.num_heads * config.d_kv);
        let own = weights.scope("layer.0.SelfAttention");
        let dense = |weights: &Weights, name: &str, input, output| {
            linear(&weights.scope(name), input, output, false)
        };
        let norm = |name: &str| rms_norm(&weights.scope(name), width, config.layer_norm_epsilon);
        // Its name in the files does not say which activation it has.
        let feed_forward = weights.scope("layer.1.DenseReluDense");
        Ok(Self {
            attention_norm: norm("layer.0.layer_norm")?,
            query: dense(&own, "q", width, inner)?,
            key: dense(&own, "k", width, inner)?,
            value: dense(&own, "v", width, inner)?,
            output: dense(&own, "o", inner, width)?,
            feed_forward_norm: norm("layer.1.layer_norm")?,
            gate: dense(&feed_forward, "wi_0", width, config.d_ff)?,
            enter: dense(&feed_forward, "wi_1", width, config.d_ff)?,
            leave: dense(&feed_forward, "wo", config.d_ff, width)?,
        })
    }

    fn forward(&self, hidden: &Tensor, heads: usize, bias: &Tensor) -> Result<Tensor> {
        let normed = self.attention_norm.forward(hidden)?;
        // T5 does not scale its scores; its weights do.
        let mixed = attention(
            &self.query.forward(&normed)?,
            &self.key.forward(&normed)?,
            &self.value.forward(&normed)?,
            heads,
            1.0,
            Some(bias),
        )?;
        let hidden = add(&self.output.forward(&mixed)?, hidden)?;
        let normed = self.feed_forward_norm.forward(&hidden)?;
        let gated = (gelu_tanh(&self.gate.forward(&normed)?)? * self.enter.forward(&normed)?)?;
        add(&self.leave.forward(&gated)?, &hidden)
    }
}

/// A transformer over a prompt's tokens, in which every token sees all others.
pub struct T5EncoderModel {
    config: T5Config,
    token_embedding: Tensor,
    /// `[buckets, heads]`, in the first block's file and used in all.
    relative_attention_bias: Tensor,
    blocks: Vec<Block>,
    final_layer_norm: RmsNorm,
}

impl T5EncoderModel {
    /// The classes that [`T5EncoderModel::load`] can read.
    pub const CLASSES: [&'static str; 1] = ["T5EncoderModel"];

    /// The number format to load the weights in when the rest of the model is in `dtype`: f16
    /// would overflow.
    pub fn dtype(dtype: DType, device: &Device) -> DType {
        match (dtype, device.is_cpu()) {
            (DType::F16, true) => DType::F32,
            (DType::F16, false) => DType::BF16,
            _ => dtype,
        }
    }

    /// Builds the network from a checked configuration and its weights.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(config: &T5Config, weights: &Weights) -> std::result::Result<Self, ModelError> {
        let encoder = weights.scope("encoder");
        let table = match weights.has("shared.weight") {
            false if weights.has("encoder.embed_tokens.weight") => encoder.scope("embed_tokens"),
            _ => weights.scope("shared"),
        };
        let blocks = encoder.scope("block");
        let bias = blocks.scope("0.layer.0.SelfAttention.relative_attention_bias");
        Ok(Self {
            token_embedding: embedding(&table, config.vocab_size, config.d_model)?,
            relative_attention_bias: embedding(
                &bias,
                config.relative_attention_num_buckets,
                config.num_heads,
            )?,
            blocks: (0..config.num_layers)
                .map(|number| Block::load(&blocks.scope(number), config))
                .collect::<std::result::Result<_, _>>()?,
            final_layer_norm: rms_norm(
                &encoder.scope("final_layer_norm"),
                config.d_model,
                config.layer_norm_epsilon,
            )?,
            config: config.clone(),
        })
    }

    /// The configuration that the network was built from.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// Token ids `[batch, tokens]` (u32) to embeddings `[batch, tokens, d_model]`. Padding is seen
    /// like any other token, as flow models were trained.
    ///
    /// # Errors
    /// When an id is not in the vocabulary.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let _wakeful = Wakeful::threads(self.token_embedding.device());
        let (batch, tokens) = ids.dims2()?;
        let ids = ids.to_device(self.token_embedding.device())?;
        let embedded = self.token_embedding.index_select(&ids.flatten_all()?, 0)?;
        let mut hidden = embedded.reshape((batch, tokens, self.config.d_model))?;
        let bias = self.position_bias(tokens)?;
        for block in &self.blocks {
            hidden = block.forward(&hidden, self.config.num_heads, &bias)?;
        }
        self.final_layer_norm.forward(&hidden)
    }

    /// What is added to the scores of each head, `[1, heads, tokens, tokens]`.
    fn position_bias(&self, tokens: usize) -> Result<Tensor> {
        let buckets: Vec<u32> = (0..tokens)
            .flat_map(|query| (0..tokens).map(move |key| (query, key)))
            .map(|(query, key)| self.config.bucket(query, key))
            .collect();
        let table = &self.relative_attention_bias;
        let buckets = Tensor::from_vec(buckets, tokens * tokens, table.device())?;
        table
            .index_select(&buckets, 0)?
            .reshape((tokens, tokens, self.config.num_heads))?
            .permute([2, 0, 1])?
            .unsqueeze(0)?
            .contiguous()
    }
}

impl T5Config {
    /// Which distance `key` counts as, seen from `query`: near ones each of their own, far ones in
    /// logarithmic steps, those after the query apart from those before it.
    fn bucket(&self, query: usize, key: usize) -> u32 {
        let each_way = self.relative_attention_num_buckets / 2;
        let exact = each_way / 2;
        let distance = query.abs_diff(key);
        let bucket = match distance < exact {
            true => distance,
            false => {
                let span = (self.relative_attention_max_distance as f64 / exact as f64).ln();
                // In f32, as torch counts: the steps' edges are whole numbers.
                let part = (distance as f32 / exact as f32).ln() / span as f32;
                let steps = part * (each_way - exact) as f32;
                (exact + steps as usize).min(each_way - 1)
            }
        };
        let after = if key > query { each_way } else { 0 };
        (after + bucket) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What transformers' `_relative_position_bucket` answers for 32 buckets up to 128.
    #[test]
    fn distances_fall_into_transformers_buckets() {
        let config = T5Config {
            vocab_size: 1,
            d_model: 1,
            d_kv: 1,
            d_ff: 1,
            num_layers: 0,
            num_heads: 1,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            layer_norm_epsilon: 0.0,
        };
        for (distance, bucket) in [
            (0, 0),
            (1, 1),
            (7, 7),
            (8, 8),
            (11, 8),
            (12, 9),
            (16, 10),
            (23, 11),
            (32, 12),
            (64, 14),
            (91, 15),
            (127, 15),
            (500, 15),
        ] {
            assert_eq!(config.bucket(600, 600 - distance), bucket, "{distance}");
            if distance > 0 {
                assert_eq!(config.bucket(600, 600 + distance), 16 + bucket);
            }
        }
    }
}
