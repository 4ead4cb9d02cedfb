//! Snapshots of a document as bytes, with their pictures as blobs.

use std::{
    io::{Cursor, Read, Write},
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize};

use super::{
    Recording, StoreError,
    pictures::{decode_picture, encode_picture},
};
use crate::{
    canvas::{
        CanvasState, EntryState, EntryStateKind, FloorState, LayerState, LayerTileState, Mask,
        Pixels, StackLayer, StrokeFacts, StrokeState, TILE,
    },
    journal::{BlobHash, BlobStore},
    protocol::{CanvasSize, Settings, StrokePoint},
    room::document::{DocumentSnapshot, Facts},
};

/// The first byte: the snapshot itself, or the hash of the blob that holds it.
pub(super) const INLINE: u8 = 1;
const IN_BLOB: u8 = 2;
/// Larger snapshots are blobs, so that the journal's queue stays small.
const INLINE_MOST: usize = 1 << 20;
/// Bytes of a point of a smudge.
const POINT_BYTES: usize = size_of::<StrokePoint>();

/// A snapshot but for its pictures, its bytes of coverage and the points of its smudges.
#[derive(Serialize, Deserialize)]
struct Header {
    /// Every blob that the snapshot needs.
    blobs: Vec<String>,
    facts: Facts,
    size: CanvasSize,
    dilation: u32,
    /// The lowest layer alone in snapshots from before there were others.
    #[serde(default = "lowest_alone")]
    stack: Vec<StackLayer>,
    base: String,
    base_id: Option<u64>,
    sketch: String,
    result: String,
    entries: Vec<EntryHeader>,
    #[serde(default)]
    recording: Recording,
    #[serde(default)]
    layers: Vec<LayerHeader>,
    /// The ids of reference pictures, and the blobs that they are in.
    #[serde(default)]
    references: Vec<(String, String)>,
}

/// A layer's tiles, whose bytes come after the strokes'.
#[derive(Serialize, Deserialize)]
struct LayerHeader {
    id: u64,
    tiles: Vec<(u32, u32)>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

fn lowest_alone() -> Vec<StackLayer> {
    vec![StackLayer::LOWEST]
}

#[derive(Serialize, Deserialize)]
struct EntryHeader {
    id: u64,
    active: bool,
    kind: KindHeader,
}

#[derive(Serialize, Deserialize)]
enum KindHeader {
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

/// Puts pictures into a store, each once.
struct PictureWriter<'a> {
    blobs: &'a dyn BlobStore,
    known: Vec<(Arc<Pixels>, String)>,
    hashes: Vec<String>,
}

impl PictureWriter<'_> {
    fn put(&mut self, pixels: &Pixels) -> Result<String, StoreError> {
        let hash = self.blobs.put(&encode_picture(pixels)?)?.to_string();
        if !self.hashes.contains(&hash) {
            self.hashes.push(hash.clone());
        }
        Ok(hash)
    }

    fn put_shared(&mut self, pixels: &Arc<Pixels>) -> Result<String, StoreError> {
        let known = self.known.iter().find(|(it, _)| Arc::ptr_eq(it, pixels));
        if let Some((_, hash)) = known {
            return Ok(hash.clone());
        }
        let hash = self.put(pixels)?;
        self.known.push((pixels.clone(), hash.clone()));
        Ok(hash)
    }
}

/// Gets pictures out of a store, each once.
struct PictureReader<'a> {
    blobs: &'a dyn BlobStore,
    known: Vec<(String, Arc<Pixels>)>,
}

impl PictureReader<'_> {
    fn get(&mut self, hash: &str) -> Result<Arc<Pixels>, StoreError> {
        if let Some((_, pixels)) = self.known.iter().find(|(it, _)| it == hash) {
            return Ok(pixels.clone());
        }
        let pixels = Arc::new(decode_picture(&self.blobs.get(hash.parse()?)?)?);
        self.known.push((hash.to_owned(), pixels.clone()));
        Ok(pixels)
    }
}

