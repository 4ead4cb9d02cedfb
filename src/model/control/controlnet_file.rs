//! A ControlNet in a single file: diffusers' names for its tensors where it has those of the original
//! repository (lllyasviel/ControlNet), and its configuration from its tensors and from the UNet that
//! it is to steer, which it is a copy of.

use super::controlnet::ControlNetConfig;
use crate::model::safetensors_file::SafetensorsFile;
use crate::model::sgm_names::SgmNames;
use crate::model::stored::{Stored, TensorMap};
use crate::model::unet_config::{MidBlockType, UNetConfig};

/// What the original code's names begin with, in files that keep the whole network's names.
const PREFIX: &str = "control_model.";

/// True where the file's names are a ControlNet's.
pub(super) fn is_controlnet(file: &SafetensorsFile) -> bool {
    file.info("controlnet_cond_embedding.conv_in.weight")
        .is_some()
        || is_original(file)
}

fn is_original(file: &SafetensorsFile) -> bool {
    let hint = "input_hint_block.0.weight";
    file.info(hint).is_some() || file.info(&format!("{PREFIX}{hint}")).is_some()
}

/// Where the tensors lie by diffusers' names. `layers_per_block` is the UNet's.
///
/// # Errors
/// A tensor that has no place in such a network.
pub(super) fn tensors(
    file: &SafetensorsFile,
    layers_per_block: &[usize],
) -> Result<TensorMap, String> {
    let names = SgmNames::new(layers_per_block.to_vec(), '.');
    let is_original = is_original(file);
    let mut map = TensorMap::new();
    for name in file.names() {
        let Some(info) = file.info(&name) else {
            continue;
        };
        let ours = match is_original {
            false => Some(name.clone()),
            true => diffusers_name(&name, &names),
        };
        let ours =
            ours.ok_or_else(|| format!("has a tensor `{name}`, which is not this ControlNet's"))?;
        map.insert(ours, Stored::plain(&name, &info.shape));
    }
    Ok(map)
}

/// diffusers' name of one of the original's tensors.
fn diffusers_name(name: &str, names: &SgmNames) -> Option<String> {
    let (module, end) = name.strip_prefix(PREFIX).unwrap_or(name).rsplit_once('.')?;
    let number = |text: &str| text.parse::<usize>().ok();
    let module = if let Some(layer) = module.strip_prefix("input_hint_block.") {
        // Convolutions with an activation between each two.
        match number(layer)? {
            0 => "controlnet_cond_embedding.conv_in".to_owned(),
            14 => "controlnet_cond_embedding.conv_out".to_owned(),
            layer => format!(
                "controlnet_cond_embedding.blocks.{}",
                (layer / 2).checked_sub(1)?
            ),
        }
    } else if let Some(place) = module.strip_prefix("zero_convs.") {
        let block = number(place.strip_suffix(".0")?)?;
        format!("controlnet_down_blocks.{block}")
    } else if module == "middle_block_out.0" {
        "controlnet_mid_block".to_owned()
    } else {
        names.diffusers(module)?
    };
    Some(format!("{module}.{end}"))
}

/// The configuration of a ControlNet with these tensors, for this UNet. Where they do not go
/// together, loading finds a tensor of another shape.
///
/// # Errors
/// A tensor that every ControlNet has is absent.
pub(super) fn config(map: &TensorMap, unet: &UNetConfig) -> Result<ControlNetConfig, String> {
    let side = |name: &str, axis: usize| {
        let shape = map.get(name).map(|stored| stored.shape.as_slice());
        let side = shape.and_then(|shape| shape.get(axis).copied());
        side.ok_or_else(|| format!("has no tensor `{name}`"))
    };
    let count = |name: &dyn Fn(usize) -> String| {
        (0..)
            .take_while(|number| map.contains_key(&name(*number)))
            .count()
    };
    let transformers =
        |block: &str| count(&|number| format!("{block}.transformer_blocks.{number}.norm1.weight"));
    let hint = "controlnet_cond_embedding";
    let mut widths = vec![side(&format!("{hint}.conv_in.weight"), 0)?];
    let blocks = count(&|number| format!("{hint}.blocks.{number}.weight"));
    for block in (1..blocks).step_by(2) {
        widths.push(side(&format!("{hint}.blocks.{block}.weight"), 0)?);
    }
    let levels = unet.layers_per_block.iter().enumerate();
    let layers: Vec<Vec<usize>> = levels
        .map(|(level, layers)| {
            (0..*layers)
                .map(|layer| transformers(&format!("down_blocks.{level}.attentions.{layer}")))
                .collect()
        })
        .collect();
    let bottom = transformers("mid_block.attentions.0");
    let mut half = UNetConfig {
        in_channels: side("conv_in.weight", 1)?,
        center_input_sample: false,
        down_attention: layers
            .iter()
            .map(|layers| layers.iter().any(|count| *count > 0))
            .collect(),
        mid_block: match (map.contains_key("mid_block.resnets.0.conv1.weight"), bottom) {
            (false, _) => MidBlockType::Absent,
            (true, 0) => MidBlockType::Plain,
            (true, _) => MidBlockType::CrossAttention,
        },
        down_transformer_layers: layers,
        mid_transformer_layers: bottom.max(1),
        time_cond_proj_dim: None,
        conv_in_kernel: 3,
        ..unet.clone()
    };
    if !map.contains_key("add_embedding.linear_1.weight") {
        half.text_time = None;
    }
    Ok(ControlNetConfig {
        half,
        conditioning_channels: side(&format!("{hint}.conv_in.weight"), 1)?,
        conditioning_embedding_out_channels: widths,
        is_bgr: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_names_become_those_of_diffusers() {
        let names = SgmNames::new(vec![2; 4], '.');
        for (original, diffusers) in [
            (
                "control_model.input_hint_block.0.bias",
                "controlnet_cond_embedding.conv_in.bias",
            ),
            (
                "input_hint_block.2.weight",
                "controlnet_cond_embedding.blocks.0.weight",
            ),
            (
                "input_hint_block.12.weight",
                "controlnet_cond_embedding.blocks.5.weight",
            ),
            (
                "input_hint_block.14.weight",
                "controlnet_cond_embedding.conv_out.weight",
            ),
            (
                "control_model.zero_convs.11.0.weight",
                "controlnet_down_blocks.11.weight",
            ),
            (
                "control_model.middle_block_out.0.bias",
                "controlnet_mid_block.bias",
            ),
            (
                "control_model.time_embed.2.bias",
                "time_embedding.linear_2.bias",
            ),
            (
                "control_model.input_blocks.4.1.proj_in.weight",
                "down_blocks.1.attentions.0.proj_in.weight",
            ),
            (
                "control_model.middle_block.2.in_layers.2.weight",
                "mid_block.resnets.1.conv1.weight",
            ),
        ] {
            let named = diffusers_name(original, &names);
            assert_eq!(named.as_deref(), Some(diffusers), "{original}");
        }
        assert_eq!(diffusers_name("task_embedding", &names), None);
        assert_eq!(diffusers_name("input_hint_block.x.weight", &names), None);
    }
}
