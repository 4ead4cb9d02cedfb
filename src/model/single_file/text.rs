//! A checkpoint's text encoders: OpenAI's CLIP, which has diffusers' names already, and OpenCLIP.

use serde_json::{Map, Value, json};

use super::line::Line;
use super::shapes::Shapes;
use crate::model::stored::{Change, Stored, TensorMap};

/// OpenCLIP-H has a layer more, whose input is what Stable Diffusion 2 reads.
const LAYERS_OF_SD2: usize = 23;
/// The tensors that lie beside a text encoder's own and have no use here.
const USELESS: [&str; 5] = [
    "logit_scale",
    "attn_mask",
    "position_ids",
    "text_projection",
    "text_projection.weight",
];

/// One text encoder in a file.
pub(in crate::model) struct TextInFile {
    pub tensors: TensorMap,
    pub config: Map<String, Value>,
    pub strange: Vec<String>,
    /// Tokens in its vocabulary.
    pub words: usize,
    /// Width of the pooled, projected embedding, where it has one.
    pub pooled: Option<usize>,
}

impl TextInFile {
    /// Reads a text encoder of this line; `shapes` are the tensors after `prefix`.
    ///
    /// # Errors
    /// What is missing, or not as in a text encoder.
    pub fn read(line: Line, name: &str, prefix: &str, shapes: &Shapes) -> Result<Self, String> {
        let is_open_clip = is_open_clip(line, name);
        let projects = name == "text_encoder_2";
        let layers = (line == Line::Sd2).then_some(LAYERS_OF_SD2);
        let (mut tensors, mut strange) = (TensorMap::new(), Vec::new());
        for (own, shape) in shapes.iter() {
            let full_name = format!("{prefix}{own}");
            let place = match is_open_clip {
                true => open_clip(own, projects, layers),
                false => clip(own),
            };
            let Some(ours) = place else {
                if !USELESS.iter().any(|useless| own.ends_with(useless)) {
                    strange.push(full_name);
                }
                continue;
            };
            for (ours, change) in ours {
                let Some(stored) = Stored::changed(&full_name, shape, change) else {
                    return Err(format!("has a tensor `{full_name}` of shape {shape:?}"));
                };
                tensors.insert(ours, stored);
            }
        }
        let side = |name: &str, axis: usize| {
            let shape = tensors.get(name).map(|stored| &stored.shape);
            let side = shape.and_then(|shape| shape.get(axis)).copied();
            side.ok_or_else(|| format!("has no `{name}` in its text encoder {prefix}*"))
        };
        let words = side("text_model.embeddings.token_embedding.weight", 0)?;
        let width = side("text_model.embeddings.token_embedding.weight", 1)?;
        let layer = |number: usize| format!("text_model.encoder.layers.{number}.mlp.fc1.weight");
        let count = (0..).take_while(|number| tensors.contains_key(&layer(*number)));
        let pooled = projects
            .then(|| side("text_projection.weight", 0))
            .transpose()?;
        let class = match projects {
            true => "CLIPTextModelWithProjection",
            false => "CLIPTextModel",
        };
        // What nothing here reads is as in the folders of these lines.
        let projection = pooled.unwrap_or(if is_open_clip { 512 } else { 768 });
        let config = json!({
            "architectures": [class],
            "model_type": "clip_text_model",
            "vocab_size": words,
            "hidden_size": width,
            "intermediate_size": side(&layer(0), 0)?,
            "num_hidden_layers": count.count(),
            "num_attention_heads": (width / 64).max(1),
            "max_position_embeddings": side("text_model.embeddings.position_embedding.weight", 0)?,
            "hidden_act": if is_open_clip { "gelu" } else { "quick_gelu" },
            "layer_norm_eps": 1e-5,
            "projection_dim": projection,
            // CLIP's own vocabulary ends with them; words that were added come after.
            "bos_token_id": CLIP_WORDS.min(words).saturating_sub(2),
            "eos_token_id": CLIP_WORDS.min(words).saturating_sub(1),
            "pad_token_id": if is_open_clip { 0 } else { CLIP_WORDS.min(words).saturating_sub(1) },
        });
        let Value::Object(config) = config else {
            return Err("has no text encoder".to_owned());
        };
        Ok(Self {
            tensors,
            config,
            strange,
            words,
            pooled,
        })
    }
}

