//! The names that Stability's own code gives to a UNet's modules, which single-file checkpoints
//! and kohya's LoRAs for SDXL use, turned into diffusers'
//! (`diffusers.loaders.single_file_utils`, `lora_conversion_utils`).

/// Turns Stability's names into diffusers'.
#[derive(Debug)]
pub(super) struct SgmNames {
    /// Residual layers of each block on the way down; on the way up there is one more.
    layers_per_block: Vec<usize>,
    /// What stands between the parts of a name: a dot, or in kohya's names an underscore.
    between: char,
}

impl SgmNames {
    /// The names of a UNet with so many layers in each block, from the largest image to the
    /// smallest.
    pub fn new(layers_per_block: Vec<usize>, between: char) -> Self {
        Self {
            layers_per_block,
            between,
        }
    }

    /// diffusers' name of a module. None when the name is not one of Stability's.
    pub fn diffusers(&self, module: &str) -> Option<String> {
        let (kind, rest) = KINDS.iter().find_map(|kind| {
            let rest = module.strip_prefix(kind)?.strip_prefix(self.between)?;
            Some((*kind, rest))
        })?;
        match kind {
            "input_blocks" => {
                let (number, rest) = self.number_before(rest)?;
                // The first convolution has nothing after its place.
                let (place, rest) = self
                    .number_before(rest)
                    .or_else(|| Some((rest.parse().ok()?, "")))?;
                self.down(number, place, rest)
            }
            "output_blocks" => {
                let (number, rest) = self.number_before(rest)?;
                let (place, rest) = self.number_before(rest)?;
                self.up(number, place, rest)
            }
            "middle_block" => {
                let (place, rest) = self.number_before(rest)?;
                match place {
                    0 => Some(self.join(&["mid_block", "resnets", "0", self.resnet(rest)?])),
                    1 => Some(self.join(&["mid_block", "attentions", "0", rest])),
                    2 => Some(self.join(&["mid_block", "resnets", "1", self.resnet(rest)?])),
                    _ => None,
                }
            }
            _ => {
                let rest = rest.replace(self.between, "_");
                let (_, _, name) = OTHERS
                    .iter()
                    .find(|(own, end, _)| *own == kind && *end == rest)?;
                Some(self.join(name))
            }
        }
    }

    /// Stability numbers the layers on the way down in one row: the first convolution, then each
    /// block's layers and its downsampler.
    fn down(&self, number: usize, place: usize, rest: &str) -> Option<String> {
        let Some(number) = number.checked_sub(1) else {
            return Some(self.join(&["conv_in"]));
        };
        let layers = self.layers_per_block.iter();
        let (block, layer) = position(number, layers.map(|layers| layers + 1))?;
        let (block, layer) = (block.to_string(), layer.to_string());
        match place {
            0 if rest == "op" => {
                Some(self.join(&["down_blocks", &block, "downsamplers", "0", "conv"]))
            }
            0 => Some(self.join(&["down_blocks", &block, "resnets", &layer, self.resnet(rest)?])),
            1 => Some(self.join(&["down_blocks", &block, "attentions", &layer, rest])),
            _ => None,
        }
    }

    /// On the way up the upsampler is the last part of a block's last layer.
    fn up(&self, number: usize, place: usize, rest: &str) -> Option<String> {
        let layers = self.layers_per_block.iter().rev();
        let (block, layer) = position(number, layers.map(|layers| layers + 1))?;
        let (block, layer) = (block.to_string(), layer.to_string());
        match place {
            0 => Some(self.join(&["up_blocks", &block, "resnets", &layer, self.resnet(rest)?])),
            1 | 2 if rest == "conv" => {
                Some(self.join(&["up_blocks", &block, "upsamplers", "0", "conv"]))
            }
            1 => Some(self.join(&["up_blocks", &block, "attentions", &layer, rest])),
            _ => None,
        }
    }

