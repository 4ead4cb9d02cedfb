//! Settings of `serve`: flags, then environment, then TOML, then defaults.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Provider};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{ControlFlag, EmbeddingFlag, Failure, LoraFlag, PredictionName};
use crate::engine::DEFAULT_LATENT_BUDGET;
use crate::room::InversionOptions;
use crate::server::{DEFAULT_ROOM_MEMORY, ServerLimits};

/// The file that is read from the working directory when `--config` is left out.
const CONFIG_FILE: &str = "impasto.toml";
/// As many as the noise schedule of a model has.
pub const MOST_INVERSION_STEPS: u32 = 1000;
/// More than any system gives a process.
const MOST_CONNECTIONS: usize = 1 << 20;
/// The `--data` of a server that keeps nothing.
const KEEP_NOTHING: &str = "none";
/// What the names of environment variables begin with.
const ENVIRONMENT_PREFIX: &str = "IMPASTO_";

/// Flags of `serve`, as they were typed.
///
/// Every flag but `--config` has an environment variable (`IMPASTO_LISTEN`)
/// and a key in the TOML file (`listen`).
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct ServeFlags {
    /// Address to listen on [env: IMPASTO_LISTEN] [default: 127.0.0.1:7860]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// A diffusers folder, a single-file checkpoint, or the id of a pulled model
    /// [env: IMPASTO_MODEL] [default: the bundled one]
    #[arg(long, value_name = "MODEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Another autoencoder, such as TAESD: a vae folder, or a safetensors file [env: IMPASTO_VAE]
    #[arg(long, value_name = "FOLDER_OR_FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vae: Option<PathBuf>,
    /// Tokenizer of a single-file checkpoint [env: IMPASTO_TOKENIZER] [default: CLIP's own vocabulary]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// What a single-file checkpoint predicts [env: IMPASTO_PREDICTION] [default: as the file or its
    /// kind tells]
    #[arg(long, value_name = "WHAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<PredictionName>,
    /// Textual inversion: a file, and what it is called in prompts; may be repeated
    /// [env: IMPASTO_EMBEDDING] [default: its own word, or the file's name]
    #[arg(long, value_name = "FILE[:WORD]")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embedding: Vec<EmbeddingFlag>,
    /// LoRA: a file or its folder, and how much of it (1 when left out, 0 to have it at hand); may
    /// be repeated [env: IMPASTO_LORA]
    #[arg(long, value_name = "FILE[:WEIGHT]")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lora: Vec<LoraFlag>,
    /// T2I-Adapter or ControlNet that steers by what is painted: its folder or file, and what it is
    /// called [env: IMPASTO_CONTROL] [default: the folder's or file's name]; may be repeated
    #[arg(long, value_name = "[NAME=]FOLDER_OR_FILE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<ControlFlag>,
    /// Folder in which rooms are kept, for one server at a time; none keeps nothing
    /// [env: IMPASTO_DATA] [default: impasto/rooms where this platform keeps a user's data]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// cpu, cuda:N or metal [env: IMPASTO_DEVICE] [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Whether rooms need an invite; auto: yes, but not on loopback [env: IMPASTO_AUTH] [default: auto]
    #[arg(long, value_name = "CHOICE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthChoice>,
    /// Threads that compute on the CPU [env: IMPASTO_THREADS] [default: one per core]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Memory on the device for inverted photos and latents of all rooms; what is used least goes
    /// to disk [env: IMPASTO_LATENT_BUDGET] [default: 512MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes_from_text)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent_budget: Option<u64>,
    /// Steps in which placed photos are inverted: more are truer [env: IMPASTO_INVERSION_STEPS]
    /// [default: 25]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inversion_steps: Option<u32>,
    /// Another website whose pages may use this server; may be repeated [env: IMPASTO_ALLOW_ORIGIN]
    #[arg(long, value_name = "ORIGIN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origin: Vec<String>,
    /// A file of words and phrases that prompts may not have, one a line
    /// [env: IMPASTO_BLOCKED_WORDS]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_words: Option<PathBuf>,
    /// Address in the links that the server hands out [env: IMPASTO_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// A proxy in front of the server, which says for whom it asks; may be repeated
    /// [env: IMPASTO_TRUSTED_PROXY]
    #[arg(long, value_name = "IP")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxy: Vec<IpAddr>,
    /// Members' websockets at once, over all rooms [env: IMPASTO_SOCKETS] [default: 1024]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<usize>,
    /// Connections of all kinds at once [env: IMPASTO_CONNECTIONS] [default: 4096]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
    /// Connections of one address at once [env: IMPASTO_CONNECTIONS_PER_ADDRESS] [default: 512]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_address: Option<usize>,
    /// Memory that the canvases of all rooms may come to; over it kept rooms that nobody is in leave
    /// memory, then rooms are refused [env: IMPASTO_ROOM_MEMORY] [default: 4GiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes_from_text)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_memory: Option<u64>,
    /// What is logged, such as info or impasto=debug,warn [env: IMPASTO_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// How it is logged [env: IMPASTO_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
    /// TOML file with settings [env: IMPASTO_CONFIG] [default: impasto.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

/// Whether rooms need an invite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthChoice {
    /// Always.
    On,
    /// Never.
    Off,
    /// Everywhere but on a loopback address.
    #[default]
    Auto,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

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
    /// Folder in which rooms are kept, `none`, or nothing for the user's own:
    /// [`ServeSettings::data_folder`] says which.
    pub data: Option<PathBuf>,
    /// `cpu`, `cuda:N` or `metal`.
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
            data: None,
            device: "cpu".to_owned(),
            auth: AuthChoice::Auto,
            threads: None,
            latent_budget: DEFAULT_LATENT_BUDGET,
            inversion_steps: InversionOptions::default().steps,
            allow_origin: Vec::new(),
            blocked_words: None,
            public_url: None,
            trusted_proxy: Vec::new(),
            sockets: limits.sockets,
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
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
            "data",
            "device",
            "auth",
            "threads",
            "latent_budget",
            "inversion_steps",
            "allow_origin",
            "blocked_words",
            "public_url",
            "trusted_proxy",
            "sockets",
            "connections",
            "connections_per_address",
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
        ] {
            if most == 0 || most > MOST_CONNECTIONS {
                return Err(Failure::usage(format!(
                    "{name} is {most}: give it 1 to {MOST_CONNECTIONS}, or leave it out"
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

/// Bytes, alone or with a unit: `512MiB`, `4GiB`.
fn bytes_from_text(text: &str) -> Result<u64, String> {
    let bytes = text.parse::<bytesize::ByteSize>();
    bytes
        .map(|bytes| bytes.as_u64())
        .map_err(|_| format!("`{text}` is no number of bytes: write it as 512MiB or 4GiB"))
}

/// A number of bytes, or a text with a unit.
fn bytes_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum BytesOrText {
        Bytes(u64),
        Text(String),
    }
    match BytesOrText::deserialize(deserializer)? {
        BytesOrText::Bytes(bytes) => Ok(bytes),
        BytesOrText::Text(text) => bytes_from_text(&text).map_err(D::Error::custom),
    }
}

/// One text, or several: environment variables hold them with commas between.
fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(texts) => texts,
        OneOrMany::One(text) => text
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
    };
    let parsed = texts
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom));
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &ServeFlags, toml: Option<&str>) -> Result<ServeSettings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("impasto.toml");
        if let Some(toml) = toml {
            std::fs::write(&file, toml).unwrap();
        }
        ServeSettings::from_sources(flags, Toml::string(""), toml.map(|_| file.as_path()))
    }

    #[test]
    fn without_any_source_the_defaults_hold() {
        assert_eq!(
            resolve(&ServeFlags::default(), None).unwrap(),
            ServeSettings::default()
        );
    }

    #[test]
    fn flags_come_before_the_file() {
        let flags = ServeFlags {
            device: Some("cuda:1".to_owned()),
            ..ServeFlags::default()
        };
        let toml = "device = \"metal\"\nlisten = \"0.0.0.0:80\"\nallow_origin = [\"https://a\"]";
        let settings = resolve(&flags, Some(toml)).unwrap();
        assert_eq!(settings.device, "cuda:1");
        assert_eq!(settings.listen.port(), 80);
        assert_eq!(settings.allow_origin, ["https://a"]);
        assert!(settings.auth_required());
    }

    #[test]
    fn the_environment_stands_between_flags_and_file() {
        let flags = ServeFlags {
            device: Some("cpu".to_owned()),
            ..ServeFlags::default()
        };
        let environment = Toml::string(
            "listen = \"127.0.0.1:2\"\ndevice = \"metal\"\nallow_origin = \"https://a, https://b\"",
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("impasto.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\nthreads = 3").unwrap();
        let settings = ServeSettings::from_sources(&flags, environment, Some(&file)).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.device, "cpu");
        assert_eq!(settings.threads, Some(3));
        assert_eq!(settings.allow_origin, ["https://a", "https://b"]);
    }

    #[test]
    fn bytes_have_units_or_none() {
        for (toml, bytes) in [
            ("latent_budget = \"512MiB\"", 512 << 20),
            ("latent_budget = \"2 GB\"", 2_000_000_000),
            ("latent_budget = \"4096\"", 4096),
            ("latent_budget = 0", 0),
        ] {
            let settings = resolve(&ServeFlags::default(), Some(toml)).unwrap();
            assert_eq!(settings.latent_budget, bytes, "{toml}");
        }
        let flags = ServeFlags {
            latent_budget: Some(1_000_001),
            ..ServeFlags::default()
        };
        assert_eq!(resolve(&flags, None).unwrap().latent_budget, 1_000_001);
        assert!(bytes_from_text("-1MiB").is_err());
    }

    #[test]
    fn loras_come_from_every_source() {
        let ink = |weight| LoraFlag {
            file: "ink.safetensors".into(),
            weight,
        };
        let lcm = LoraFlag {
            file: r"C:\lcm".into(),
            weight: 1.0,
        };
        let toml = r#"lora = ["ink.safetensors:0.5", 'C:\lcm']"#;
        let settings = resolve(&ServeFlags::default(), Some(toml)).unwrap();
        assert_eq!(settings.lora, [ink(0.5), lcm.clone()]);
        let environment = Toml::string(r#"lora = 'ink.safetensors:-1, C:\lcm'"#);
        let settings = ServeSettings::from_sources(&ServeFlags::default(), environment, None);
        assert_eq!(settings.unwrap().lora, [ink(-1.0), lcm]);
        let flags = ServeFlags {
            lora: vec![ink(2.0)],
            ..ServeFlags::default()
        };
        assert_eq!(resolve(&flags, Some(toml)).unwrap().lora, [ink(2.0)]);
    }

    #[test]
    fn a_bad_file_is_named_with_its_key() {
        for (toml, word) in [
            ("listen = \"nowhere\"", "listen"),
            ("colour = 1", "colour"),
            ("auth = \"maybe\"", "auth"),
            ("threads = 0", "threads"),
            ("latent_budget = \"much\"", "512MiB"),
            ("inversion_steps = 0", "inversion_steps"),
            ("sockets = 0", "sockets"),
            ("connections = 9999999", "connections"),
            ("trusted_proxy = \"proxy\"", "trusted_proxy"),
            ("room_memory = \"much\"", "4GiB"),
            ("lora = \"ink.safetensors:much\"", "much"),
            ("listen = ", "impasto.toml"),
        ] {
            let failure = resolve(&ServeFlags::default(), Some(toml)).unwrap_err();
            assert_eq!(failure.code(), 2, "{toml}");
            let message = failure.to_string();
            assert!(message.contains(word), "{toml}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_missing_file_that_was_asked_for_is_an_error() {
        let flags = ServeFlags {
            config: Some("/no/such/file.toml".into()),
            ..ServeFlags::default()
        };
        assert_eq!(ServeSettings::resolve(&flags).unwrap_err().code(), 2);
    }

    #[test]
    fn auth_is_automatic_by_address() {
        let on = |listen: &str, auth| {
            let settings = ServeSettings {
                listen: listen.parse().unwrap(),
                auth,
                ..ServeSettings::default()
            };
            settings.auth_required()
        };
        assert!(!on("127.0.0.1:1", AuthChoice::Auto));
        assert!(!on("[::1]:1", AuthChoice::Auto));
        assert!(on("0.0.0.0:1", AuthChoice::Auto));
        assert!(on("127.0.0.1:1", AuthChoice::On));
        assert!(!on("0.0.0.0:1", AuthChoice::Off));
    }
}
