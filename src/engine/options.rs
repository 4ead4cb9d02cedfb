//! How an engine is started: the model, its device, and what both may take.

use std::path::PathBuf;

use crate::model::{ControlChoice, IpAdapterChoice, LoraChoice, SafetyCheckerChoice, Supplied};

/// How an engine is started.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// A diffusers folder, or a checkpoint in a single file.
    pub model: PathBuf,
    /// What is given beside the model's own files.
    pub supplied: Supplied,
    /// `cpu`, `cuda:N` or `metal`.
    pub device: String,
    /// The LoRAs that this engine may use, each under a name of its own, with the weights that
    /// they have at first.
    pub loras: Vec<LoraChoice>,
    /// What can steer the model, each under a name of its own.
    pub controls: Vec<ControlChoice>,
    /// What can show the model reference pictures, each under a name of its own.
    pub ip_adapters: Vec<IpAdapterChoice>,
    /// What looks at pictures before rooms get them.
    pub safety_checker: SafetyCheckerChoice,
    /// Prompts whose embeddings are kept.
    pub text_entries: usize,
    /// Renders whose steps go in one batch; when left out as many as suit the device.
    pub batch: Option<usize>,
    /// Renders that may wait, over all rooms.
    pub waiting: usize,
    /// Threads that compute on the CPU; one per core when left out.
    pub threads: Option<usize>,
    /// Bytes of device memory for what stays there between renders, over all rooms.
    pub latent_budget: u64,
    /// Where what has no place in memory goes: a folder is made there for this process. The system's
    /// temporary folder when left out, which may be in memory itself.
    pub latent_parent: Option<PathBuf>,
}

/// Device memory for latents and trajectories, unless something else is asked for: 512 MiB.
pub const DEFAULT_LATENT_BUDGET: u64 = 512 << 20;

impl EngineOptions {
    /// Defaults for a model folder on the CPU.
    pub fn new(model: PathBuf) -> Self {
        Self {
            model,
            supplied: Supplied::default(),
            device: "cpu".to_owned(),
            loras: Vec::new(),
            controls: Vec::new(),
            ip_adapters: Vec::new(),
            safety_checker: SafetyCheckerChoice::Off,
            text_entries: 256,
            batch: None,
            waiting: 1024,
            threads: None,
            latent_budget: DEFAULT_LATENT_BUDGET,
            latent_parent: None,
        }
    }
}
