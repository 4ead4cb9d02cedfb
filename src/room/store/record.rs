//! Records of a room's journal as bytes.

use serde::{Deserialize, Serialize};

use super::{
    RecordedPicture, StoreError,
    pictures::{decode_picture, encode_picture},
};
use crate::{
    protocol::{Op, Rect, SequencedOp},
    room::document::ShownPicture,
};

/// What changed the document, or was recorded of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) enum Record {
    /// An op, with its switches.
    Op(SequencedOp),
    /// What a render left in the result.
    Picture(ShownPicture),
    /// A picture of the recording, which changes nothing in the document.
    Recorded(RecordedPicture),
}

/// The first byte of a record.
const OP: u8 = 1;
const PICTURE: u8 = 2;
const RECORDED: u8 = 3;

/// A picture's record before its PNG.
#[derive(Serialize, Deserialize)]
struct PictureFacts {
    core: Rect,
    settles: Option<u64>,
    /// Where the pixels lie; none where nothing changed.
    at: Option<(u32, u32)>,
}

impl Record {
    /// The record as bytes. A picture is compressed, which takes milliseconds.
    ///
    /// # Errors
    /// [`StoreError::Picture`], [`StoreError::Unreadable`].
    pub(in crate::room) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Op(op) => {
                let mut bytes = vec![OP];
                bytes.extend(to_json(op)?);
                Ok(bytes)
            }
            Self::Picture(picture) => {
                let facts = PictureFacts {
                    core: picture.core,
                    settles: picture.settles,
                    at: picture.pixels.as_ref().map(|(x, y, _)| (*x, *y)),
                };
                let facts = to_json(&facts)?;
                let length = u32::try_from(facts.len()).unwrap_or(u32::MAX);
                let mut bytes = vec![PICTURE];
                bytes.extend(length.to_le_bytes());
                bytes.extend(facts);
                if let Some((_, _, pixels)) = &picture.pixels {
                    bytes.extend(encode_picture(pixels)?);
                }
                Ok(bytes)
            }
            Self::Recorded(picture) => {
                let mut bytes = vec![RECORDED];
                bytes.extend(to_json(picture)?);
                Ok(bytes)
            }
        }
    }

    /// True when the bytes are an op's.
    pub(in crate::room) fn is_op(bytes: &[u8]) -> bool {
        bytes.first() == Some(&OP)
    }

    /// True when the bytes are a recorded picture's.
    pub(in crate::room) fn is_recorded(bytes: &[u8]) -> bool {
        bytes.first() == Some(&RECORDED)
    }

    /// The record of these bytes.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], [`StoreError::Picture`].
    pub(in crate::room) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        match bytes.split_first() {
            Some((&OP, json)) => {
                let op: SequencedOp = from_json(json)?;
                match has_finite_numbers(&op.op) {
                    true => Ok(Self::Op(op)),
                    false => Err(StoreError::Unreadable(
                        "a stroke with a number that is not finite".to_owned(),
                    )),
                }
            }
            Some((&PICTURE, rest)) => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
                let length = u32::from_le_bytes(*length) as usize;
                let (facts, png) = rest.split_at_checked(length).ok_or_else(cut_off)?;
                let PictureFacts { core, settles, at } = from_json(facts)?;
                let pixels = match at {
                    Some((x, y)) => Some((x, y, decode_picture(png)?)),
                    None => None,
                };
                Ok(Self::Picture(ShownPicture {
                    core,
                    settles,
                    pixels,
                }))
            }
            Some((&RECORDED, json)) => Ok(Self::Recorded(from_json(json)?)),
            Some((kind, _)) => Err(StoreError::Unreadable(format!("a record of kind {kind}"))),
            None => Err(cut_off()),
        }
    }
}

/// JSON may hold numbers too large for the floats of strokes; all other floats are as wide as JSON's.
fn has_finite_numbers(op: &Op) -> bool {
    let Op::Stroke(chunk) = op else {
        return true;
    };
    let brush = chunk.brush.iter();
    let mut brushes = brush.flat_map(|brush| {
        let ends = brush.gradient.iter().flat_map(|it| [it.from, it.to]);
        [brush.size, brush.hardness, brush.opacity]
            .into_iter()
            .chain(brush.angle)
            .chain(brush.flow)
            .chain(ends.flatten())
    });
    brushes.all(f32::is_finite) && chunk.points.iter().flatten().all(|value| value.is_finite())
}

fn cut_off() -> StoreError {
    StoreError::Unreadable("a record is too short".to_owned())
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Unreadable(error.to_string()))
}
