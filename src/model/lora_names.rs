//! The names that LoRA files give to a model's weights.

use std::collections::HashMap;
use std::fmt;

use super::Weights;
use super::sgm_names::diffusers_from_sgm;

/// The part of a model that a LoRA changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The denoising network.
    UNet,
    /// The first text encoder.
    TextEncoder,
    /// SDXL's second text encoder.
    TextEncoder2,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UNet => "unet",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
        })
    }
}

/// What a tensor of a LoRA file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Down,
    Up,
    Alpha,
}

/// A key of a LoRA file, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoraKey {
    pub target: Target,
    /// The changed module: dotted as in the model, or with kohya's underscores.
    pub module: String,
    pub part: Part,
}

/// Ends of keys: PEFT's, diffusers' (three generations), kohya's.
const ENDS: [(&str, Part); 10] = [
    (".lora_A.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    (".lora_linear_layer.down.weight", Part::Down),
    (".lora_linear_layer.up.weight", Part::Up),
    ("_lora.down.weight", Part::Down),
    ("_lora.up.weight", Part::Up),
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
];

/// Beginnings of keys; the longer of two that fit comes first.
const BEGINNINGS: [(&str, Target); 8] = [
    ("lora_unet_", Target::UNet),
    ("lora_te1_", Target::TextEncoder),
    ("lora_te2_", Target::TextEncoder2),
    ("lora_te_", Target::TextEncoder),
    ("unet.", Target::UNet),
    ("text_encoder_2.", Target::TextEncoder2),
    ("text_encoder.", Target::TextEncoder),
    ("text_model.", Target::TextEncoder),
];

impl LoraKey {
    /// Takes a key apart, or says why it is not one.
    pub fn parse(key: &str) -> Result<Self, &'static str> {
        if key.ends_with("lora_magnitude_vector") || key.ends_with("dora_scale") {
            return Err("is DoRA's, which is not supported: use a plain LoRA");
        }
        let (path, part) = match key.strip_suffix(".alpha") {
            Some(path) => (path, Part::Alpha),
            None => ENDS
                .iter()
                .find_map(|(end, part)| Some((key.strip_suffix(end)?, *part)))
                .ok_or(
                    "is not a LoRA's down, up or alpha tensor, which is all that is supported",
                )?,
        };
        let path = path.strip_prefix("base_model.model.").unwrap_or(path);
        let found = BEGINNINGS
            .iter()
            .find_map(|(beginning, target)| Some((path.strip_prefix(beginning)?, *target)));
        let (module, target) = found.unwrap_or((path, Target::UNet));
        Ok(Self {
            target,
            module: module.replace(".processor.", "."),
            part,
        })
    }
}

/// A model's weights by their names with underscores for dots: kohya's naming, which every other
/// naming can be turned into.
pub(super) struct WeightNames {
    by_flat_name: HashMap<String, String>,
    layers_per_block: usize,
}

impl WeightNames {
    /// The names of all weights (not biases).
    pub fn new(weights: &Weights) -> Self {
        let modules = weights
            .names()
            .filter_map(|name| Some((name.strip_suffix(".weight")?, name)));
        let flat = modules.map(|(module, name)| (module.replace('.', "_"), name.clone()));
        let by_flat_name: HashMap<String, String> = flat.collect();
        let layers_per_block = (0..)
            .take_while(|layer| {
                by_flat_name.contains_key(&format!("down_blocks_0_resnets_{layer}_conv1"))
            })
            .count();
        Self {
            by_flat_name,
            layers_per_block,
        }
    }

    /// The name of the weight that a LoRA's module changes.
    pub fn find(&self, module: &str) -> Option<&str> {
        let flat = module.replace('.', "_");
        let candidates = [
            // Old files leave out the list that the output layer is in.
            flat.ends_with("_to_out").then(|| format!("{flat}_0")),
            // Text encoders may or may not have the outer module's name, on either side.
            Some(format!("text_model_{flat}")),
            flat.strip_prefix("text_model_").map(str::to_owned),
            diffusers_from_sgm(&flat, self.layers_per_block),
            Some(flat.clone()),
        ];
        candidates
            .into_iter()
            .flatten()
            .find_map(|name| self.by_flat_name.get(&name))
            .map(String::as_str)
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
        } = LoraKey::parse(key).unwrap();
        (target, module, part)
    }

    #[test]
    fn every_naming_says_the_same() {
        let module = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
        for key in [
            format!("unet.{module}.lora_A.weight"),
            format!("{module}.lora_A.weight"),
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
    fn other_kinds_of_files_are_refused() {
        for key in [
            "unet.x.lora_magnitude_vector",
            "lora_unet_x.dora_scale",
            "lora_unet_x.hada_w1_a",
            "conv_in.weight",
        ] {
            assert!(LoraKey::parse(key).is_err(), "{key}");
        }
    }
}
