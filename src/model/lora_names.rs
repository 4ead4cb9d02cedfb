//! The names that LoRA files give to a model's weights.

use std::collections::HashMap;
use std::fmt;

use super::Weights;
use super::sgm_names::SgmNames;
use super::transformer_names::{OriginalModule, TransformerNames};

/// The part of a model that a LoRA changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The denoising network, a UNet unless the model has a transformer.
    UNet,
    /// A diffusion transformer.
    Transformer,
    /// The first text encoder.
    TextEncoder,
    /// SDXL's and Stable Diffusion 3's second text encoder. FLUX.1 calls T5 so.
    TextEncoder2,
    /// Stable Diffusion 3's T5.
    TextEncoder3,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UNet => "unet",
            Self::Transformer => "transformer",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
            Self::TextEncoder3 => "text_encoder_3",
        })
    }
}

/// What a tensor of a LoRA file is. The names are those of PEFT, kohya and LyCORIS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Down,
    Up,
    /// The kernel between the two, of a convolution (LoCon).
    Mid,
    Alpha,
    /// DoRA's magnitudes.
    Magnitude,
    /// LoHa's two pairs.
    HadaW1A,
    HadaW1B,
    HadaW2A,
    HadaW2B,
    /// LoKr's two factors, whole or as pairs.
    LokrW1,
    LokrW1A,
    LokrW1B,
    LokrW2,
    LokrW2A,
    LokrW2B,
    /// The whole difference.
    Diff,
}

/// A key of a LoRA file, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoraKey {
    pub target: Target,
    /// The changed module: dotted as in the model, or with kohya's underscores.
    pub module: String,
    pub part: Part,
}

