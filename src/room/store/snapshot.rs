//! Snapshots of a document as bytes, with their pictures as blobs.

use std::sync::Arc;

use super::{
    Recording, StoreError,
    pictures::{decode_picture, encode_picture},
    snapshot_format::{
        EntryHeader, Header, KindHeader, LayerHeader, cut_off, own_blob, pack, unpack,
    },
};
use crate::{
    canvas::{
        CanvasState, EntryState, EntryStateKind, FloorState, LayerState, LayerTileState, Mask,
        Pixels, StrokeState, TILE,
    },
    journal::{BlobHash, BlobStore},
    protocol::{CanvasSize, StrokePoint},
    room::document::DocumentSnapshot,
};

/// Bytes of a point of a smudge.
const POINT_BYTES: usize = size_of::<StrokePoint>();

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
    pack(&header, &coverage, blobs)
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
    hashes.extend(own_blob(bytes)?);
    Ok(hashes)
}

/// The points of a smudge: three numbers each, little-endian.
fn points_of(bytes: &[u8]) -> Vec<StrokePoint> {
    let (numbers, _) = bytes.as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|it| f32::from_le_bytes(*it)).collect();
    let (points, _) = numbers.as_chunks::<3>();
    points.to_vec()
}
