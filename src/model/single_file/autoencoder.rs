//! A checkpoint's autoencoder (`AutoencoderKL`): its configuration from its tensors, and diffusers'
//! names.

use serde_json::{Map, Value, json};

use super::shapes::{Shapes, norm_groups};
use crate::model::stored::{Change, Stored, TensorMap};

/// Parts of diffusers' names of the attention in the middle. Newer tools have some of them already.
const ATTENTION: [(&str, &str, Change); 10] = [
    ("norm", "group_norm", Change::None),
    ("group_norm", "group_norm", Change::None),
    ("q", "to_q", Change::Dense),
    ("k", "to_k", Change::Dense),
    ("v", "to_v", Change::Dense),
    ("proj_out", "to_out.0", Change::Dense),
    ("to_q", "to_q", Change::Dense),
    ("to_k", "to_k", Change::Dense),
    ("to_v", "to_v", Change::Dense),
    ("to_out.0", "to_out.0", Change::Dense),
];

/// Whether these are an autoencoder's tensors in the original names.
pub(in crate::model) fn is_autoencoder(shapes: &Shapes) -> bool {
    shapes.has("decoder.conv_in.weight") && shapes.any_under("decoder.up.0.")
}

/// diffusers' names of the tensors; and the names of those that have no place.
pub(in crate::model) fn tensors(prefix: &str, shapes: &Shapes) -> (TensorMap, Vec<String>) {
    let levels = levels(shapes);
    let (mut map, mut strange) = (TensorMap::new(), Vec::new());
    for (name, shape) in shapes.iter() {
        let full_name = format!("{prefix}{name}");
        let ours = name.rsplit_once('.').and_then(|(module, end)| {
            let (module, change) = diffusers(module, levels)?;
            let change = if end == "weight" {
                change
            } else {
                Change::None
            };
            let stored = Stored::changed(&full_name, shape, change)?;
            Some((format!("{module}.{end}"), stored))
        });
        match ours {
            Some((ours, stored)) => {
                map.insert(ours, stored);
            }
            None => strange.push(full_name),
        }
    }
    (map, strange)
}

/// diffusers' name of a module, and what its weight has to become.
fn diffusers(module: &str, levels: usize) -> Option<(String, Change)> {
    if matches!(module, "quant_conv" | "post_quant_conv") {
        return Some((module.to_owned(), Change::None));
    }
    let (side, rest) = module.split_once('.')?;
    if !matches!(side, "encoder" | "decoder") {
        return None;
    }
    let (name, change) = match rest {
        "conv_in" | "conv_out" => (rest.to_owned(), Change::None),
        "norm_out" => ("conv_norm_out".to_owned(), Change::None),
        rest => match rest.split_once('.')? {
            ("mid", rest) => middle(rest)?,
            ("down", rest) => {
                let (level, rest) = rest.split_once('.')?;
                let name = layer(rest, "downsample.conv", "downsamplers.0.conv")?;
                (format!("down_blocks.{level}.{name}"), Change::None)
            }
            ("up", rest) => {
                let (level, rest) = rest.split_once('.')?;
                // Counted from the largest image there, from the smallest here.
                let number = levels.checked_sub(1 + level.parse::<usize>().ok()?)?;
                let name = layer(rest, "upsample.conv", "upsamplers.0.conv")?;
                (format!("up_blocks.{number}.{name}"), Change::None)
            }
            _ => return None,
        },
    };
    Some((format!("{side}.{name}"), change))
}

fn middle(rest: &str) -> Option<(String, Change)> {
    let (part, rest) = rest.split_once('.')?;
    let resnet = |number: usize| {
        let name = format!("mid_block.resnets.{number}.{}", resnet_part(rest));
        Some((name, Change::None))
    };
    match part {
        "block_1" => resnet(0),
        "block_2" => resnet(1),
        "attn_1" => {
            let (_, name, change) = ATTENTION.iter().find(|(own, _, _)| *own == rest)?;
            Some((format!("mid_block.attentions.0.{name}"), *change))
        }
        _ => None,
    }
}

/// A residual layer of a block, or what changes the image's size after it.
fn layer(rest: &str, resampler: &str, name: &str) -> Option<String> {
    if rest == resampler {
        return Some(name.to_owned());
    }
    let (number, rest) = rest.strip_prefix("block.")?.split_once('.')?;
    Some(format!("resnets.{number}.{}", resnet_part(rest)))
}

fn resnet_part(name: &str) -> &str {
    match name {
        "nin_shortcut" => "conv_shortcut",
        name => name,
    }
}

fn levels(shapes: &Shapes) -> usize {
    shapes.count(|level| format!("decoder.up.{level}.block.0.conv1.weight"))
}

/// `config.json` as diffusers would have it.
///
/// # Errors
/// What is missing.
pub(in crate::model) fn config(
    shapes: &Shapes,
    scaling_factor: f64,
    sample_size: usize,
) -> Result<Map<String, Value>, String> {
    let levels = levels(shapes);
    let widths = (0..levels).map(|level| {
        let last = shapes.count(|block| format!("decoder.up.{level}.block.{block}.conv2.weight"));
        let name = format!(
            "decoder.up.{level}.block.{}.conv2.weight",
            last.saturating_sub(1)
        );
        shapes.side(&name, 0)
    });
    let widths = widths.collect::<Result<Vec<_>, _>>()?;
    let layers = shapes.count(|block| format!("encoder.down.0.block.{block}.conv1.weight"));
    let config = json!({
        "_class_name": "AutoencoderKL",
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": shapes.side("decoder.conv_in.weight", 1)?,
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
        "block_out_channels": widths,
        "layers_per_block": layers,
        "norm_num_groups": norm_groups(widths.iter().copied()),
        "act_fn": "silu",
        "mid_block_add_attention": shapes.any_under("decoder.mid.attn_1."),
        "use_quant_conv": shapes.has("quant_conv.weight"),
        "use_post_quant_conv": shapes.has("post_quant_conv.weight"),
        "sample_size": sample_size,
        "scaling_factor": scaling_factor,
        "force_upcast": true,
    });
    match config {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}