/// Ends of keys: PEFT's, diffusers' (three generations), kohya's, LyCORIS'.
const ENDS: [(&str, Part); 28] = [
    (".lora_A.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora_A", Part::Down),
    (".lora_B", Part::Up),
    (".lora.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    (".lora_linear_layer.down.weight", Part::Down),
    (".lora_linear_layer.up.weight", Part::Up),
    ("_lora.down.weight", Part::Down),
    ("_lora.up.weight", Part::Up),
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
    (".lora_mid.weight", Part::Mid),
    (".alpha", Part::Alpha),
    (".lora_magnitude_vector.weight", Part::Magnitude),
    (".lora_magnitude_vector", Part::Magnitude),
    (".dora_scale", Part::Magnitude),
    (".hada_w1_a", Part::HadaW1A),
    (".hada_w1_b", Part::HadaW1B),
    (".hada_w2_a", Part::HadaW2A),
    (".hada_w2_b", Part::HadaW2B),
    (".lokr_w1", Part::LokrW1),
    (".lokr_w1_a", Part::LokrW1A),
    (".lokr_w1_b", Part::LokrW1B),
    (".lokr_w2", Part::LokrW2),
    (".lokr_w2_a", Part::LokrW2A),
    (".lokr_w2_b", Part::LokrW2B),
    (".diff", Part::Diff),
];

/// Ends of keys that change a model in ways that are not supported; to leave one out would make
/// another picture.
const UNSUPPORTED: [(&str, &str); 10] = [
    (".hada_t1", "is a LoHa's middle of a convolution"),
    (".hada_t2", "is a LoHa's middle of a convolution"),
    (".lokr_t2", "is a LoKr's middle of a convolution"),
    (".diff_b", "is a change of a bias"),
    (".lora_B.bias", "is a change of a bias"),
    (".set_weight", "puts a whole weight in place"),
    (".w_norm", "is a change of a normalisation"),
    (".b_norm", "is a change of a normalisation"),
    (".oft_blocks", "is OFT's"),
    (".on_input", "is (IA)³'s"),
];

/// Beginnings of keys; the longer of two that fit comes first.
const BEGINNINGS: [(&str, Target); 23] = [
    ("lora_unet_", Target::UNet),
    ("lycoris_unet_", Target::UNet),
    ("lycoris_", Target::UNet),
    ("lora_transformer_", Target::Transformer),
    ("transformer.", Target::Transformer),
    ("lora_te1_", Target::TextEncoder),
    ("lora_te2_", Target::TextEncoder2),
    ("lora_te3_", Target::TextEncoder3),
    ("lora_te_", Target::TextEncoder),
    ("model.diffusion_model.", Target::UNet),
    ("diffusion_model.", Target::UNet),
    ("unet.", Target::UNet),
    ("text_encoders.clip_l.transformer.", Target::TextEncoder),
    ("text_encoders.clip_g.transformer.", Target::TextEncoder2),
    ("text_encoders.t5xxl.transformer.", Target::TextEncoder3),
    ("t5xxl.transformer.", Target::TextEncoder3),
    ("clip_l.transformer.", Target::TextEncoder),
    ("clip_g.transformer.", Target::TextEncoder2),
    ("cond_stage_model.transformer.", Target::TextEncoder),
    ("text_encoder_3.", Target::TextEncoder3),
    ("text_encoder_2.", Target::TextEncoder2),
    ("text_encoder.", Target::TextEncoder),
    ("text_model.", Target::TextEncoder),
];

impl LoraKey {
    /// Takes a key apart; none where it is not a LoRA's at all, such as an embedding that lies in
    /// the same file.
    ///
    /// # Errors
    /// What the key is, where it changes the model in a way that is not supported.
    pub fn parse(key: &str) -> Result<Option<Self>, String> {
        let key = without_adapter_name(key);
        let unsupported = UNSUPPORTED.iter().find(|(end, _)| key.ends_with(end));
        if let Some((_, kind)) = unsupported {
            return Err(format!("{kind}, which is not supported: use a plain LoRA"));
        }
        let ends = ENDS.iter();
        let mut found = ends.filter_map(|(end, part)| Some((key.strip_suffix(end)?, *part)));
        let Some((path, part)) = found.next() else {
            return Ok(None);
        };
        let path = path.strip_prefix("base_model.model.").unwrap_or(path);
        let beginning = BEGINNINGS
            .iter()
            .find_map(|(beginning, target)| Some((path.strip_prefix(beginning)?, *target)));
        let (module, target) = beginning.unwrap_or((path, Target::UNet));
        Ok(Some(Self {
            target,
            module: module.replace(".processor.", "."),
            part,
        }))
    }
}

/// PEFT keeps several adapters side by side, and some tools save their names with them:
/// `lora_A.default_0.weight`.
fn without_adapter_name(key: &str) -> String {
    for part in [".lora_A.", ".lora_B.", ".lora_magnitude_vector."] {
        if let Some((path, rest)) = key.split_once(part)
            && let Some(name) = rest.strip_suffix(".weight")
            && !name.contains('.')
        {
            return format!("{path}{part}weight");
        }
    }
    key.to_owned()
}

/// Ends of names in a text encoder's attention, old and as transformers has them.
const ATTENTION: [(&str, &str); 4] = [
    ("_self_attn_to_q", "_self_attn_q_proj"),
    ("_self_attn_to_k", "_self_attn_k_proj"),
    ("_self_attn_to_v", "_self_attn_v_proj"),
    ("_self_attn_to_out", "_self_attn_out_proj"),
];

/// A model's weights by their names with underscores for dots: kohya's naming, which every other
/// naming can be turned into.
pub(super) struct WeightNames {
    by_flat_name: HashMap<String, String>,
    sgm: SgmNames,
    transformer: Option<TransformerNames>,
}

/// The weights that a LoRA's module changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed<'a> {
    /// The names of the tensors. Of several, the module has the outputs one after another.
    pub names: Vec<&'a str>,
    /// Whether the module has the second half of the outputs first.
    pub swaps_halves: bool,
}

impl WeightNames {
    /// The names of all weights (not biases).
    pub fn new(weights: &Weights) -> Self {
        let modules = weights
            .names()
            .filter_map(|name| Some((name.strip_suffix(".weight")?, name)));
        let flat = modules.map(|(module, name)| (module.replace('.', "_"), name.clone()));
        let by_flat_name: HashMap<String, String> = flat.collect();
        let layers_of = |block: usize| {
            let has = |layer: &usize| {
                by_flat_name.contains_key(&format!("down_blocks_{block}_resnets_{layer}_conv1"))
            };
            (0..).take_while(has).count()
        };
        let layers_per_block = (0..).map(layers_of).take_while(|layers| *layers > 0);
        Self {
            sgm: SgmNames::new(layers_per_block.collect(), '_'),
            transformer: TransformerNames::of(|module| by_flat_name.contains_key(module)),
            by_flat_name,
        }
    }

    /// Whether the network is a diffusion transformer.
    pub fn are_of_a_transformer(&self) -> bool {
        self.transformer.is_some()
    }

