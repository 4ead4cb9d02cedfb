//! Settings of `serve`: flags, then environment, then TOML, then defaults.

mod flags;
mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Provider};
use serde::{Deserialize, Serialize};

use super::{ControlFlag, EmbeddingFlag, Failure, LoraFlag, PredictionName, SafetyCheckerFlag};
use crate::engine::DEFAULT_LATENT_BUDGET;
use crate::room::{InversionOptions, MEMBERS_MOST};
use crate::server::{DEFAULT_ROOM_MEMORY, ServerLimits};
use values::{bytes_or_text, one_or_many};

pub use flags::{AuthChoice, LogFormat, ServeFlags};

/// The file that is read from the working directory when `--config` is left out.
const CONFIG_FILE: &str = "impasto.toml";
/// As many as the noise schedule of a model has.
pub const MOST_INVERSION_STEPS: u32 = 1000;
/// More places than any machine has: connections, rooms, members of a room.
const MOST_PLACES: usize = 1 << 20;
/// The `--data` of a server that keeps nothing.
const KEEP_NOTHING: &str = "none";
/// What the names of environment variables begin with.
const ENVIRONMENT_PREFIX: &str = "IMPASTO_";

/// Settings of `serve`, as they hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// A diffusers folder, a single-file checkpoint, or the id of a pulled model; None for the
    /// bundled one.
    pub model: Option<PathBuf>,
    /// Another autoencoder than the model's own.
    pub vae: Option<PathBuf>,
    /// Tokenizer of a single-file checkpoint; None for CLIP's own vocabulary.
    pub tokenizer: Option<PathBuf>,
    /// What a single-file checkpoint predicts; None for what the file or its kind tells.
    pub prediction: Option<PredictionName>,
    /// Textual inversions for the model.
    #[serde(deserialize_with = "one_or_many")]
    pub embedding: Vec<EmbeddingFlag>,
    /// LoRAs for the model.
    #[serde(deserialize_with = "one_or_many")]
    pub lora: Vec<LoraFlag>,
    /// Networks that steer the model.
    #[serde(deserialize_with = "one_or_many")]
    pub control: Vec<ControlFlag>,
    /// What can show the model reference pictures.
    #[serde(deserialize_with = "one_or_many")]
    pub ip_adapter: Vec<ControlFlag>,
    /// Folder of the CLIP that the IP-Adapters were made for; None for the one beside each.
    pub image_encoder: Option<PathBuf>,
    /// Folder in which rooms are kept, `none`, or nothing for the user's own:
    /// [`ServeSettings::data_folder`] says which.
    pub data: Option<PathBuf>,
    /// `cpu`, `cuda:N` or `metal`; several with commas between.
    pub device: String,
    /// Whether rooms need an invite.
    pub auth: AuthChoice,
    /// Threads that compute on the CPU; None for one per core.
    pub threads: Option<usize>,
    /// Bytes of device memory for what stays there between renders.
    #[serde(deserialize_with = "bytes_or_text")]
    pub latent_budget: u64,
    /// Steps in which placed photos are inverted, 1 … 1000.
    pub inversion_steps: u32,
    /// Origins whose pages may use this server besides its own.
    #[serde(deserialize_with = "one_or_many")]
    pub allow_origin: Vec<String>,
    /// A file of words that prompts may not have.
    pub blocked_words: Option<PathBuf>,
    /// What looks at pictures before anybody sees them.
    pub safety_checker: SafetyCheckerFlag,
    /// Address in the links that the server hands out.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "one_or_many")]
    pub trusted_proxy: Vec<IpAddr>,
    /// Members' websockets at once, at least 1.
    pub sockets: usize,
    /// Connections at once, at least 1.
    pub connections: usize,
    /// Connections of one address at once, at least 1.
    pub connections_per_address: usize,
    /// Rooms in memory at once, at least 1.
    pub rooms: usize,
    /// Members of a room at once, at least 1.
    pub members_per_room: usize,
    /// Bytes that the canvases of all rooms may come to.
    #[serde(deserialize_with = "bytes_or_text")]
    pub room_memory: u64,
    /// Log filter.
    pub log: String,
    /// Log format.
    pub log_format: LogFormat,
}

impl Default for ServeSettings {
    fn default() -> Self {
        let limits = ServerLimits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7860)),
            model: None,
            vae: None,
            tokenizer: None,
            prediction: None,
            embedding: Vec::new(),
            lora: Vec::new(),
            control: Vec::new(),
            ip_adapter: Vec::new(),
            image_encoder: None,
            data: None,
            device: "cpu".to_owned(),
            auth: AuthChoice::Auto,
            threads: None,
            latent_budget: DEFAULT_LATENT_BUDGET,
            inversion_steps: InversionOptions::default().steps,
            allow_origin: Vec::new(),
            blocked_words: None,
            safety_checker: SafetyCheckerFlag::default(),
            public_url: None,
            trusted_proxy: Vec::new(),
            sockets: limits.sockets,
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            rooms: limits.rooms,
            members_per_room: MEMBERS_MOST,
            room_memory: DEFAULT_ROOM_MEMORY,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