    fn resnet(&self, rest: &str) -> Option<&'static str> {
        Some(match rest.replace(self.between, "_").as_str() {
            "in_layers_0" => "norm1",
            "in_layers_2" => "conv1",
            "emb_layers_1" => "time_emb_proj",
            "out_layers_0" => "norm2",
            "out_layers_3" => "conv2",
            "skip_connection" => "conv_shortcut",
            _ => return None,
        })
    }

    fn number_before<'a>(&self, text: &'a str) -> Option<(usize, &'a str)> {
        let (number, rest) = text.split_once(self.between)?;
        Some((number.parse().ok()?, rest))
    }

    fn join(&self, parts: &[&str]) -> String {
        parts.join(&*self.between.encode_utf8(&mut [0; 4]))
    }
}

/// Beginnings of Stability's names.
const KINDS: [&str; 6] = [
    "input_blocks",
    "output_blocks",
    "middle_block",
    "time_embed",
    "label_emb",
    "out",
];

/// Modules outside the blocks: how they begin and end, and diffusers' name.
const OTHERS: [(&str, &str, &[&str]); 7] = [
    ("time_embed", "0", &["time_embedding", "linear_1"]),
    ("time_embed", "2", &["time_embedding", "linear_2"]),
    ("time_embed", "cond_proj", &["time_embedding", "cond_proj"]),
    ("label_emb", "0_0", &["add_embedding", "linear_1"]),
    ("label_emb", "0_2", &["add_embedding", "linear_2"]),
    ("out", "0", &["conv_norm_out"]),
    ("out", "2", &["conv_out"]),
];

/// In which block the layer with this number is, and its number there.
fn position(number: usize, counts: impl Iterator<Item = usize>) -> Option<(usize, usize)> {
    let mut rest = number;
    for (block, count) in counts.enumerate() {
        match rest.checked_sub(count) {
            None => return Some((block, rest)),
            Some(after) => rest = after,
        }
    }
    None
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
            let flat = SgmNames::new(vec![2; 3], '_');
            assert_eq!(flat.diffusers(sgm).as_deref(), Some(diffusers), "{sgm}");
        }
    }

    /// Blocks of one, two and one layers, in names with dots.
    #[test]
    fn every_block_has_its_own_count() {
        let names = SgmNames::new(vec![1, 2, 1], '.');
        for (sgm, diffusers) in [
            ("input_blocks.0.0", "conv_in"),
            ("input_blocks.2.0.op", "down_blocks.0.downsamplers.0.conv"),
            (
                "input_blocks.4.0.in_layers.0",
                "down_blocks.1.resnets.1.norm1",
            ),
            (
                "input_blocks.6.0.skip_connection",
                "down_blocks.2.resnets.0.conv_shortcut",
            ),
            (
                "middle_block.1.transformer_blocks.0.ff.net.0.proj",
                "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
            ),
            (
                "output_blocks.2.0.out_layers.0",
                "up_blocks.1.resnets.0.norm2",
            ),
            ("output_blocks.4.2.conv", "up_blocks.1.upsamplers.0.conv"),
            ("output_blocks.6.1.norm", "up_blocks.2.attentions.1.norm"),
            ("time_embed.cond_proj", "time_embedding.cond_proj"),
            ("label_emb.0.2", "add_embedding.linear_2"),
            ("out.0", "conv_norm_out"),
        ] {
            assert_eq!(names.diffusers(sgm).as_deref(), Some(diffusers), "{sgm}");
        }
        // One more than there are.
        assert_eq!(names.diffusers("output_blocks.7.0.in_layers.0"), None);
        assert_eq!(names.diffusers("input_blocks.9.0.op"), None);
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "down_blocks_0_resnets_0_conv1",
            "input_blocks_x",
            "middle_block_7_proj",
            "",
        ] {
            assert_eq!(
                SgmNames::new(vec![2; 3], '_').diffusers(name),
                None,
                "{name}"
            );
        }
    }
}