    /// The weights that a LoRA's module changes; none where it fits none of the network's.
    pub fn find(&self, module: &str) -> Option<Changed<'_>> {
        let flat = module.replace('.', "_");
        // diffusers 0.17 called a text encoder's projections as its own attention's.
        let flat = ATTENTION
            .iter()
            .find_map(|(old, new)| Some(format!("{}{new}", flat.strip_suffix(old)?)))
            .unwrap_or(flat);
        let candidates = [
            // Old files leave out the list that the output layer is in.
            flat.ends_with("_to_out").then(|| format!("{flat}_0")),
            // Text encoders may or may not have the outer module's name, on either side.
            Some(format!("text_model_{flat}")),
            flat.strip_prefix("text_model_").map(str::to_owned),
            self.sgm.diffusers(&flat),
            Some(flat.clone()),
        ];
        let named = candidates
            .into_iter()
            .flatten()
            .find_map(|name| self.by_flat_name.get(&name));
        if let Some(name) = named {
            return Some(Changed {
                names: vec![name],
                swaps_halves: false,
            });
        }
        let OriginalModule {
            modules,
            swaps_halves,
        } = self.transformer?.find(&flat)?;
        let names = modules
            .iter()
            .map(|module| Some(self.by_flat_name.get(module)?.as_str()));
        Some(Changed {
            names: names.collect::<Option<_>>()?,
            swaps_halves,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(key: &str) -> (Target, String, Part) {
        let LoraKey {
            target,
            module,
            part,
        } = LoraKey::parse(key).unwrap().unwrap();
        (target, module, part)
    }

    #[test]
    fn every_naming_says_the_same() {
        let module = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
        for key in [
            format!("unet.{module}.lora_A.weight"),
            format!("{module}.lora_A.weight"),
            format!("unet.{module}.lora_A.default_0.weight"),
            format!("unet.{module}.lora_A.a-style.weight"),
            format!("diffusion_model.{module}.lora_down.weight"),
            format!("base_model.model.{module}.lora_A.weight"),
            format!("unet.{module}.lora.down.weight"),
            format!(
                "unet.{}_lora.down.weight",
                module.replace("to_q", "processor.to_q")
            ),
        ] {
            assert_eq!(
                parsed(&key),
                (Target::UNet, module.to_owned(), Part::Down),
                "{key}"
            );
        }
        assert_eq!(
            parsed("transformer.transformer_blocks.0.attn.to_q.lora_A.weight"),
            (
                Target::Transformer,
                "transformer_blocks.0.attn.to_q".to_owned(),
                Part::Down
            )
        );
        let flat = module.replace('.', "_");
        let kohya = format!("lora_unet_{flat}");
        assert_eq!(
            parsed(&format!("{kohya}.lora_up.weight")),
            (Target::UNet, flat.clone(), Part::Up)
        );
        assert_eq!(
            parsed(&format!("{kohya}.alpha")),
            (Target::UNet, flat, Part::Alpha)
        );
    }

    #[test]
    fn text_encoders_are_told_apart() {
        let end = "text_model_encoder_layers_0_mlp_fc1.lora_down.weight";
        assert_eq!(parsed(&format!("lora_te_{end}")).0, Target::TextEncoder);
        assert_eq!(parsed(&format!("lora_te1_{end}")).0, Target::TextEncoder);
        assert_eq!(parsed(&format!("lora_te2_{end}")).0, Target::TextEncoder2);
        let dotted =
            "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_linear_layer.up.weight";
        let module = "text_model.encoder.layers.0.mlp.fc1".to_owned();
        assert_eq!(parsed(dotted), (Target::TextEncoder2, module, Part::Up));
    }

    #[test]
    fn what_is_foreign_is_no_key_and_what_is_unsupported_is_named() {
        for key in [
            "bundle_emb.word.string_to_param",
            "conv_in.weight",
            "emb_params",
        ] {
            assert_eq!(LoraKey::parse(key), Ok(None), "{key}");
        }
        for (key, kind) in [
            ("lora_unet_x.hada_t1", "LoHa"),
            ("lora_unet_x.diff_b", "bias"),
            ("lora_unet_x.oft_blocks", "OFT"),
        ] {
            assert!(LoraKey::parse(key).unwrap_err().contains(kind), "{key}");
        }
    }
}
