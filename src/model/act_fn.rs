//! The activation that a configuration's `act_fn` names.

use candle_core::{Result, Tensor};

use super::{ConfigFile, ModelError};
use crate::kernels::{GroupNorm, gelu, relu, silu};

/// An activation between layers, by diffusers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `relu`.
    Relu,
    /// `silu`, or `swish`: all of Stable Diffusion.
    Silu,
    /// `gelu`, exact.
    Gelu,
}

impl Activation {
    /// What `act_fn` says.
    ///
    /// # Errors
    /// `Config` for other names.
    pub(super) fn read(
        config: &ConfigFile,
        default: &str,
    ) -> std::result::Result<Self, ModelError> {
        let name: String = config.or("act_fn", default.to_owned())?;
        match name.as_str() {
            "relu" => Ok(Self::Relu),
            "silu" | "swish" => Ok(Self::Silu),
            "gelu" => Ok(Self::Gelu),
            other => Err(config.refuse(
                "act_fn",
                format!("is {other:?}, which is not supported: use relu, silu or gelu"),
            )),
        }
    }

    /// Elementwise.
    pub(super) fn forward(self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Relu => relu(input),
            Self::Silu => silu(input),
            Self::Gelu => gelu(input),
        }
    }

    /// Of what a normalisation makes of `input`.
    pub(super) fn after(self, norm: &GroupNorm, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => norm.forward_silu(input),
            _ => self.forward(&norm.forward(input)?),
        }
    }
}
