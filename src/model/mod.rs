//! Networks read from diffusers folders and single files.
//!
//! [`Model::load`] reads a folder as Python's diffusers writes it: `model_index.json`, and for
//! each component a `config.json` and safetensors; or a checkpoint in a single file, with the names
//! of Stability's own code, which `single_file/` makes look like a folder. The networks have the names, shapes and
//! arithmetic of diffusers' classes, over the operations of [`crate::kernels`];
//! `tests/model_parity.rs` compares them number by number. Nothing here knows about samplers.

mod act_fn;
mod adaptable;
mod autoencoder;
mod autoencoder_kl;
mod autoencoder_tiny;
mod clip;
mod clip_encoder;
mod clip_image_processor;
mod clip_model;
mod clip_vision;
mod clip_vocabulary;
mod component;
mod config_file;
mod control;
mod convert;
mod cross_attentions;
mod decoupled_attention;
mod defaults;
mod denoiser;
mod embeddings;
mod error;
mod family;
mod fit;
mod flux;
mod flux_config;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod ip_adapter;
mod joint_attention;
mod latent_scale;
mod layers;
mod load;
mod lora;
mod lora_change;
mod lora_names;
mod lora_reader;
mod lora_scale;
mod not_a_folder;
mod other_autoencoder;
mod parts;
mod resnet;
mod safetensors_file;
mod safety_checker;
mod scheduler_file;
mod sd3;
mod sd3_config;
mod sgm_names;
mod single_file;
mod stored;
mod supplied;
mod t5;
mod t5_tokenizer;
mod text_parts;
mod textual_inversion;
mod tiling;
mod time_text_embedding;
mod tokenizer;
mod transformer;
mod transformer_names;
mod unet;
mod unet_blocks;
mod unet_config;
mod unet_encoder;
mod weights;

pub use act_fn::Activation;
pub use autoencoder::Autoencoder;
pub use autoencoder_kl::AutoencoderKl;
pub use autoencoder_tiny::AutoencoderTiny;
pub use clip::{ClipTextConfig, ClipTextModel, ClipTextOutput};
pub use clip_encoder::ClipEncoderConfig;
pub use clip_image_processor::ClipImageProcessor;
pub use clip_model::ClipModel;
pub use clip_vision::{ClipVisionConfig, ClipVisionModel};
pub use component::{Component, WEIGHT_STEMS, index_names};
pub use config_file::{ConfigFile, PerBlock, SampleSize};
pub use control::{
    Control, ControlChoice, ControlKind, ControlNetModel, ControlNetwork, ControlReport,
    T2IAdapter, inspect_control,
};
pub use convert::convert;
pub use decoupled_attention::{DecoupledAttention, ImagePrompt};
pub use defaults::{DEFAULTS_FILE, Defaults, MAX_STEPS};
pub use denoiser::{Denoiser, DenoiserConfig};
pub use error::ModelError;
pub use family::Family;
pub use flux::FluxTransformer2DModel;
pub use flux_config::FluxConfig;
pub use folder::ModelFolder;
pub use inspect::{ComponentReport, ModelReport, inspect, inspect_with};
pub use ip_adapter::{
    ImageEmbeds, IpAdapter, IpAdapterChoice, IpAdapterKind, IpAdapterReport, inspect_ip_adapter,
};
pub use load::{LoadOptions, Model, TextEncoders};
pub use lora::{Lora, LoraChoice};
pub use lora_change::WeightChange;
pub use lora_names::Target;
pub use parts::{PARTS, Part, PartKind, TOKENIZER_FILES};
pub use safetensors_file::SafetensorsFile;
pub use safety_checker::{SafetyChecker, SafetyCheckerChoice, SafetyScores};
pub use scheduler_file::SchedulerFile;
pub use sd3::SD3Transformer2DModel;
pub use sd3_config::Sd3Config;
pub use supplied::{Prediction, Supplied};
pub use t5::{T5Config, T5EncoderModel};
pub use t5_tokenizer::T5Tokenizer;
pub use text_parts::PromptReading;
pub use textual_inversion::{EmbeddingChoice, TextualInversion};
pub use tokenizer::ClipTokenizer;
pub use unet::{AdditionalResiduals, UNet2DConditionModel};
pub use unet_config::{MidBlockType, TextTime, UNetConfig};
pub use unet_encoder::AddedConditioning;
pub use weights::{Adapters, Weights};