/// Writes the pictures of a snapshot and answers its bytes, with the recording up to then. Blocks on the disk.
///
/// # Errors
/// [`StoreError`]; blobs that were written by then are garbage.
pub(in crate::room) fn encode_snapshot(
    snapshot: &DocumentSnapshot,
    recording: &Recording,
    blobs: &dyn BlobStore,
) -> Result<Vec<u8>, StoreError> {
    let canvas = &snapshot.canvas;
    let mut pictures = PictureWriter {
        blobs,
        known: Vec::new(),
        hashes: Vec::new(),
    };
    let mut coverage = canvas.floor.footprint.data().to_vec();
    let mut entries = Vec::with_capacity(canvas.entries.len());
    for EntryState { id, active, kind } in &canvas.entries {
        let kind = match kind {
            EntryStateKind::Image {
                pixels,
                is_apply,
                stack,
            } => KindHeader::Image {
                hash: pictures.put_shared(pixels)?,
                is_apply: *is_apply,
                stack: stack.clone(),
            },
            EntryStateKind::Stroke(stroke) => {
                let tiles = stroke.tiles.iter();
                tiles.for_each(|(_, values)| coverage.extend_from_slice(values));
                let places = stroke.points.iter().flatten();
                coverage.extend(places.flat_map(|value| value.to_le_bytes()));
                let picture = stroke.picture.as_ref();
                KindHeader::Stroke {
                    facts: stroke.facts.clone(),
                    tiles: stroke.tiles.iter().map(|(index, _)| *index).collect(),
                    points: stroke.points.len(),
                    picture: picture.map(|it| pictures.put_shared(it)).transpose()?,
                }
            }
        };
        entries.push(EntryHeader {
            id: *id,
            active: *active,
            kind,
        });
    }
    let mut layers = Vec::with_capacity(canvas.floor.layers.len());
    for LayerState { id, tiles } in &canvas.floor.layers {
        for tile in tiles {
            coverage.extend_from_slice(&tile.rgba);
            coverage.extend_from_slice(&tile.footprint);
        }
        layers.push(LayerHeader {
            id: *id,
            tiles: tiles.iter().map(|tile| tile.index).collect(),
        });
    }
    let base = pictures.put_shared(&canvas.floor.base)?;
    let sketch = pictures.put_shared(&canvas.floor.sketch)?;
    let result = pictures.put(&canvas.result)?;
    let references = snapshot.references.iter();
    let references = references.map(|(id, pixels)| Ok((id.clone(), pictures.put_shared(pixels)?)));
    let references = references.collect::<Result<_, StoreError>>()?;
    let mut blobs_named = pictures.hashes;
    blobs_named.extend(recording.blobs().map(str::to_owned));
    let header = Header {
        facts: snapshot.facts.clone(),
        size: canvas.size,
        dilation: canvas.dilation,
        stack: canvas.stack.clone(),
        base,
        base_id: canvas.floor.base_id,
        sketch,
        result,
        entries,
        layers,
        references,
        blobs: blobs_named,
        recording: recording.clone(),
    };
    let bytes = pack(&header, &coverage)?;
    if bytes.len() <= INLINE_MOST {
        return Ok([&[INLINE], &bytes[..]].concat());
    }
    let hash = blobs.put(&bytes)?;
    Ok([&[IN_BLOB], &hash.0[..]].concat())
}

/// The snapshot of these bytes, and the recording up to then. Blocks on the disk.
///
/// # Errors
/// [`StoreError`].
pub(in crate::room) fn decode_snapshot(
    bytes: &[u8],
    blobs: &dyn BlobStore,
) -> Result<(DocumentSnapshot, Recording), StoreError> {
    let (header, coverage) = unpack(bytes, blobs)?;
    let mut pictures = PictureReader {
        blobs,
        known: Vec::new(),
    };
    let mut coverage = &coverage[..];
    let mut take = |length: usize| {
        let (values, rest) = coverage.split_at_checked(length).ok_or_else(cut_off)?;
        coverage = rest;
        Ok::<_, StoreError>(values.to_vec())
    };
    let CanvasSize { width, height } = header.size;
    let footprint = Mask::from_raw(width, height, take(width as usize * height as usize)?)
        .map_err(|_| cut_off())?;
    let mut entries = Vec::with_capacity(header.entries.len());
    for EntryHeader { id, active, kind } in header.entries {
        let kind = match kind {
            KindHeader::Image {
                hash,
                is_apply,
                stack,
            } => EntryStateKind::Image {
                pixels: pictures.get(&hash)?,
                is_apply,
                stack,
            },
            KindHeader::Stroke {
                facts,
                tiles,
                points,
                picture,
            } => {
                let tiles = tiles.into_iter();
                let tiles = tiles.map(|index| Ok((index, take((TILE * TILE) as usize)?)));
                EntryStateKind::Stroke(StrokeState {
                    facts,
                    tiles: tiles.collect::<Result<_, StoreError>>()?,
                    points: points_of(&take(points.checked_mul(POINT_BYTES).ok_or_else(cut_off)?)?),
                    picture: picture.map(|hash| pictures.get(&hash)).transpose()?,
                })
            }
        };
        entries.push(EntryState { id, active, kind });
    }
    let mut layers = Vec::with_capacity(header.layers.len());
    for LayerHeader { id, tiles } in header.layers {
        let tiles = tiles.into_iter().map(|index| {
            Ok(LayerTileState {
                index,
                rgba: take((TILE * TILE * 4) as usize)?,
                footprint: take((TILE * TILE) as usize)?,
            })
        });
        layers.push(LayerState {
            id,
            tiles: tiles.collect::<Result<_, StoreError>>()?,
        });
    }
    let references = header.references.into_iter();
    let references = references.map(|(id, hash)| Ok((id, pictures.get(&hash)?)));
    let document = DocumentSnapshot {
        references: references.collect::<Result<_, StoreError>>()?,
        facts: header.facts,
        canvas: CanvasState {
            size: header.size,
            dilation: header.dilation,
            stack: header.stack,
            floor: FloorState {
                base: pictures.get(&header.base)?,
                base_id: header.base_id,
                sketch: pictures.get(&header.sketch)?,
                footprint,
                layers,
            },
            entries,
            result: Arc::unwrap_or_clone(pictures.get(&header.result)?),
        },
    };
    Ok((document, header.recording))
}

