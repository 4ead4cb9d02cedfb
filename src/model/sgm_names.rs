//! The names that Stability's own code gives to a UNet's modules, which kohya's LoRAs for SDXL
//! use, turned into diffusers' (`diffusers.loaders.lora_conversion_utils`).

/// diffusers' name of a module, both with underscores for dots. `layers` is the UNet's
/// `layers_per_block`. None when the name is not one of Stability's.
pub(super) fn diffusers_from_sgm(module: &str, layers: usize) -> Option<String> {
    if let Some(rest) = module.strip_prefix("input_blocks_") {
        let (number, rest) = number_before(rest)?;
        // The first convolution has nothing after its place.
        let (place, rest) = number_before(rest).or_else(|| Some((rest.parse().ok()?, "")))?;
        return down(number, place, rest, layers);
    }
    if let Some(rest) = module.strip_prefix("output_blocks_") {
        let (number, rest) = number_before(rest)?;
        let (place, rest) = number_before(rest)?;
        return up(number, place, rest, layers);
    }
    if let Some(rest) = module.strip_prefix("middle_block_") {
        let (place, rest) = number_before(rest)?;
        return match place {
            0 => Some(format!("mid_block_resnets_0_{}", resnet_layer(rest)?)),
            1 => Some(format!("mid_block_attentions_0_{rest}")),
            2 => Some(format!("mid_block_resnets_1_{}", resnet_layer(rest)?)),
            _ => None,
        };
    }
    let name = match module {
        "time_embed_0" => "time_embedding_linear_1",
        "time_embed_2" => "time_embedding_linear_2",
        "label_emb_0_0" => "add_embedding_linear_1",
        "label_emb_0_2" => "add_embedding_linear_2",
        "out_2" => "conv_out",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Stability numbers the layers on the way down in one row: the first convolution, then each
/// block's layers and its downsampler.
fn down(number: usize, place: usize, rest: &str, layers: usize) -> Option<String> {
    let Some(number) = number.checked_sub(1) else {
        return Some("conv_in".to_owned());
    };
    let (block, layer) = (number / (layers + 1), number % (layers + 1));
    match place {
        0 if rest == "op" => Some(format!("down_blocks_{block}_downsamplers_0_conv")),
        0 => Some(format!(
            "down_blocks_{block}_resnets_{layer}_{}",
            resnet_layer(rest)?
        )),
        1 => Some(format!("down_blocks_{block}_attentions_{layer}_{rest}")),
        _ => None,
    }
}

/// On the way up the upsampler is the last part of a block's last layer.
fn up(number: usize, place: usize, rest: &str, layers: usize) -> Option<String> {
    let (block, layer) = (number / (layers + 1), number % (layers + 1));
    match place {
        0 => Some(format!(
            "up_blocks_{block}_resnets_{layer}_{}",
            resnet_layer(rest)?
        )),
        1 | 2 if rest == "conv" => Some(format!("up_blocks_{block}_upsamplers_0_conv")),
        1 => Some(format!("up_blocks_{block}_attentions_{layer}_{rest}")),
        _ => None,
    }
}

fn resnet_layer(rest: &str) -> Option<&'static str> {
    Some(match rest {
        "in_layers_0" => "norm1",
        "in_layers_2" => "conv1",
        "emb_layers_1" => "time_emb_proj",
        "out_layers_0" => "norm2",
        "out_layers_3" => "conv2",
        "skip_connection" => "conv_shortcut",
        _ => return None,
    })
}

fn number_before(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once('_')?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SDXL's layout: two layers per block.
    #[test]
    fn names_of_sdxl() {
        for (sgm, diffusers) in [
            ("input_blocks_0_0", "conv_in"),
            (
                "input_blocks_1_0_in_layers_2",
                "down_blocks_0_resnets_0_conv1",
            ),
            ("input_blocks_3_0_op", "down_blocks_0_downsamplers_0_conv"),
            (
                "input_blocks_4_1_proj_in",
                "down_blocks_1_attentions_0_proj_in",
            ),
            (
                "input_blocks_5_1_transformer_blocks_1_attn1_to_q",
                "down_blocks_1_attentions_1_transformer_blocks_1_attn1_to_q",
            ),
            (
                "input_blocks_8_0_emb_layers_1",
                "down_blocks_2_resnets_1_time_emb_proj",
            ),
            ("middle_block_0_out_layers_3", "mid_block_resnets_0_conv2"),
            ("middle_block_1_proj_out", "mid_block_attentions_0_proj_out"),
            ("middle_block_2_in_layers_2", "mid_block_resnets_1_conv1"),
            ("output_blocks_2_2_conv", "up_blocks_0_upsamplers_0_conv"),
            (
                "output_blocks_5_1_proj_in",
                "up_blocks_1_attentions_2_proj_in",
            ),
            (
                "output_blocks_8_0_skip_connection",
                "up_blocks_2_resnets_2_conv_shortcut",
            ),
            ("time_embed_2", "time_embedding_linear_2"),
            ("label_emb_0_0", "add_embedding_linear_1"),
            ("out_2", "conv_out"),
        ] {
            assert_eq!(
                diffusers_from_sgm(sgm, 2).as_deref(),
                Some(diffusers),
                "{sgm}"
            );
        }
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "down_blocks_0_resnets_0_conv1",
            "input_blocks_x",
            "middle_block_7_proj",
            "",
        ] {
            assert_eq!(diffusers_from_sgm(name, 2), None, "{name}");
        }
    }
}
