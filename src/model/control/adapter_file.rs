//! A T2I-Adapter in a single file: its configuration from its tensors, and diffusers' names for them
//! where the file has those of the original repository (TencentARC/T2I-Adapter).

use super::t2i_adapter::{AdapterType, T2IAdapterConfig};
use crate::model::safetensors_file::SafetensorsFile;
use crate::model::stored::{Stored, TensorMap};

/// The original code numbers all residual blocks of a full adapter in one row, so many for each
/// feature.
const ORIGINAL_RES_BLOCKS: usize = 2;

/// True where the file's names are an adapter's.
pub(super) fn is_t2i_adapter(file: &SafetensorsFile) -> bool {
    ["block1", "resnets.0.block1", "body.0.block1"]
        .iter()
        .any(|block| has(file, &format!("body.0.{block}.weight")))
}

fn has(file: &SafetensorsFile, name: &str) -> bool {
    file.info(name).is_some() || file.info(&format!("adapter.{name}")).is_some()
}

/// The adapter's configuration, and where its tensors lie by diffusers' names.
///
/// # Errors
/// What about the tensors is as in no adapter.
pub(super) fn read(file: &SafetensorsFile) -> Result<(T2IAdapterConfig, TensorMap), String> {
    let in_one_row = has(file, "body.0.block1.weight");
    let mut map = TensorMap::new();
    for name in file.names() {
        let Some(info) = file.info(&name) else {
            continue;
        };
        let ours = diffusers_name(&name, in_one_row)
            .ok_or_else(|| format!("has a tensor `{name}`, which is no T2I-Adapter's"))?;
        map.insert(ours, Stored::plain(&name, &info.shape));
    }
    Ok((config(&map)?, map))
}

/// diffusers' name of a tensor; none where there is no place for it.
fn diffusers_name(name: &str, in_one_row: bool) -> Option<String> {
    let rest = name.strip_prefix("adapter.").unwrap_or(name);
    let Some(inside) = rest.strip_prefix("body.") else {
        let is_first = rest.starts_with("conv_in.");
        return is_first.then(|| format!("adapter.{rest}"));
    };
    let (number, part) = inside.split_once('.')?;
    let number: usize = number.parse().ok()?;
    let (feature, resnet) = (number / ORIGINAL_RES_BLOCKS, number % ORIGINAL_RES_BLOCKS);
    let is_block = ["block1.", "block2."].iter().any(|it| part.starts_with(it));
    let is_outer = ["in_conv.", "out_conv."]
        .iter()
        .any(|it| part.starts_with(it));
    let (feature, part) = match part.strip_prefix("body.") {
        // A light adapter's.
        Some(block) => (number, format!("resnets.{block}")),
        None if in_one_row && is_block => (feature, format!("resnets.{resnet}.{part}")),
        None if in_one_row && is_outer => (feature, part.to_owned()),
        None if is_outer || part.starts_with("resnets.") => (number, part.to_owned()),
        None => return None,
    };
    Some(format!("adapter.body.{feature}.{part}"))
}

/// The configuration of an adapter with these tensors.
fn config(map: &TensorMap) -> Result<T2IAdapterConfig, String> {
    let side = |name: String, axis: usize| -> Result<usize, String> {
        let shape = map.get(&name).map(|stored| stored.shape.as_slice());
        let side = shape.and_then(|shape| shape.get(axis));
        side.copied().ok_or_else(|| match shape {
            None => format!("has no tensor `{name}`"),
            Some(shape) => format!("has a tensor `{name}` of shape {shape:?}"),
        })
    };
    let count = |name: &dyn Fn(usize) -> String| {
        (0..)
            .take_while(|number| map.contains_key(&name(*number)))
            .count()
    };
    let block = |feature: usize, resnet: usize| {
        format!("adapter.body.{feature}.resnets.{resnet}.block1.weight")
    };
    let features = count(&|feature| block(feature, 0));
    let is_light = map.contains_key("adapter.body.0.out_conv.weight");
    let (entry, outer) = match is_light {
        true => ("adapter.body.0.in_conv.weight", "out_conv.weight"),
        false => ("adapter.conv_in.weight", "resnets.0.block1.weight"),
    };
    let mut channels = (0..features)
        .map(|feature| side(format!("adapter.body.{feature}.{outer}"), 0))
        .collect::<Result<Vec<_>, _>>()?;
    if is_light {
        // The last feature is as wide as the one before, and not in the configuration.
        channels.pop();
    }
    let taken = side(entry.to_owned(), 1)?;
    // Squares of 8 × 8 pixels, or SDXL's of 16 × 16, of a grey picture or one of three colours.
    let (in_channels, downscale_factor) = match taken {
        64 => (1, 8),
        192 => (3, 8),
        256 => (1, 16),
        768 => (3, 16),
        _ => {
            return Err(format!(
                "has a tensor `{entry}` that takes {taken} channels, where a T2I-Adapter takes 64 \
                 or 192, or SDXL's 256 or 768"
            ));
        }
    };
    if channels.is_empty() {
        return Err("has too few tensors for a T2I-Adapter".to_owned());
    }
    Ok(T2IAdapterConfig {
        in_channels,
        channels,
        num_res_blocks: count(&|resnet| block(0, resnet)),
        downscale_factor,
        adapter_type: match (is_light, downscale_factor) {
            (true, _) => AdapterType::Light,
            (false, 16) => AdapterType::FullXl,
            (false, _) => AdapterType::Full,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_names_become_those_of_diffusers() {
        for (original, in_one_row, diffusers) in [
            ("conv_in.bias", true, "conv_in.bias"),
            (
                "body.0.block1.weight",
                true,
                "body.0.resnets.0.block1.weight",
            ),
            ("body.3.block2.bias", true, "body.1.resnets.1.block2.bias"),
            ("body.4.in_conv.weight", true, "body.2.in_conv.weight"),
            ("body.2.in_conv.weight", false, "body.2.in_conv.weight"),
            (
                "body.1.body.3.block2.bias",
                false,
                "body.1.resnets.3.block2.bias",
            ),
            ("body.3.out_conv.bias", false, "body.3.out_conv.bias"),
            (
                "adapter.body.2.resnets.1.block1.weight",
                false,
                "body.2.resnets.1.block1.weight",
            ),
        ] {
            let named = diffusers_name(original, in_one_row);
            assert_eq!(named, Some(format!("adapter.{diffusers}")), "{original}");
        }
        for strange in ["body.2.down_opt.op.weight", "body.x.in_conv.weight", "proj"] {
            assert_eq!(diffusers_name(strange, true), None, "{strange}");
        }
    }
}
