//! Whether the parts of a model fit together.

use super::{ClipTextModel, ClipTokenizer, ConfigFile, ModelError, UNetConfig};

/// The widths of what a model's text encoders give to its UNet.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextWidths {
    /// Of each token's embedding: all encoders side by side.
    pub tokens: usize,
    /// Of the pooled embedding, where the second encoder has one.
    pub pooled: Option<usize>,
}

impl TextWidths {
    /// The widths of one encoder, or two.
    pub fn of(first: &ClipTextModel, second: Option<&ClipTextModel>) -> Self {
        let width = |encoder: &ClipTextModel| encoder.config().encoder.hidden_size;
        Self {
            tokens: width(first) + second.map_or(0, width),
            pooled: second.and_then(ClipTextModel::projection_dim),
        }
    }
}

/// The text encoder must know every token that the tokenizer beside it can give.
pub(super) fn check_tokens(
    file: &ConfigFile,
    vocab_size: usize,
    tokenizer: &ClipTokenizer,
) -> Result<(), ModelError> {
    let tokens = tokenizer.vocab_size();
    if tokens > vocab_size {
        let reason = format!("is {vocab_size}, but the tokenizer beside it has {tokens} tokens");
        return Err(file.refuse("vocab_size", reason));
    }
    Ok(())
}

/// The UNet must take the autoencoder's latents and give them back.
pub(super) fn check_latents(
    file: &ConfigFile,
    config: &UNetConfig,
    latent_channels: usize,
) -> Result<(), ModelError> {
    let (input, output) = (config.in_channels, config.out_channels);
    if output != latent_channels {
        let reason =
            format!("is {output}, but the autoencoder's latents have {latent_channels} channels");
        return Err(file.refuse("out_channels", reason));
    }
    let supported = [
        latent_channels,
        2 * latent_channels,
        2 * latent_channels + 1,
    ];
    if supported.contains(&input) {
        return Ok(());
    }
    let reason = format!(
        "is {input}, but with latents of {latent_channels} channels it must be one of {supported:?}"
    );
    Err(file.refuse("in_channels", reason))
}

/// The UNet must take the text encoders' embeddings.
pub(super) fn check_text(
    file: &ConfigFile,
    config: &UNetConfig,
    widths: TextWidths,
) -> Result<(), ModelError> {
    let tokens = widths.tokens;
    if let Some(wanted) = config
        .cross_attention_dim
        .iter()
        .find(|wanted| **wanted != tokens)
    {
        let reason = format!("is {wanted}, but the text encoder's embeddings are {tokens} wide");
        return Err(file.refuse("cross_attention_dim", reason));
    }
    let Some(shape) = config.text_time else {
        return Ok(());
    };
    let Some(pooled) = widths.pooled else {
        let reason =
            "is \"text_time\", which needs a text_encoder_2 of class CLIPTextModelWithProjection";
        return Err(file.refuse("addition_embed_type", reason));
    };
    // Six numbers beside the pooled text: the original size, the crop's corner, the target size.
    let given = pooled + 6 * shape.addition_time_embed_dim;
    let wanted = shape.projection_class_embeddings_input_dim;
    if given != wanted {
        let reason = format!("is {wanted}, but text_encoder_2 and the sizes make {given}");
        return Err(file.refuse("projection_class_embeddings_input_dim", reason));
    }
    Ok(())
}
