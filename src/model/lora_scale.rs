//! How strong a LoRA is: `alpha / rank`, wherever the file keeps its alpha.

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
            .and_then(|pattern| longest_match(pattern, module))
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

/// PEFT's patterns name a module or the end of its path.
fn longest_match<'a>(pattern: &'a Map<String, Value>, module: &str) -> Option<&'a Value> {
    pattern
        .iter()
        .filter(|(name, _)| module == name.as_str() || module.ends_with(&format!(".{name}")))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, alpha)| alpha)
}

/// Refuses settings of PEFT that make of the same tensors something else than a plain LoRA.
fn refuse_unsupported(
    file: &SafetensorsFile,
    settings: &Map<String, Value>,
) -> Result<(), ModelError> {
    for (key, value) in settings {
        let reason = match (key.rsplit('.').next().unwrap_or(key), value) {
            ("use_dora", Value::Bool(true)) => {
                "is DoRA's, which is not supported: use a plain LoRA"
            }
            ("init_lora_weights", Value::String(start))
                if CHANGE_THE_BASE.iter().any(|name| start.starts_with(name)) =>
            {
                "was started in a way that changes the model's own weights: convert it to a plain LoRA \
                 (PEFT's `path_initial_model_for_weight_conversion`)"
            }
            _ => continue,
        };
        return Err(ModelError::Lora {
            path: file.path().to_owned(),
            key: key.clone(),
            reason: reason.to_owned(),
        });
    }
    Ok(())
}