/// Words in CLIP's vocabulary.
pub(in crate::model) const CLIP_WORDS: usize = 49408;

/// Whether a text encoder is OpenCLIP's: it pads prompts with the first word of its vocabulary.
pub(in crate::model) fn is_open_clip(line: Line, name: &str) -> bool {
    line == Line::Sd2 || name == "text_encoder_2"
}

/// diffusers' name of one of CLIP's tensors. Old files lack the outer module's name.
fn clip(name: &str) -> Option<Vec<(String, Change)>> {
    let inner = name.strip_prefix("text_model.").unwrap_or(name);
    let is_ours = ["embeddings.", "encoder.", "final_layer_norm."]
        .iter()
        .any(|module| inner.starts_with(module));
    let is_buffer = name.ends_with("position_ids");
    (is_ours && !is_buffer).then(|| vec![(format!("text_model.{inner}"), Change::None)])
}

/// diffusers' names of one of OpenCLIP's tensors, which may be several layers' at once. Of the
/// transformer's layers only the first `layers` have one.
fn open_clip(name: &str, projects: bool, layers: Option<usize>) -> Option<Vec<(String, Change)>> {
    let one = |name: &str| Some(vec![(name.to_owned(), Change::None)]);
    match name {
        "positional_embedding" => return one("text_model.embeddings.position_embedding.weight"),
        "token_embedding.weight" => return one("text_model.embeddings.token_embedding.weight"),
        "ln_final.weight" => return one("text_model.final_layer_norm.weight"),
        "ln_final.bias" => return one("text_model.final_layer_norm.bias"),
        "text_projection" if projects => {
            return Some(vec![(
                "text_projection.weight".to_owned(),
                Change::Transposed,
            )]);
        }
        "text_projection.weight" if projects => return one(name),
        _ => {}
    }
    let (number, rest) = name
        .strip_prefix("transformer.resblocks.")?
        .split_once('.')?;
    let number: usize = number.parse().ok()?;
    if layers.is_some_and(|layers| number >= layers) {
        return Some(Vec::new());
    }
    let layer = format!("text_model.encoder.layers.{number}");
    if let Some(end) = rest.strip_prefix("attn.in_proj_") {
        let thirds = ["q_proj", "k_proj", "v_proj"].into_iter().enumerate();
        let thirds = thirds.map(|(third, name)| {
            (
                format!("{layer}.self_attn.{name}.{end}"),
                Change::Third(third),
            )
        });
        return matches!(end, "weight" | "bias").then(|| thirds.collect());
    }
    let (module, end) = rest.rsplit_once('.')?;
    let module = match module {
        "ln_1" => "layer_norm1",
        "ln_2" => "layer_norm2",
        "attn.out_proj" => "self_attn.out_proj",
        "mlp.c_fc" => "mlp.fc1",
        "mlp.c_proj" => "mlp.fc2",
        _ => return None,
    };
    Some(vec![(format!("{layer}.{module}.{end}"), Change::None)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_clip_keeps_three_layers_in_one_tensor() {
        let thirds = open_clip("transformer.resblocks.4.attn.in_proj_bias", false, None).unwrap();
        let names: Vec<&str> = thirds.iter().map(|(name, _)| name.as_str()).collect();
        let layer = "text_model.encoder.layers.4.self_attn";
        assert_eq!(
            names,
            ["q", "k", "v"].map(|part| format!("{layer}.{part}_proj.bias"))
        );
        assert_eq!(thirds[1].1, Change::Third(1));
    }

    #[test]
    fn the_last_layer_of_sd2_and_its_projection_are_left_out() {
        let layers = Some(LAYERS_OF_SD2);
        let name = |layer: usize| format!("transformer.resblocks.{layer}.ln_1.weight");
        assert_eq!(open_clip(&name(23), false, layers), Some(Vec::new()));
        assert_eq!(
            open_clip(&name(22), false, layers).map(|names| names.len()),
            Some(1)
        );
        assert_eq!(open_clip("text_projection", false, layers), None);
        assert_eq!(open_clip("visual.conv1.weight", true, None), None);
    }
}