impl ServeSettings {
    /// The settings that hold under these flags, in this process's environment
    /// and working directory.
    ///
    /// # Errors
    /// One line, when a file cannot be read or a value makes no sense.
    pub fn resolve(flags: &ServeFlags) -> Result<Self, Failure> {
        let from_environment = std::env::var_os(format!("{ENVIRONMENT_PREFIX}CONFIG"));
        let named = flags
            .config
            .clone()
            .or_else(|| from_environment.map(PathBuf::from));
        let config = match named {
            Some(file) if !file.is_file() => {
                let file = file.display();
                return Err(Failure::usage(format!(
                    "there is no settings file {file}: check the path given with --config"
                )));
            }
            Some(file) => Some(file),
            None => Some(PathBuf::from(CONFIG_FILE)).filter(|file| file.is_file()),
        };
        let keys = [
            "listen",
            "model",
            "vae",
            "tokenizer",
            "prediction",
            "embedding",
            "lora",
            "control",
            "ip_adapter",
            "image_encoder",
            "data",
            "device",
            "auth",
            "threads",
            "latent_budget",
            "inversion_steps",
            "allow_origin",
            "blocked_words",
            "safety_checker",
            "public_url",
            "trusted_proxy",
            "sockets",
            "connections",
            "connections_per_address",
            "rooms",
            "members_per_room",
            "room_memory",
            "log",
            "log_format",
        ];
        let environment = Env::prefixed(ENVIRONMENT_PREFIX).only(&keys);
        Self::from_sources(flags, environment, config.as_deref())
    }

    fn from_sources(
        flags: &ServeFlags,
        environment: impl Provider,
        config: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = config {
            figment = figment.merge(Toml::file_exact(file));
        }
        let settings: Self = figment
            .merge(environment)
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| Failure::usage(describe(error)))?;
        settings.checked()
    }

    fn checked(self) -> Result<Self, Failure> {
        if self.threads == Some(0) {
            return Err(Failure::usage(
                "threads is 0: give it one or more, or leave it out",
            ));
        }
        for (name, most) in [
            ("sockets", self.sockets),
            ("connections", self.connections),
            ("connections_per_address", self.connections_per_address),
            ("rooms", self.rooms),
            ("members_per_room", self.members_per_room),
        ] {
            if most == 0 || most > MOST_PLACES {
                return Err(Failure::usage(format!(
                    "{name} is {most}: give it 1 to {MOST_PLACES}, or leave it out"
                )));
            }
        }
        if !(1..=MOST_INVERSION_STEPS).contains(&self.inversion_steps) {
            return Err(Failure::usage(format!(
                "inversion_steps is {}: give it 1 to {MOST_INVERSION_STEPS}, or leave it out",
                self.inversion_steps
            )));
        }
        Ok(self)
    }

    /// Where rooms are kept; none where nothing is.
    ///
    /// # Errors
    /// Nothing is given, and the user has no home.
    pub fn data_folder(&self) -> Result<Option<PathBuf>, Failure> {
        match &self.data {
            Some(folder) if folder == Path::new(KEEP_NOTHING) => Ok(None),
            Some(folder) => Ok(Some(folder.clone())),
            None => match dirs::data_local_dir() {
                Some(folder) => Ok(Some(folder.join("impasto").join("rooms"))),
                None => Err(Failure::usage(
                    "this user has no folder to keep rooms in: give one with --data, or --data none",
                )),
            },
        }
    }

    /// Whether rooms need an invite on the address of these settings.
    pub fn auth_required(&self) -> bool {
        match self.auth {
            AuthChoice::On => true,
            AuthChoice::Off => false,
            AuthChoice::Auto => !self.listen.ip().is_loopback(),
        }
    }
}

fn describe(error: figment::Error) -> String {
    let key = error.path.join(".");
    let source = error
        .metadata
        .as_ref()
        .map(|metadata| match &metadata.source {
            Some(source) => source.to_string(),
            None => metadata.name.to_string(),
        });
    let place = source
        .map(|source| format!(" in {source}"))
        .unwrap_or_default();
    let key = if key.is_empty() {
        "settings".to_owned()
    } else {
        format!("setting `{key}`")
    };
    format!(
        "{key}{place}: {} (impasto serve --help lists what fits)",
        error.kind
    )
}

#[cfg(test)]
mod tests;
