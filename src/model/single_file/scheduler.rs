//! The scheduler that a checkpoint gets, which no file of one part has, and what its UNet predicts.

use std::path::Path;

use serde_json::{Value, json};

use super::line::Line;
use super::shapes::Shapes;
use crate::model::{Prediction, SafetensorsFile};

/// The training step at which Stable Diffusion 2's base model was published, which predicts noise;
/// diffusers goes by it.
const STEP_OF_SD2_BASE: u64 = 875_000;

/// What a UNet predicts, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct Told {
    pub prediction: Prediction,
    /// A sentence for people, where it is not the line's usual.
    pub notice: Option<String>,
    /// The noise at the last timestep is all that there is.
    pub zero_snr: bool,
}

/// Finds out what a UNet predicts: from what was asked for, or from the tensors that mark it, the
/// file's notes or the YAML file beside it, and for Stable Diffusion 2 as diffusers does.
pub(in crate::model) fn prediction(
    asked: Option<Prediction>,
    line: Line,
    in_channels: usize,
    shapes: &Shapes,
    file: &SafetensorsFile,
) -> Told {
    let zero_snr = shapes.has("ztsnr");
    let told = |prediction: Prediction, notice: Option<String>| Told {
        prediction,
        notice,
        zero_snr: zero_snr && prediction == Prediction::V,
    };
    if let Some(prediction) = asked {
        return told(prediction, None);
    }
    let says = |who: &str, prediction: Prediction| {
        let name = prediction.name();
        told(
            prediction,
            Some(format!("It predicts {name}, as {who} says.")),
        )
    };
    if shapes.has("v_pred") {
        return says("the tensor `v_pred`", Prediction::V);
    }
    let yaml = file.path().with_extension("yaml");
    if let Some(prediction) = told_by_yaml(&yaml) {
        let name = yaml.file_name().unwrap_or_default().to_string_lossy();
        return says(&format!("{name} beside it"), prediction);
    }
    let notes = ["modelspec.prediction_type", "modelspec.predict_key"];
    let note = notes.iter().find_map(|key| from_name(file.note(key)?));
    if let Some(prediction) = note {
        return says("its own note", prediction);
    }
    if line != Line::Sd2 || in_channels != 4 {
        return told(Prediction::Epsilon, None);
    }
    let way_out = "give it as --prediction where pictures come out as noise or grey";
    match global_step(file) {
        Some(STEP_OF_SD2_BASE) => told(
            Prediction::Epsilon,
            Some(format!(
                "No tensor tells what it predicts; its training step is the one of the base model, \
                 so epsilon is taken, as diffusers does: {way_out}."
            )),
        ),
        _ => told(
            Prediction::V,
            Some(format!(
                "No tensor tells what it predicts: v_prediction is taken, as diffusers does for \
                 Stable Diffusion 2; {way_out} (models of 512 pixels predict epsilon)."
            )),
        ),
    }
}

fn from_name(name: &str) -> Option<Prediction> {
    match name.trim() {
        "v" | "v_prediction" | "v-prediction" | "velocity" => Some(Prediction::V),
        "eps" | "epsilon" => Some(Prediction::Epsilon),
        _ => None,
    }
}

/// `parameterization: "v"` in the file that Stability's own code reads.
fn told_by_yaml(path: &Path) -> Option<Prediction> {
    let text = std::fs::read_to_string(path).ok()?;
    let lines = text.lines().map(str::trim);
    let value = lines
        .filter_map(|line| line.strip_prefix("parameterization:"))
        .next()?;
    let value = value.split('#').next()?.trim();
    from_name(value.trim_matches(['"', '\'']))
}

/// A whole number in the file, whatever its format.
fn global_step(file: &SafetensorsFile) -> Option<u64> {
    let bytes = file.read_bytes("global_step").ok()?;
    match *bytes.as_slice() {
        [a, b, c, d] => Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Some(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

/// The class and the settings of the scheduler that diffusers' own folder of this line has.
pub(in crate::model) fn scheduler(
    line: Line,
    in_channels: usize,
    embeds_guidance: bool,
    told: &Told,
) -> (&'static str, Value) {
    let class = match line {
        _ if embeds_guidance => "LCMScheduler",
        // What trains with no signal at the end must begin there.
        _ if told.zero_snr => "EulerDiscreteScheduler",
        Line::Sdxl => "EulerDiscreteScheduler",
        _ if in_channels == 8 => "EulerAncestralDiscreteScheduler",
        Line::Sd1 => "PNDMScheduler",
        Line::Sd2 if in_channels == 4 => "DDIMScheduler",
        Line::Sd2 => "PNDMScheduler",
    };
    let mut config = json!({
        "_class_name": class,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": told.prediction.name(),
        "trained_betas": null,
    });
    let others = match class {
        "LCMScheduler" => json!({
            "clip_sample": false, "set_alpha_to_one": true, "steps_offset": 0,
            "original_inference_steps": 50, "timestep_spacing": "leading",
        }),
        "PNDMScheduler" => json!({
            "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1,
            "timestep_spacing": "leading",
        }),
        "DDIMScheduler" => json!({
            "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 1,
            "timestep_spacing": "leading",
        }),
        "EulerDiscreteScheduler" if told.zero_snr => json!({
            "timestep_spacing": "trailing", "steps_offset": 1, "use_karras_sigmas": false,
            "interpolation_type": "linear", "rescale_betas_zero_snr": true,
        }),
        "EulerDiscreteScheduler" => json!({
            "timestep_spacing": "leading", "steps_offset": 1, "use_karras_sigmas": false,
            "interpolation_type": "linear",
        }),
        _ => json!({ "timestep_spacing": "leading", "steps_offset": 1 }),
    };
    if let (Value::Object(all), Value::Object(others)) = (&mut config, others) {
        all.extend(others);
    }
    (class, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_files_beside_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v2-inference-v.yaml");
        for (text, wanted) in [
            (
                "model:\n  params:\n    parameterization: \"v\"\n",
                Some(Prediction::V),
            ),
            (
                "    parameterization: eps # noise\n",
                Some(Prediction::Epsilon),
            ),
            ("    parameterization: x0\n", None),
            ("model: {}\n", None),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(told_by_yaml(&path), wanted, "{text}");
        }
        assert_eq!(told_by_yaml(&folder.path().join("other.yaml")), None);
    }
}
