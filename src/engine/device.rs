//! Devices by name.

use candle_core::Device;

use super::error::EngineError;

/// The device called `cpu`, `cuda`, `cuda:N` or `metal`.
///
/// # Errors
/// When the name is unknown or this build or machine has no such device.
pub fn device_from_name(name: &str) -> Result<Device, EngineError> {
    let refuse = |reason: String| EngineError::Device {
        name: name.to_owned(),
        reason,
    };
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", _) => Ok(Device::Cpu),
        ("cuda", ordinal) => {
            if !cfg!(feature = "cuda") {
                return Err(refuse(
                    "this build has no CUDA (build with --features cuda)".into(),
                ));
            }
            let ordinal = ordinal
                .parse::<usize>()
                .map_err(|_| refuse(format!("{ordinal:?} is not a device number")))?;
            Device::new_cuda(ordinal).map_err(|error| refuse(error.to_string()))
        }
        ("metal", _) => {
            if !cfg!(feature = "metal") {
                return Err(refuse(
                    "this build has no Metal (build with --features metal)".into(),
                ));
            }
            Device::new_metal(0).map_err(|error| refuse(error.to_string()))
        }
        _ => Err(refuse("the name is unknown".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_absent_devices_are_named() {
        assert!(device_from_name("cpu").unwrap().is_cpu());
        for name in ["tpu", "cuda:99", "cuda:x", "metal"] {
            let message = device_from_name(name).unwrap_err().to_string();
            assert!(message.contains(&format!("{name:?}")), "{message}");
        }
    }
}