/// Every blob that a snapshot needs. Blocks on the disk.
///
/// # Errors
/// [`StoreError`].
pub(in crate::room) fn blobs_of_snapshot(
    bytes: &[u8],
    blobs: &dyn BlobStore,
) -> Result<Vec<BlobHash>, StoreError> {
    let (header, _) = unpack(bytes, blobs)?;
    let mut hashes = Vec::with_capacity(header.blobs.len() + 1);
    for hash in &header.blobs {
        hashes.push(hash.parse()?);
    }
    if let Some((&IN_BLOB, hash)) = bytes.split_first() {
        hashes.push(hash_of(hash)?);
    }
    Ok(hashes)
}

/// What a glance at a snapshot tells, without its strokes.
#[derive(Deserialize)]
pub(super) struct Glance {
    facts: GlanceFacts,
    result: String,
    #[serde(default)]
    recording: Recording,
}

#[derive(Deserialize)]
struct GlanceFacts {
    settings: Settings,
}

impl Glance {
    /// Reads as little of a snapshot as there is to read. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn at(bytes: &[u8], blobs: &dyn BlobStore) -> Result<Self, StoreError> {
        let mut reader = reader_of(bytes, blobs)?;
        serde_json::from_slice(&read_header(&mut reader)?).map_err(broken)
    }

    /// The room's prompt.
    pub(super) fn into_prompt(self) -> String {
        self.facts.settings.prompt
    }

    /// The recording up to then.
    pub(super) fn into_recording(self) -> Recording {
        self.recording
    }

    /// The blob that the result is in.
    ///
    /// # Errors
    /// [`StoreError::Blob`].
    pub(super) fn result(&self) -> Result<BlobHash, StoreError> {
        Ok(self.result.parse()?)
    }
}

/// The points of a smudge: three numbers each, little-endian.
fn points_of(bytes: &[u8]) -> Vec<StrokePoint> {
    let (numbers, _) = bytes.as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|it| f32::from_le_bytes(*it)).collect();
    let (points, _) = numbers.as_chunks::<3>();
    points.to_vec()
}

fn hash_of(bytes: &[u8]) -> Result<BlobHash, StoreError> {
    Ok(BlobHash(bytes.try_into().map_err(|_| cut_off())?))
}

fn cut_off() -> StoreError {
    StoreError::Unreadable("a snapshot is too short".to_owned())
}

fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

fn pack(header: &Header, coverage: &[u8]) -> Result<Vec<u8>, StoreError> {
    let header = serde_json::to_vec(header).map_err(broken)?;
    let length = u32::try_from(header.len()).map_err(broken)?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = packed
        .write_all(&length.to_le_bytes())
        .and_then(|()| packed.write_all(&header))
        .and_then(|()| packed.write_all(coverage));
    written.and_then(|()| packed.finish()).map_err(broken)
}

/// What a snapshot's bytes hold, to be read from its beginning.
fn reader_of(
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
fn read_header(reader: &mut impl Read) -> Result<Vec<u8>, StoreError> {
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

fn unpack(bytes: &[u8], blobs: &dyn BlobStore) -> Result<(Header, Vec<u8>), StoreError> {
    let mut reader = reader_of(bytes, blobs)?;
    let header = serde_json::from_slice(&read_header(&mut reader)?).map_err(broken)?;
    let mut coverage = Vec::new();
    reader.read_to_end(&mut coverage).map_err(broken)?;
    Ok((header, coverage))
}
