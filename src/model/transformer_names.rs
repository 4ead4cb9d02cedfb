//! The names that the original code of FLUX.1 and Stable Diffusion 3 gives to a transformer's
//! modules, which most LoRAs of them use, turned into diffusers'
//! (`diffusers.loaders.single_file_utils`). Both with underscores for dots.

/// The transformer that names are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransformerNames {
    Flux,
    Sd3 {
        /// How many blocks there are: the last one is made otherwise.
        blocks: usize,
    },
}

/// Where a module of the original code lies in diffusers' network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OriginalModule {
    /// The modules whose outputs the original has one after another in this one.
    pub modules: Vec<String>,
    /// Whether diffusers has the two halves of the outputs the other way round: the original makes
    /// a shift and a scale, `AdaLayerNormContinuous` a scale and a shift.
    pub swaps_halves: bool,
}

/// The parts of a block: the original's name, and diffusers' of what it holds.
type Parts = &'static [(&'static str, &'static [&'static str])];

const FLUX_DOUBLE: Parts = &[
    ("img_mod_lin", &["norm1_linear"]),
    ("txt_mod_lin", &["norm1_context_linear"]),
    ("img_attn_qkv", &["attn_to_q", "attn_to_k", "attn_to_v"]),
    (
        "txt_attn_qkv",
        &["attn_add_q_proj", "attn_add_k_proj", "attn_add_v_proj"],
    ),
    ("img_attn_proj", &["attn_to_out_0"]),
    ("txt_attn_proj", &["attn_to_add_out"]),
    ("img_mlp_0", &["ff_net_0_proj"]),
    ("img_mlp_2", &["ff_net_2"]),
    ("txt_mlp_0", &["ff_context_net_0_proj"]),
    ("txt_mlp_2", &["ff_context_net_2"]),
];

const FLUX_SINGLE: Parts = &[
    ("modulation_lin", &["norm_linear"]),
    (
        "linear1",
        &["attn_to_q", "attn_to_k", "attn_to_v", "proj_mlp"],
    ),
    ("linear2", &["proj_out"]),
];

const SD3_JOINT: Parts = &[
    ("x_block_adaLN_modulation_1", &["norm1_linear"]),
    (
        "context_block_adaLN_modulation_1",
        &["norm1_context_linear"],
    ),
    ("x_block_attn_qkv", &["attn_to_q", "attn_to_k", "attn_to_v"]),
    (
        "x_block_attn2_qkv",
        &["attn2_to_q", "attn2_to_k", "attn2_to_v"],
    ),
    (
        "context_block_attn_qkv",
        &["attn_add_q_proj", "attn_add_k_proj", "attn_add_v_proj"],
    ),
    ("x_block_attn_proj", &["attn_to_out_0"]),
    ("x_block_attn2_proj", &["attn2_to_out_0"]),
    ("context_block_attn_proj", &["attn_to_add_out"]),
    ("x_block_mlp_fc1", &["ff_net_0_proj"]),
    ("x_block_mlp_fc2", &["ff_net_2"]),
    ("context_block_mlp_fc1", &["ff_context_net_0_proj"]),
    ("context_block_mlp_fc2", &["ff_context_net_2"]),
];

/// Modules outside the blocks.
const FLUX_OTHERS: Parts = &[
    ("img_in", &["x_embedder"]),
    ("txt_in", &["context_embedder"]),
    (
        "time_in_in_layer",
        &["time_text_embed_timestep_embedder_linear_1"],
    ),
    (
        "time_in_out_layer",
        &["time_text_embed_timestep_embedder_linear_2"],
    ),
    (
        "vector_in_in_layer",
        &["time_text_embed_text_embedder_linear_1"],
    ),
    (
        "vector_in_out_layer",
        &["time_text_embed_text_embedder_linear_2"],
    ),
    (
        "guidance_in_in_layer",
        &["time_text_embed_guidance_embedder_linear_1"],
    ),
    (
        "guidance_in_out_layer",
        &["time_text_embed_guidance_embedder_linear_2"],
    ),
    ("final_layer_linear", &["proj_out"]),
    (FINAL_NORM, &["norm_out_linear"]),
];

const SD3_OTHERS: Parts = &[
    ("x_embedder_proj", &["pos_embed_proj"]),
    (
        "t_embedder_mlp_0",
        &["time_text_embed_timestep_embedder_linear_1"],
    ),
    (
        "t_embedder_mlp_2",
        &["time_text_embed_timestep_embedder_linear_2"],
    ),
    (
        "y_embedder_mlp_0",
        &["time_text_embed_text_embedder_linear_1"],
    ),
    (
        "y_embedder_mlp_2",
        &["time_text_embed_text_embedder_linear_2"],
    ),
    ("final_layer_linear", &["proj_out"]),
    (FINAL_NORM, &["norm_out_linear"]),
];

