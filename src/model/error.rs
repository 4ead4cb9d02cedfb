//! What can be wrong with a model folder, each as one sentence that names the file and, where
//! there is one, the tensor or the field.

use std::path::PathBuf;

/// A model folder that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder that should be there is not.
    #[error("{} is missing: {hint}", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
        /// What to do about it.
        hint: String,
    },
    /// A file is there but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A JSON file has a field that is absent, of the wrong type, or not supported.
    #[error("{}: field `{field}` {reason}", path.display())]
    Config {
        /// The JSON file.
        path: PathBuf,
        /// The field's name.
        field: String,
        /// What is wrong with it, and what is supported.
        reason: String,
    },
    /// A file that is not JSON, or not the JSON object that it should be.
    #[error("{} is not valid JSON: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's complaint.
        reason: String,
    },
    /// A component is of a class that this program does not have.
    #[error(
        "{}: component `{component}` is a `{class}`, which is not supported: use {supported}",
        path.display()
    )]
    UnknownClass {
        /// The file that names the class.
        path: PathBuf,
        /// The component's folder, such as `unet`.
        component: String,
        /// The class that was found.
        class: String,
        /// The classes that would do.
        supported: String,
    },
    /// A safetensors file is cut off, or its header makes no sense.
    #[error("{} is damaged: {reason}; copy or download it again", path.display())]
    Damaged {
        /// The safetensors file.
        path: PathBuf,
        /// What is wrong, with the tensor's name where one is known.
        reason: String,
    },
    /// A tensor that the configuration calls for is not in the weights.
    #[error(
        "{} has no tensor `{tensor}`, which the model's configuration calls for",
        path.display()
    )]
    MissingTensor {
        /// The safetensors file, or the index of a sharded set.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor is there with another shape than the configuration calls for.
    #[error(
        "{}: tensor `{tensor}` has shape {found:?}, but the configuration calls for {expected:?}",
        path.display()
    )]
    WrongShape {
        /// The safetensors file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that the configuration calls for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a number format that cannot be read here.
    #[error(
        "{}: tensor `{tensor}` is stored as {found}, which is not supported: save it as float32, float16 or bfloat16",
        path.display()
    )]
    WrongDType {
        /// The safetensors file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The format in the file.
        found: String,
    },
    /// A file that Git LFS left in place of the real one.
    #[error(
        "{} is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`, or get the \
         model with `impasto model pull`",
        path.display()
    )]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// Something that people take for a model folder.
    #[error("{} is {what}: {way_out}", path.display())]
    NoFolder {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do about it.
        way_out: String,
    },
    /// A checkpoint in a single file that cannot be used as a model.
    #[error("{} is a single-file checkpoint {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do about it.
        reason: String,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A LoRA file has a key that fits nothing in the model.
    #[error("LoRA {}: `{key}` {reason}", path.display())]
    Lora {
        /// The LoRA file.
        path: PathBuf,
        /// The tensor in it.
        key: String,
        /// Why it cannot be merged.
        reason: String,
    },
    /// A LoRA's weight is infinite or not a number.
    #[error("LoRA {}: its weight is {weight}: give it a number, such as 0.8", path.display())]
    LoraWeight {
        /// The LoRA file.
        path: PathBuf,
        /// The weight.
        weight: f64,
    },
    /// A textual inversion that cannot be used.
    #[error("embedding {} {reason}", path.display())]
    Embedding {
        /// The file.
        path: PathBuf,
        /// Why, and what to do about it.
        reason: String,
    },
    /// A T2I-Adapter or ControlNet that cannot be used.
    #[error("control {} {reason}", path.display())]
    Control {
        /// Its folder or file.
        path: PathBuf,
        /// Why, and what to do about it.
        reason: String,
    },
    /// Two controls of one name.
    #[error("two controls are called {name:?}: give one of them another name, as in NAME=FILE")]
    SameControlName {
        /// The name.
        name: String,
    },
    /// An IP-Adapter that cannot be used.
    #[error("IP-Adapter {} {reason}", path.display())]
    IpAdapter {
        /// Its file or folder.
        path: PathBuf,
        /// Why, and what to do about it.
        reason: String,
    },
    /// Two IP-Adapters of one name.
    #[error("two IP-Adapters are called {name:?}: give one of them another name, as in NAME=FILE")]
    SameIpAdapterName {
        /// The name.
        name: String,
    },
    /// A tokenizer's files do not make a tokenizer.
    #[error("tokenizer {}: {reason}", path.display())]
    Tokenizer {
        /// The tokenizer's file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The networks cannot be computed in this number format here.
    #[error("models cannot run in {dtype} on {device}: use {supported}")]
    NumberFormat {
        /// The format that was asked for.
        dtype: String,
        /// The device that was asked for.
        device: String,
        /// The formats that would do.
        supported: String,
    },
    /// The device refused an operation while a tensor was being prepared.
    #[error("cannot prepare `{tensor}` of {}: {source}", path.display())]
    Prepare {
        /// The safetensors file.
        path: PathBuf,
        /// The tensor or layer.
        tensor: String,
        /// The tensor library's answer.
        source: Box<candle_core::Error>,
    },
}
