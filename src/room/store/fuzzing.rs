//! What `tests/fuzz` reaches of how rooms are kept. Public because a fuzzer drives the library from
//! outside, and hidden because nobody else needs it: records and snapshots are the rooms' own.

use std::{
    collections::HashSet,
    io::{Read, Write},
    sync::OnceLock,
    time::Duration,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use uuid::Uuid;

use super::{
    Record, Recording, StoreError,
    pictures::encode_picture,
    snapshot::{decode_snapshot, encode_snapshot},
    snapshot_format::INLINE,
};
use crate::{
    canvas::Pixels,
    journal::{BlobError, BlobHash, BlobStore, MemoryBlobs},
    protocol::{
        Brush, CanvasSize, LayerChange, NewLayer, Op, Rect, SequencedOp, Settings, SettingsPatch,
        StrokeChunk, Tool,
    },
    room::document::Document,
};

/// The canvas of [`snapshot_of_a_room`], and of every picture that a snapshot here names.
const SIDE: u32 = 64;

/// Whether a record that can be read is the same once it was written and read again; none where it
/// cannot be read.
pub fn record_survives(bytes: &[u8]) -> Option<bool> {
    let record = Record::decode(bytes).ok()?;
    let again = record.encode().and_then(|bytes| Record::decode(&bytes));
    Some(again.is_ok_and(|again| again == record))
}

/// The same for a snapshot, whose pictures are all there and white.
pub fn snapshot_survives(bytes: &[u8]) -> Option<bool> {
    let blobs = WhitePaper::new().ok()?;
    let (read, recording) = decode_snapshot(bytes, &blobs).ok()?;
    let snapshot = Document::from_snapshot(read).ok()?.snapshot();
    let again = encode_snapshot(&snapshot, &recording, &blobs)
        .and_then(|bytes| decode_snapshot(&bytes, &blobs));
    Some(again.is_ok_and(|again| again == (snapshot, recording)))
}

/// A snapshot's bytes from what they hold, which a fuzzer can change where it does not see through
/// the compression.
///
/// # Errors
/// None that memory can give.
pub fn packed(content: &[u8]) -> std::io::Result<Vec<u8>> {
    // What is packed tightly is read in the same way, and takes the fuzzer longer.
    let mut packed = DeflateEncoder::new(vec![INLINE], Compression::none());
    packed.write_all(content)?;
    packed.finish()
}

/// What the snapshot of a small room holds, as [`packed`] takes it: strokes, a mask and a change of
/// settings.
///
/// # Errors
/// [`StoreError`], where what this builds cannot be written.
pub fn snapshot_of_a_room(settings: Settings) -> Result<Vec<u8>, StoreError> {
    let size = CanvasSize {
        width: SIDE,
        height: SIDE,
    };
    let mut document = Document::new(size, settings);
    let stroke = |id: &str, tool, layer, done| {
        Op::Stroke(StrokeChunk {
            id: id.to_owned(),
            brush: Some(Brush {
                tool,
                size: 12.0,
                hardness: 0.5,
                opacity: 0.9,
                color: "#c81e2b".to_owned(),
                prompt: Some("a boat".to_owned()),
                layer,
                ..Brush::default()
            }),
            points: vec![[10.0, 12.5, 0.5], [40.0, 30.0, 1.0]],
            done,
        })
    };
    let ops = [
        stroke("one", Tool::Brush, None, true),
        Op::Mask {
            rect: Rect::new(8, 8, 16, 16),
        },
        Op::Settings(SettingsPatch {
            prompt: Some("a red apple".to_owned()),
            ..SettingsPatch::default()
        }),
        Op::Apply {},
        Op::Layer(LayerChange::Add(NewLayer::default())),
        stroke("on a layer", Tool::Brush, Some(5), true),
        stroke("dragged", Tool::Smudge, None, true),
        stroke("two", Tool::Erase, None, false),
    ];
    for (seq, op) in (1..).zip(ops) {
        let op = SequencedOp::new(seq, Uuid::from_u128(1), op);
        document
            .apply(&op, |_| None)
            .map_err(|error| StoreError::Unreadable(error.to_string()))?;
    }
    let bytes = encode_snapshot(
        &document.snapshot(),
        &Recording::default(),
        &MemoryBlobs::new(),
    )?;
    let mut content = Vec::new();
    DeflateDecoder::new(bytes.get(1..).unwrap_or_default())
        .read_to_end(&mut content)
        .map_err(|error| StoreError::Unreadable(error.to_string()))?;
    Ok(content)
}

/// A store that has every blob: white paper, where nothing else was put.
#[derive(Debug)]
struct WhitePaper {
    put: MemoryBlobs,
    paper: &'static [u8],
}

impl WhitePaper {
    fn new() -> Result<Self, StoreError> {
        static PAPER: OnceLock<Vec<u8>> = OnceLock::new();
        let paper = match PAPER.get() {
            Some(paper) => paper,
            None => {
                let paper = encode_picture(&Pixels::new(SIDE, SIDE, [255; 3]))?;
                PAPER.get_or_init(|| paper)
            }
        };
        Ok(Self {
            put: MemoryBlobs::new(),
            paper,
        })
    }
}

impl BlobStore for WhitePaper {
    fn put(&self, bytes: &[u8]) -> Result<BlobHash, BlobError> {
        self.put.put(bytes)
    }

    fn get(&self, hash: BlobHash) -> Result<Vec<u8>, BlobError> {
        match self.put.get(hash) {
            Err(BlobError::Missing(_)) => Ok(self.paper.to_vec()),
            other => other,
        }
    }

    fn contains(&self, _hash: BlobHash) -> Result<bool, BlobError> {
        Ok(true)
    }

    fn collect_garbage(
        &self,
        live: &HashSet<BlobHash>,
        min_age: Duration,
    ) -> Result<usize, BlobError> {
        self.put.collect_garbage(live, min_age)
    }
}
