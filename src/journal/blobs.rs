//! Blobs: uploads, results and thumbnails, named by the SHA-256 of their bytes.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::JournalError;

/// The SHA-256 of a blob. It is written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for BlobHash {
    type Err = BlobError;

    fn from_str(text: &str) -> Result<Self, BlobError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(BlobError::NotAHash);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let high = digit(*high).ok_or(BlobError::NotAHash)?;
            let low = digit(*low).ok_or(BlobError::NotAHash)?;
            *byte = high << 4 | low;
        }
        Ok(Self(hash))
    }
}

/// Why a blob could not be kept or had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The text is not a hash.
    #[error("a blob's name is 64 lowercase hexadecimal digits")]
    NotAHash,
    /// No blob has that hash.
    #[error("there is no picture {0} in the data folder; restore it from a backup")]
    Missing(BlobHash),
    /// The bytes are not those that were put.
    #[error("the picture {0} in the data folder is damaged; restore it from a backup")]
    Damaged(BlobHash),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] JournalError),
}

/// Keeps blobs. All calls may block on the disk.
pub trait BlobStore: fmt::Debug + Send + Sync {
    /// Keeps a blob. When this returns, it is on disk: a record that names it may be appended.
    ///
    /// # Errors
    /// [`BlobError::Storage`].
    fn put(&self, bytes: &[u8]) -> Result<BlobHash, BlobError>;

    /// The bytes of a blob, after a check of their hash.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Damaged`], [`BlobError::Storage`].
    fn get(&self, hash: BlobHash) -> Result<Vec<u8>, BlobError>;

    /// Whether the blob is there. Its bytes are not checked.
    ///
    /// # Errors
    /// [`BlobError::Storage`].
    fn contains(&self, hash: BlobHash) -> Result<bool, BlobError>;

    /// Deletes the blobs that are not in `live` and were last put longer than `min_age` ago, and
    /// returns how many. The age covers blobs whose record is still to be appended.
    ///
    /// # Errors
    /// [`BlobError::Storage`]; the blobs that were deleted before it stay deleted.
    fn collect_garbage(
        &self,
        live: &HashSet<BlobHash>,
        min_age: Duration,
    ) -> Result<usize, BlobError>;
}

/// Blobs in memory, for tests and for `--data none`.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<BlobHash, (Vec<u8>, Instant)>>,
}

impl MemoryBlobs {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn blobs_now(&self) -> MutexGuard<'_, BTreeMap<BlobHash, (Vec<u8>, Instant)>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobStore for MemoryBlobs {
    fn put(&self, bytes: &[u8]) -> Result<BlobHash, BlobError> {
        let hash = BlobHash::of(bytes);
        let blob = (bytes.to_vec(), Instant::now());
        self.blobs_now().insert(hash, blob);
        Ok(hash)
    }

    fn get(&self, hash: BlobHash) -> Result<Vec<u8>, BlobError> {
        let blobs = self.blobs_now();
        let (bytes, _) = blobs.get(&hash).ok_or(BlobError::Missing(hash))?;
        Ok(bytes.clone())
    }

    fn contains(&self, hash: BlobHash) -> Result<bool, BlobError> {
        Ok(self.blobs_now().contains_key(&hash))
    }

    fn collect_garbage(
        &self,
        live: &HashSet<BlobHash>,
        min_age: Duration,
    ) -> Result<usize, BlobError> {
        let mut blobs = self.blobs_now();
        let before = blobs.len();
        blobs.retain(|hash, (_, put)| live.contains(hash) || put.elapsed() <= min_age);
        Ok(before - blobs.len())
    }
}
