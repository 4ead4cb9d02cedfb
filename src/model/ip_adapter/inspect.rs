//! What an IP-Adapter is and what it lacks, without loading its weights.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::{DType, Device};
use serde::Serialize;

use super::source::{Source, is_ip_adapter};
use crate::model::error::ModelError;

/// What `impasto model check` tells about an IP-Adapter.
#[derive(Debug, Clone, Serialize)]
pub struct IpAdapterReport {
    /// The file's name.
    pub name: String,
    /// `IPAdapter` or `IPAdapterPlus`.
    pub class: &'static str,
    /// The models that such widths are usual for, as far as they tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_for: Option<&'static str>,
    /// Parameters, without the image encoder's.
    pub parameters: u64,
    /// Bytes of weights, as stored.
    pub bytes: u64,
    /// Number formats of the stored tensors, such as `F16`.
    pub dtypes: BTreeSet<String>,
    /// Everything that is missing or wrong, each in one sentence.
    pub problems: Vec<String>,
}

/// Looks into an IP-Adapter's file; none where the path is something else, such as a model.
///
/// # Errors
/// What about its tensors is as in no adapter that can be used.
pub fn inspect_ip_adapter(path: &Path) -> Result<Option<IpAdapterReport>, ModelError> {
    if !is_ip_adapter(path) {
        return Ok(None);
    }
    let source = Source::open(path)?;
    let weights = source.weights(&Device::Cpu, DType::F32)?.for_inspection();
    source.image_projection(&weights)?;
    source.layers(&weights)?;
    let mut problems = weights.problems();
    if let Err(missing) = source.image_encoder(None) {
        problems.push(missing.to_string());
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut report = IpAdapterReport {
        name: name.into_owned(),
        class: source.kind.class(),
        made_for: match source.cross_attention()? {
            768 => Some("SD 1.5"),
            2048 => Some("SDXL"),
            _ => None,
        },
        parameters: 0,
        bytes: 0,
        dtypes: BTreeSet::new(),
        problems,
    };
    for tensor in weights.stored() {
        report.parameters += tensor.numbers() as u64;
        report.bytes += tensor.bytes() as u64;
        report.dtypes.insert(format!("{:?}", tensor.info.dtype));
    }
    Ok(Some(report))
}
