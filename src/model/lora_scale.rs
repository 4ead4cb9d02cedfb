//! How strong a LoRA is: `alpha / rank`, wherever the file keeps its alpha.

use regex::Regex;
use serde_json::{Map, Value};

use super::lora_names::Target;
use super::{ConfigFile, ModelError, SafetensorsFile};

/// PEFT's ways of starting a LoRA that also change the weights it is added to.
const CHANGE_THE_BASE: [&str; 4] = ["pissa", "olora", "corda", "lora_ga"];

/// What a LoRA file says about its alphas beside the tensors: diffusers writes PEFT's settings
/// into the header's `lora_adapter_metadata`, PEFT itself into `adapter_config.json`.
#[derive(Debug, Default)]
pub(super) struct Alphas {
    settings: Map<String, Value>,
}

impl Alphas {
    pub fn read(file: &SafetensorsFile) -> Result<Self, ModelError> {
        let beside = file.path().with_file_name("adapter_config.json");
        let settings = if let Some(text) = file.note("lora_adapter_metadata") {
            serde_json::from_str(text).map_err(|error| ModelError::Damaged {
                path: file.path().to_owned(),
                reason: format!("its lora_adapter_metadata cannot be parsed: {error}"),
            })?
        } else if beside.is_file() {
            ConfigFile::read(&beside)?.fields().clone()
        } else {
            Map::new()
        };
        refuse_unsupported(file, &settings)?;
        Ok(Self { settings })
    }

    /// The factor of one change: its own alpha if the file has one, else the settings' alpha,
    /// else the rank (factor 1). With `use_rslora`, divided by the rank's square root instead.
    pub fn scale(&self, target: Target, module: &str, own: Option<f64>, rank: usize) -> f64 {
        let rank = rank.max(1) as f64;
        if let Some(alpha) = own {
            return alpha / rank;
        }
        let pattern = self
            .setting(target, "alpha_pattern")
            .and_then(Value::as_object);
        let alpha = pattern
            .and_then(|pattern| first_match(pattern, module))
            .or_else(|| self.setting(target, "lora_alpha"))
            .and_then(Value::as_f64);
        let stabilised = self.setting(target, "use_rslora").and_then(Value::as_bool);
        match (alpha, stabilised) {
            (Some(alpha), Some(true)) => alpha / rank.sqrt(),
            (Some(alpha), _) => alpha / rank,
            (None, _) => 1.0,
        }
    }

    /// A setting of the target, or of the whole file.
    fn setting(&self, target: Target, name: &str) -> Option<&Value> {
        self.settings
            .get(&format!("{target}.{name}"))
            .or_else(|| self.settings.get(name))
    }
}

/// The first of PEFT's patterns that matches a module or the end of its path
/// (`peft.utils.other.get_pattern_key`): each is a regular expression.
fn first_match<'a>(patterns: &'a Map<String, Value>, module: &str) -> Option<&'a Value> {
    patterns
        .iter()
        .find(|(pattern, _)| whole_path(pattern).is_ok_and(|regex| regex.is_match(module)))
        .map(|(_, alpha)| alpha)
}

fn whole_path(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!(r"^(.*\.)?({pattern})$"))
}

/// Refuses settings of PEFT that make of the same tensors something else than a plain LoRA.
fn refuse_unsupported(
    file: &SafetensorsFile,
    settings: &Map<String, Value>,
) -> Result<(), ModelError> {
    let refuse = |key: &str, reason: String| ModelError::Lora {
        path: file.path().to_owned(),
        key: key.to_owned(),
        reason,
    };
    for (key, value) in settings {
        if let (true, Value::Object(patterns)) = (key.ends_with("alpha_pattern"), value) {
            for pattern in patterns.keys() {
                whole_path(pattern).map_err(|_| {
                    let reason = format!("has a pattern that cannot be read, {pattern:?}");
                    refuse(key, reason)
                })?;
            }
        }
        let reason = match (key.rsplit('.').next().unwrap_or(key), value) {
            ("init_lora_weights", Value::String(start))
                if CHANGE_THE_BASE.iter().any(|name| start.starts_with(name)) =>
            {
                "was started in a way that changes the model's own weights: convert it to a plain LoRA \
                 (PEFT's `path_initial_model_for_weight_conversion`)"
            }
            _ => continue,
        };
        return Err(refuse(key, reason.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_regular_expressions_of_whole_names() {
        let module = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
        for (pattern, matches) in [
            (r"down_blocks.*attn1\.to_q", true),
            ("to_q", true),
            ("attn1.to_q", true),
            ("o_q", false),
            ("attn1", false),
            (r"attn[12]\.to_(q|k)", true),
        ] {
            let mut patterns = Map::new();
            patterns.insert(pattern.to_owned(), Value::from(16));
            assert_eq!(
                first_match(&patterns, module).is_some(),
                matches,
                "{pattern}"
            );
        }
    }
}
