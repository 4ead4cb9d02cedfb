//! The flags of `serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::values::bytes_from_text;
use crate::cli::{ControlFlag, EmbeddingFlag, LoraFlag, PredictionName, SafetyCheckerFlag};

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
    /// IP-Adapter through which a room sees a reference picture: its file or the folder that it is in,
    /// and what it is called [env: IMPASTO_IP_ADAPTER] [default: the file's or folder's name]; may be
    /// repeated
    #[arg(long, value_name = "[NAME=]FOLDER_OR_FILE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_adapter: Vec<ControlFlag>,
    /// Folder of the CLIP that the IP-Adapters were made for [env: IMPASTO_IMAGE_ENCODER] [default:
    /// image_encoder beside each]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_encoder: Option<PathBuf>,
    /// Folder in which rooms are kept, for one server at a time; none keeps nothing
    /// [env: IMPASTO_DATA] [default: impasto/rooms where this platform keeps a user's data]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// cpu, cuda:N or metal; over several, such as cuda:0,cuda:1, rooms are spread
    /// [env: IMPASTO_DEVICE] [default: cpu]
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
    /// What looks at pictures before anybody sees them: off, on (the model's own safety checker), or
    /// the folder of one [env: IMPASTO_SAFETY_CHECKER] [default: off]
    #[arg(long, value_name = "off|on|FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_checker: Option<SafetyCheckerFlag>,
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
    /// Rooms in memory at once [env: IMPASTO_ROOMS] [default: 64]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms: Option<usize>,
    /// Members of a room at once [env: IMPASTO_MEMBERS_PER_ROOM] [default: 64]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_per_room: Option<usize>,
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
