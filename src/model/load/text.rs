//! The text encoders of a model, each with its tokenizer.

use super::options::LoadOptions;
use super::taught_words::TaughtWords;
use crate::model::adaptable::Adaptable;
use crate::model::fit::check_tokens;
use crate::model::text_parts::TextFolders;
use crate::model::{
    ClipTextConfig, ClipTextModel, ClipTokenizer, ModelError, ModelFolder, T5Config,
    T5EncoderModel, T5Tokenizer,
};

/// CLIP's text encoder number `index` of the model, which knows the taught words too.
pub(super) fn load_text(
    folder: &ModelFolder,
    [encoder, tokenizer]: TextFolders,
    options: &LoadOptions,
    taught: &TaughtWords,
    index: usize,
) -> Result<(Adaptable<ClipTextModel>, ClipTokenizer), ModelError> {
    let class = folder.class(encoder, &ClipTextModel::CLASSES)?;
    let component = folder.component(encoder)?;
    let config_file = component.config()?;
    let config = ClipTextConfig::read(&config_file)?;
    let (positions, vocabulary) = (config.max_position_embeddings, config.vocab_size);
    let mut tokenizer = folder.tokenizer(tokenizer, positions)?;
    check_tokens(&config_file, vocabulary, tokenizer.vocab_size())?;
    let vectors = taught.add_to(&mut tokenizer, index, &config)?;
    let weights = component.weights(&options.device, options.dtype)?;
    let with_projection = class == "CLIPTextModelWithProjection";
    let path = component.path().to_owned();
    let model = Adaptable::new(weights, move |weights| {
        let model = ClipTextModel::load(&config, weights, with_projection)?;
        let Some(vectors) = &vectors else {
            return Ok(model);
        };
        model
            .with_vectors(vectors)
            .map_err(|source| ModelError::Prepare {
                path: path.clone(),
                tensor: "the vectors of embeddings".to_owned(),
                source: Box::new(source),
            })
    })?;
    Ok((model, tokenizer))
}

/// T5's encoder, in the number format that it can be computed in.
pub(super) fn load_t5(
    folder: &ModelFolder,
    [encoder, tokenizer]: TextFolders,
    options: &LoadOptions,
) -> Result<(T5EncoderModel, T5Tokenizer), ModelError> {
    folder.class(encoder, &T5EncoderModel::CLASSES)?;
    let component = folder.component(encoder)?;
    let file = component.config()?;
    let config = T5Config::read(&file)?;
    let tokenizer = folder.t5_tokenizer(tokenizer)?;
    check_tokens(&file, config.vocab_size, tokenizer.vocab_size())?;
    let dtype = T5EncoderModel::dtype(options.dtype, &options.device);
    let weights = component.weights(&options.device, dtype)?;
    Ok((T5EncoderModel::load(&config, &weights)?, tokenizer))
}
