//! How a model is to be loaded: where, in which number format, and with what beside its own files.

use candle_core::{DType, Device};

use crate::model::{ControlChoice, IpAdapterChoice, LoraChoice, ModelError, Supplied};

/// How a model is to be loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where the tensors live.
    pub device: Device,
    /// The number format that the networks compute in, whatever the files hold: f32, f16, or,
    /// except on the CPU, bf16. Only f32 is fast on the CPU.
    pub dtype: DType,
    /// LoRAs that are active at first in the painting UNet and the text encoders.
    pub loras: Vec<LoraChoice>,
    /// Another UNet in the model's folder, such as `unet_lcm`, that paints instead of `unet`.
    /// `unet` then only inverts.
    pub painting_unet: Option<String>,
    /// T2I-Adapters and ControlNets that are to steer the painting UNet, each under a name of its
    /// own.
    pub controls: Vec<ControlChoice>,
    /// IP-Adapters for the painting UNet, each under a name of its own.
    pub ip_adapters: Vec<IpAdapterChoice>,
    /// What is given beside the model's own files.
    pub supplied: Supplied,
}

impl LoadOptions {
    /// The folder as it is, on a device, in the number format that the device is fast in.
    pub fn on(device: Device) -> Self {
        let dtype = match device.is_cpu() {
            true => DType::F32,
            false => DType::F16,
        };
        Self {
            device,
            dtype,
            loras: Vec::new(),
            painting_unet: None,
            controls: Vec::new(),
            ip_adapters: Vec::new(),
            supplied: Supplied::default(),
        }
    }

    /// Refuses a number format that the device has no arithmetic for: candle multiplies no bf16
    /// matrices on the CPU.
    pub(super) fn check_number_format(&self) -> Result<(), ModelError> {
        let supported: &[DType] = if self.device.is_cpu() {
            &[DType::F32, DType::F16]
        } else {
            &[DType::F32, DType::F16, DType::BF16]
        };
        if supported.contains(&self.dtype) {
            return Ok(());
        }
        let names: Vec<&str> = supported.iter().map(DType::as_str).collect();
        Err(ModelError::NumberFormat {
            dtype: self.dtype.as_str().to_owned(),
            device: format!("{:?}", self.device.location()),
            supported: names.join(" or "),
        })
    }
}

impl Default for LoadOptions {
    /// The CPU, f32, as the folder is.
    fn default() -> Self {
        Self::on(Device::Cpu)
    }
}