const FINAL_NORM: &str = "final_layer_adaLN_modulation_1";

impl TransformerNames {
    /// The names of the transformer that has such modules; none where it is not one of these.
    pub fn of(has_module: impl Fn(&str) -> bool) -> Option<Self> {
        let has_block = |block: &usize| {
            let module = format!("transformer_blocks_{block}_attn_add_q_proj");
            has_module(&module)
        };
        if !has_block(&0) {
            return None;
        }
        if has_module("x_embedder") {
            return Some(Self::Flux);
        }
        has_module("pos_embed_proj").then(|| Self::Sd3 {
            blocks: (0..).take_while(has_block).count(),
        })
    }

    /// Where a module lies. None when the name is not one of this transformer's original code.
    pub fn find(self, module: &str) -> Option<OriginalModule> {
        let (others, blocks): (Parts, &[(&str, &str, Parts)]) = match self {
            Self::Flux => (
                FLUX_OTHERS,
                &[
                    ("double_blocks_", "transformer_blocks", FLUX_DOUBLE),
                    ("single_blocks_", "single_transformer_blocks", FLUX_SINGLE),
                ],
            ),
            Self::Sd3 { .. } => (
                SD3_OTHERS,
                &[("joint_blocks_", "transformer_blocks", SD3_JOINT)],
            ),
        };
        let in_block = blocks
            .iter()
            .find_map(|(begins, own, parts)| Some((module.strip_prefix(begins)?, *own, *parts)));
        let Some((rest, own, parts)) = in_block else {
            return Some(OriginalModule {
                modules: named(others, module)?.map(str::to_owned).collect(),
                swaps_halves: module == FINAL_NORM,
            });
        };
        let (number, part) = rest.split_once('_')?;
        let number: usize = number.parse().ok()?;
        let is_last = matches!(self, Self::Sd3 { blocks } if blocks.checked_sub(1) == Some(number));
        Some(OriginalModule {
            modules: named(parts, part)?
                .map(|name| format!("{own}_{number}_{name}"))
                .collect(),
            swaps_halves: is_last && part == "context_block_adaLN_modulation_1",
        })
    }
}

fn named(parts: Parts, wanted: &str) -> Option<impl Iterator<Item = &'static str>> {
    let (_, names) = parts.iter().find(|(name, _)| *name == wanted)?;
    Some(names.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: TransformerNames, module: &str) -> (Vec<String>, bool) {
        let OriginalModule {
            modules,
            swaps_halves,
        } = names.find(module).unwrap();
        (modules, swaps_halves)
    }

    #[test]
    fn what_is_one_layer_in_the_original_is_several_here() {
        let (modules, swaps) = found(TransformerNames::Flux, "single_blocks_17_linear1");
        let own = |part: &str| format!("single_transformer_blocks_17_{part}");
        let wanted = ["attn_to_q", "attn_to_k", "attn_to_v", "proj_mlp"].map(own);
        assert_eq!((modules.as_slice(), swaps), (wanted.as_slice(), false));
        let sd3 = TransformerNames::Sd3 { blocks: 24 };
        let (modules, _) = found(sd3, "joint_blocks_3_context_block_attn_qkv");
        assert_eq!(modules[1], "transformer_blocks_3_attn_add_k_proj");
    }

    #[test]
    fn halves_are_swapped_where_nothing_follows() {
        let sd3 = TransformerNames::Sd3 { blocks: 24 };
        for (names, module, swaps) in [
            (TransformerNames::Flux, FINAL_NORM, true),
            (sd3, FINAL_NORM, true),
            (
                sd3,
                "joint_blocks_23_context_block_adaLN_modulation_1",
                true,
            ),
            (
                sd3,
                "joint_blocks_22_context_block_adaLN_modulation_1",
                false,
            ),
            (sd3, "joint_blocks_23_x_block_adaLN_modulation_1", false),
            (TransformerNames::Flux, "double_blocks_0_img_mod_lin", false),
        ] {
            assert_eq!(found(names, module).1, swaps, "{module}");
        }
    }

    #[test]
    fn names_of_another_transformer_are_left_alone() {
        for (names, module) in [
            (TransformerNames::Flux, "joint_blocks_0_x_block_attn_qkv"),
            (TransformerNames::Flux, "double_blocks_x_img_attn_qkv"),
            (TransformerNames::Flux, "double_blocks_0_img_attn_qkv_lora1"),
            (
                TransformerNames::Sd3 { blocks: 2 },
                "double_blocks_0_img_attn_qkv",
            ),
        ] {
            assert_eq!(names.find(module), None, "{module}");
        }
        assert_eq!(TransformerNames::of(|name| name == "conv_in"), None);
    }
}
