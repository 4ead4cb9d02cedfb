//! Whether the parts of a model fit together.

use super::{
    ClipTextModel, ConfigFile, DenoiserConfig, FluxConfig, ModelError, Sd3Config, T5Config,
    UNetConfig,
};

/// The widths of what a model's text encoders give to its denoiser.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextWidths {
    /// Of each token's embedding: all CLIP encoders side by side.
    pub tokens: usize,
    /// Of the second encoder's pooled embedding, where it has one.
    pub pooled: Option<usize>,
    /// Of the first encoder's pooled embedding: projected, and as it is.
    first_pooled: (Option<usize>, usize),
    /// Of each of T5's tokens.
    t5: Option<usize>,
}

impl TextWidths {
    /// The widths of one CLIP encoder, or two, and perhaps T5.
    pub fn of(
        first: &ClipTextModel,
        second: Option<&ClipTextModel>,
        t5: Option<&T5Config>,
    ) -> Self {
        let width = |encoder: &ClipTextModel| encoder.config().encoder.hidden_size;
        Self {
            tokens: width(first) + second.map_or(0, width),
            pooled: second.and_then(ClipTextModel::projection_dim),
            first_pooled: (first.projection_dim(), width(first)),
            t5: t5.map(|config| config.d_model),
        }
    }
}

/// The text encoder must know every token that the tokenizer beside it can give.
pub(super) fn check_tokens(
    file: &ConfigFile,
    vocab_size: usize,
    tokens: usize,
) -> Result<(), ModelError> {
    if tokens > vocab_size {
        let reason = format!("is {vocab_size}, but the tokenizer beside it has {tokens} tokens");
        return Err(file.refuse("vocab_size", reason));
    }
    Ok(())
}

/// The denoiser must take the autoencoder's latents and give them back.
pub(super) fn check_latents(
    file: &ConfigFile,
    config: &DenoiserConfig,
    latent_channels: usize,
) -> Result<(), ModelError> {
    let Some(config) = config.as_unet() else {
        let found = config.in_channels();
        if found == latent_channels {
            return Ok(());
        }
        let reason =
            format!("makes {found} channels, but the autoencoder's latents have {latent_channels}");
        return Err(file.refuse("in_channels", reason));
    };
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

/// The denoiser must take the text encoders' embeddings.
pub(super) fn check_text(
    file: &ConfigFile,
    config: &DenoiserConfig,
    widths: TextWidths,
) -> Result<(), ModelError> {
    match config {
        DenoiserConfig::UNet(config) => check_text_of_unet(file, config, widths),
        DenoiserConfig::Flux(config) => check_text_of_flux(file, config, widths),
        DenoiserConfig::Sd3(config) => check_text_of_sd3(file, config, widths),
    }
}

fn check_text_of_flux(
    file: &ConfigFile,
    config: &FluxConfig,
    widths: TextWidths,
) -> Result<(), ModelError> {
    let (wanted, t5) = (config.joint_attention_dim, widths.t5.unwrap_or(0));
    if wanted != t5 {
        let reason = format!("is {wanted}, but text_encoder_2's embeddings are {t5} wide");
        return Err(file.refuse("joint_attention_dim", reason));
    }
    let (wanted, pooled) = (config.pooled_projection_dim, widths.first_pooled.1);
    if wanted != pooled {
        let reason = format!("is {wanted}, but text_encoder's pooled embedding is {pooled} wide");
        return Err(file.refuse("pooled_projection_dim", reason));
    }
    Ok(())
}

fn check_text_of_sd3(
    file: &ConfigFile,
    config: &Sd3Config,
    widths: TextWidths,
) -> Result<(), ModelError> {
    let wanted = config.joint_attention_dim;
    if let Some(t5) = widths.t5.filter(|t5| *t5 != wanted) {
        let reason = format!("is {wanted}, but text_encoder_3's embeddings are {t5} wide");
        return Err(file.refuse("joint_attention_dim", reason));
    }
    if widths.tokens > wanted {
        let reason = format!(
            "is {wanted}, but text_encoder and text_encoder_2 together are {} wide",
            widths.tokens
        );
        return Err(file.refuse("joint_attention_dim", reason));
    }
    let (Some(first), Some(second)) = (widths.first_pooled.0, widths.pooled) else {
        let reason = "needs a text_encoder and a text_encoder_2 of class \
                      CLIPTextModelWithProjection";
        return Err(file.refuse("pooled_projection_dim", reason));
    };
    let (wanted, pooled) = (config.pooled_projection_dim, first + second);
    if wanted != pooled {
        let reason =
            format!("is {wanted}, but the pooled embeddings of both encoders are {pooled} wide");
        return Err(file.refuse("pooled_projection_dim", reason));
    }
    Ok(())
}

/// A UNet must take CLIP's embeddings.
fn check_text_of_unet(
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
