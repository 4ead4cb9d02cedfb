//! What a control is and what it lacks, without loading its weights.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::{DType, Device};
use serde::Serialize;

use super::controlnet::ControlNetModel;
use super::source::{ControlKind, ControlNetSource, Source, is_control};
use super::t2i_adapter::{AdapterType, T2IAdapter};
use crate::model::error::ModelError;
use crate::model::safetensors_file::SafetensorsFile;
use crate::model::weights::Weights;

/// What `impasto model check` tells about a control.
#[derive(Debug, Clone, Serialize)]
pub struct ControlReport {
    /// The folder's or the file's name.
    pub name: String,
    /// diffusers' class.
    pub class: &'static str,
    /// Of a T2I-Adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter_type: Option<&'static str>,
    /// The models that such widths are usual for, as far as they tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_for: Option<&'static str>,
    /// Channels of the control picture: 1 (grey) or 3.
    pub picture_channels: usize,
    /// Parameters.
    pub parameters: u64,
    /// Bytes of weights, as stored.
    pub bytes: u64,
    /// Number formats of the stored tensors, such as `F16`.
    pub dtypes: BTreeSet<String>,
    /// Everything that is missing or wrong, each in one sentence.
    pub problems: Vec<String>,
}

/// Looks into a control; none where the path is something else, such as a model.
///
/// # Errors
/// What of its configuration is not right.
pub fn inspect_control(path: &Path) -> Result<Option<ControlReport>, ModelError> {
    if !is_control(path) {
        return Ok(None);
    }
    let (cpu, dtype) = (Device::Cpu, DType::F32);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut report = ControlReport {
        name: name.into_owned(),
        class: ControlKind::T2IAdapter.class(),
        adapter_type: None,
        made_for: None,
        picture_channels: 0,
        parameters: 0,
        bytes: 0,
        dtypes: BTreeSet::new(),
        problems: Vec::new(),
    };
    match Source::open(path)? {
        Source::T2IAdapter(source) => {
            let config = &source.config;
            report.adapter_type = Some(config.adapter_type.name());
            report.made_for = match (config.adapter_type, config.channels.first()) {
                (AdapterType::FullXl, Some(320)) => Some("SDXL"),
                (_, Some(320)) => Some("SD 1.5"),
                _ => None,
            };
            report.picture_channels = config.in_channels;
            let weights = source.weights(&cpu, dtype)?.for_inspection();
            T2IAdapter::load(config, &weights)?;
            report.add(&weights);
        }
        Source::ControlNet(ControlNetSource::Folder(config, component)) => {
            report.class = ControlKind::ControlNet.class();
            let width = config.half.cross_attention_dim.first().copied();
            report.made_for = width.and_then(made_for);
            report.picture_channels = config.conditioning_channels;
            let weights = component.weights(&cpu, dtype)?.for_inspection();
            ControlNetModel::load(&config, &weights)?;
            report.add(&weights);
        }
        // What its configuration is, only the UNet beside it tells.
        Source::ControlNet(ControlNetSource::File(file)) => {
            report.class = ControlKind::ControlNet.class();
            let side = |end: &str| {
                let names = file.names();
                let name = names.iter().find(|name| name.ends_with(end))?;
                file.info(name)?.shape.get(1).copied()
            };
            report.made_for = side("attn2.to_k.weight").and_then(made_for);
            let picture = side("controlnet_cond_embedding.conv_in.weight")
                .or_else(|| side("input_hint_block.0.weight"));
            report.picture_channels = picture.unwrap_or_default();
            let file = SafetensorsFile::open(path)?;
            report.add(&Weights::new(path, vec![file], &cpu, dtype));
        }
    }
    Ok(Some(report))
}

impl ControlReport {
    fn add(&mut self, weights: &Weights) {
        self.problems.extend(weights.problems());
        for tensor in weights.stored() {
            self.parameters += tensor.numbers() as u64;
            self.bytes += tensor.bytes() as u64;
            self.dtypes.insert(format!("{:?}", tensor.info.dtype));
        }
    }
}

/// The models whose prompts are embedded so wide.
fn made_for(cross_attention: usize) -> Option<&'static str> {
    match cross_attention {
        768 => Some("SD 1.5"),
        1024 => Some("SD 2"),
        2048 => Some("SDXL"),
        _ => None,
    }
}
