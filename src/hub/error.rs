//! What can go wrong between a hub and a folder, each as one sentence that says what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ModelError;

/// A model that could not be pulled, or a pulled model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Not the name of a model.
    #[error("`{id}` is not a model id: write it as the hub does, such as stabilityai/sd-turbo")]
    BadId {
        /// What was given.
        id: String,
    },
    /// Not the name of a revision.
    #[error("`{revision}` is not a revision: give a branch, a tag, refs/pr/N or a commit")]
    BadRevision {
        /// What was given.
        revision: String,
    },
    /// Not the address of a hub.
    #[error("`{endpoint}` is not a hub's address: write HF_ENDPOINT like https://huggingface.co")]
    BadEndpoint {
        /// What was given.
        endpoint: String,
    },
    /// A token that no HTTP header can carry.
    #[error("HF_TOKEN has characters in it that no token has: copy it again from the hub")]
    BadToken,
    /// No connection.
    #[error(
        "cannot reach {endpoint} ({cause}): check the network and its proxy, or set HF_ENDPOINT to a hub in reach"
    )]
    Unreachable {
        /// The hub's address.
        endpoint: String,
        /// What happened.
        cause: String,
    },
    /// The hub has no such model, or does not say that it has.
    #[error(
        "{endpoint} has no model {id} at revision {revision}: check the spelling, and set HF_TOKEN where the model is private"
    )]
    UnknownModel {
        /// The hub's address.
        endpoint: String,
        /// The model.
        id: String,
        /// The revision that was asked for.
        revision: String,
    },
    /// The model has no such revision.
    #[error("{id} has no revision {revision}: give a branch, a tag or a commit that it has")]
    UnknownRevision {
        /// The model.
        id: String,
        /// The revision that was asked for.
        revision: String,
    },
    /// The model is there for those who accepted its terms.
    #[error(
        "{id} is gated: accept its terms at {endpoint}/{id}, then set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// The hub's address.
        endpoint: String,
        /// The model.
        id: String,
    },
    /// The hub wants to know who asks, or refuses who asks.
    #[error(
        "{endpoint} does not let you read {id}: check its spelling; if it is gated or private, accept its terms at {endpoint}/{id} and set HF_TOKEN to a token that may read it"
    )]
    NotAllowed {
        /// The hub's address.
        endpoint: String,
        /// The model.
        id: String,
    },
    /// A file that painting needs is not in the repository.
    #[error(
        "{id} has no {file} at revision {revision}: choose another revision, or a repository that diffusers' save_pretrained wrote"
    )]
    MissingFile {
        /// The model.
        id: String,
        /// The revision that was asked for.
        revision: String,
        /// The file.
        file: String,
    },
    /// A network of the repository has no safetensors.
    #[error(
        "{id} has no safetensors of its {component} at revision {revision}: choose a repository or a revision that has them"
    )]
    NoWeights {
        /// The model.
        id: String,
        /// The revision that was asked for.
        revision: String,
        /// The network's folder.
        component: String,
    },
    /// No network of the repository has the variant that was asked for.
    #[error("{id} has no {variant} weights: leave --variant out to take those that it has")]
    NoVariant {
        /// The model.
        id: String,
        /// The variant.
        variant: String,
    },
    /// The pipeline is of a kind that cannot be loaded.
    #[error("{id} cannot paint here: {source}")]
    Unsupported {
        /// The model.
        id: String,
        /// What cannot be loaded.
        source: Box<ModelError>,
    },
    /// The hub answered with an error that is its own.
    #[error("{endpoint} answered {status} when asked for {asked}: try again later")]
    Status {
        /// The hub's address.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// What it was asked for.
        asked: String,
    },
    /// An answer that is not a hub's.
    #[error("{endpoint} did not answer as a hub does ({reason}): check HF_ENDPOINT")]
    BadAnswer {
        /// The hub's address.
        endpoint: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// A file name that leads out of the model's folder.
    #[error(
        "{id} lists a file named {name:?}, which would lie outside its folder: do not use this repository"
    )]
    UnsafeName {
        /// The model.
        id: String,
        /// The file's name.
        name: String,
    },
    /// The hub names no size or no hash of a file.
    #[error(
        "{endpoint} gives no size and hash of {file}, so that it cannot be checked: pull from another hub"
    )]
    Unchecked {
        /// The hub's address.
        endpoint: String,
        /// The file.
        file: String,
    },
    /// The connection broke off in the middle of a file.
    #[error(
        "the download of {file} broke off at {done} of {size} bytes ({cause}): run the same command again to go on from there"
    )]
    Interrupted {
        /// The file.
        file: String,
        /// Bytes that are kept for the next time.
        done: u64,
        /// Bytes of the whole file.
        size: u64,
        /// What happened.
        cause: String,
    },
    /// The hub sends a file of another size than it lists.
    #[error(
        "{file} comes with {found} bytes where the hub lists {expected}, and was thrown away: try again, or pull from another hub"
    )]
    WrongSize {
        /// The file.
        file: String,
        /// Bytes that the hub lists.
        expected: u64,
        /// Bytes that it sends, or that had come when they were too many.
        found: u64,
    },
    /// A file's contents are not what the hub lists.
    #[error(
        "{file} arrived with the hash {found} where the hub lists {expected}, and was thrown away: try again, or pull from another hub"
    )]
    WrongHash {
        /// The file.
        file: String,
        /// The hash that the hub lists.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// The disk did not take or give something.
    #[error(
        "cannot write {} ({source}): make room and make it writable, or set IMPASTO_MODELS to another folder",
        path.display()
    )]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A folder that should be readable is not.
    #[error("cannot read {} ({source}): make it readable, or set IMPASTO_MODELS to another folder", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Another process pulls into the same folder.
    #[error("another impasto is pulling into {}: wait until it is done", folder.display())]
    InUse {
        /// The model's folder.
        folder: PathBuf,
    },
    /// A pull that did not come to its end.
    #[error("{id} was not pulled to its end: run `impasto model pull {id}` to go on")]
    Unfinished {
        /// The model.
        id: String,
    },
}

impl HubError {
    /// What makes an error of the operating system's answer about a file or folder.
    pub(super) fn disk(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Disk {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the same request may work in a moment.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}
