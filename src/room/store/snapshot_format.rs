//! How a snapshot's bytes are laid out: a header in JSON and what follows it, compressed, inline or in
//! a blob.

use std::io::{Cursor, Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize};

use super::{Recording, StoreError};
use crate::{
    canvas::{StackLayer, StrokeFacts},
    journal::{BlobHash, BlobStore},
    protocol::CanvasSize,
    room::document::Facts,
};

/// The first byte: the snapshot itself, or the hash of the blob that holds it.
pub(super) const INLINE: u8 = 1;
const IN_BLOB: u8 = 2;
/// Larger snapshots are blobs, so that the journal's queue stays small.
const INLINE_MOST: usize = 1 << 20;

/// A snapshot but for its pictures, its bytes of coverage and the points of its smudges.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    /// Every blob that the snapshot needs.
    pub blobs: Vec<String>,
    pub facts: Facts,
    pub size: CanvasSize,
    pub dilation: u32,
    /// The lowest layer alone in snapshots from before there were others.
    #[serde(default = "lowest_alone")]
    pub stack: Vec<StackLayer>,
    pub base: String,
    pub base_id: Option<u64>,
    pub sketch: String,
    pub result: String,
    pub entries: Vec<EntryHeader>,
    #[serde(default)]
    pub recording: Recording,
    #[serde(default)]
    pub layers: Vec<LayerHeader>,
    /// The ids of reference pictures, and the blobs that they are in.
    #[serde(default)]
    pub references: Vec<(String, String)>,
}

/// A layer's tiles, whose bytes come after the strokes'.
#[derive(Serialize, Deserialize)]
pub(super) struct LayerHeader {
    pub id: u64,
    pub tiles: Vec<(u32, u32)>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

fn lowest_alone() -> Vec<StackLayer> {
    vec![StackLayer::LOWEST]
}

#[derive(Serialize, Deserialize)]
pub(super) struct EntryHeader {
    pub id: u64,
    pub active: bool,
    pub kind: KindHeader,
}

#[derive(Serialize, Deserialize)]
pub(super) enum KindHeader {
    Image {
        hash: String,
        is_apply: bool,
        #[serde(default = "lowest_alone")]
        stack: Vec<StackLayer>,
    },
    Stroke {
        #[serde(flatten)]
        facts: StrokeFacts,
        tiles: Vec<(u32, u32)>,
        /// How many points of a smudge follow its tiles.
        #[serde(default, skip_serializing_if = "is_none")]
        points: usize,
        /// The colours of a picture that is laid on a layer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picture: Option<String>,
    },
}

fn hash_of(bytes: &[u8]) -> Result<BlobHash, StoreError> {
    Ok(BlobHash(bytes.try_into().map_err(|_| cut_off())?))
}

/// The bytes end before all is read.
pub(super) fn cut_off() -> StoreError {
    StoreError::Unreadable("a snapshot is too short".to_owned())
}

/// The bytes are none of a snapshot's.
pub(super) fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

/// The bytes of a snapshot. Those of a large one are put into a blob, and the answer names it.
pub(super) fn pack(
    header: &Header,
    coverage: &[u8],
    blobs: &dyn BlobStore,
) -> Result<Vec<u8>, StoreError> {
    let bytes = deflate(header, coverage)?;
    if bytes.len() <= INLINE_MOST {
        return Ok([&[INLINE], &bytes[..]].concat());
    }
    let hash = blobs.put(&bytes)?;
    Ok([&[IN_BLOB], &hash.0[..]].concat())
}

fn deflate(header: &Header, coverage: &[u8]) -> Result<Vec<u8>, StoreError> {
    let header = serde_json::to_vec(header).map_err(broken)?;
    let length = u32::try_from(header.len()).map_err(broken)?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = packed
        .write_all(&length.to_le_bytes())
        .and_then(|()| packed.write_all(&header))
        .and_then(|()| packed.write_all(coverage));
    written.and_then(|()| packed.finish()).map_err(broken)
}

/// The blob that the snapshot itself is in, where it is in one.
pub(super) fn own_blob(bytes: &[u8]) -> Result<Option<BlobHash>, StoreError> {
    match bytes.split_first() {
        Some((&IN_BLOB, hash)) => Ok(Some(hash_of(hash)?)),
        _ => Ok(None),
    }
}

/// What a snapshot's bytes hold, to be read from its beginning.
pub(super) fn reader_of(
    bytes: &[u8],
    blobs: &dyn BlobStore,
) -> Result<DeflateDecoder<Cursor<Vec<u8>>>, StoreError> {
    let packed = match bytes.split_first() {
        Some((&INLINE, packed)) => packed.to_vec(),
        Some((&IN_BLOB, hash)) => blobs.get(hash_of(hash)?)?,
        Some((kind, _)) => {
            return Err(StoreError::Unreadable(format!("a snapshot of kind {kind}")));
        }
        None => return Err(cut_off()),
    };
    Ok(DeflateDecoder::new(Cursor::new(packed)))
}

/// The header's JSON.
pub(super) fn read_header(reader: &mut impl Read) -> Result<Vec<u8>, StoreError> {
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(broken)?;
    let length = u32::from_le_bytes(length);
    let mut header = Vec::new();
    let read = reader.take(length.into()).read_to_end(&mut header);
    match read.map_err(broken)? == length as usize {
        true => Ok(header),
        false => Err(cut_off()),
    }
}

/// The header and the bytes that follow it.
pub(super) fn unpack(bytes: &[u8], blobs: &dyn BlobStore) -> Result<(Header, Vec<u8>), StoreError> {
    let mut reader = reader_of(bytes, blobs)?;
    let header = serde_json::from_slice(&read_header(&mut reader)?).map_err(broken)?;
    let mut coverage = Vec::new();
    reader.read_to_end(&mut coverage).map_err(broken)?;
    Ok((header, coverage))
}
