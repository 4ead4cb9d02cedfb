//! Which strokes are known, and which chunks a client has sent before.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::refusal::Refusal;
use crate::protocol::{Brush, MAX_STROKE_POINTS, StrokeChunk, Tool};

/// The strokes of one client that are remembered, so that a resent one is not doubled.
const STROKES_MOST: usize = 32;
/// The chunks of one stroke that are remembered for the same reason.
const CHUNKS_MOST: usize = 1024;
/// The clients that are remembered: those that painted last.
const CLIENTS_MOST: usize = 256;

/// What a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::room) enum Verdict {
    /// The next one of a stroke, or the first of a new one.
    New,
    /// One that was accepted before, with this `seq`: acknowledge it, do nothing.
    Repeated(u64),
}

/// The strokes of every client that painted lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::room) struct Strokes {
    clients: BTreeMap<Uuid, ClientStrokes>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ClientStrokes {
    /// The oldest first.
    strokes: VecDeque<Stroke>,
    /// `seq` of the last chunk.
    last_seq: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stroke {
    id: String,
    entry: u64,
    is_open: bool,
    points: usize,
    chunks: VecDeque<Chunk>,
    first_fingerprint: u64,
    brush: Brush,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Chunk {
    fingerprint: u64,
    seq: u64,
}

/// What a client that came back may send again: for each of its strokes by id, how many of the
/// remembered chunks it has sent again already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::room) struct Resent(HashMap<String, usize>);

impl Resent {
    /// A new chunk of the stroke was taken: from here on the same points are painted again.
    pub(in crate::room) fn goes_on(&mut self, stroke: &str) {
        self.0.remove(stroke);
    }
}

impl Strokes {
    /// Everything that a client that comes back may send again.
    pub(super) fn resendable(&self, client: &Uuid) -> Resent {
        let strokes = self.clients.get(client).into_iter();
        let strokes = strokes.flat_map(|known| &known.strokes);
        Resent(strokes.map(|stroke| (stroke.id.clone(), 0)).collect())
    }

    /// Says what a chunk is. A chunk counts as repeated when the client has come back since,
    /// or when it is the first chunk of a stroke that is known.
    ///
    /// # Errors
    /// A later chunk of a stroke that is not open, a second stroke under a used id, a stroke of too
    /// many points.
    pub(super) fn judge(
        &self,
        client: Uuid,
        chunk: &StrokeChunk,
        resent: &mut Resent,
    ) -> Result<Verdict, Refusal> {
        let Some(stroke) = self.get(&client, &chunk.id) else {
            return match chunk.brush {
                Some(_) => Ok(Verdict::New),
                None => Err(Refusal::UnknownStroke),
            };
        };
        let fingerprint = fingerprint(chunk);
        if let Some(brush) = &chunk.brush {
            let is_same = *brush == stroke.brush && fingerprint == stroke.first_fingerprint;
            return match is_same {
                true => Ok(Verdict::Repeated(stroke.entry)),
                false => Err(Refusal::StrokeIdUsed),
            };
        }
        if let Some(from) = resent.0.get_mut(&chunk.id) {
            let mut chunks = stroke.chunks.iter().enumerate().skip(*from);
            if let Some((place, known)) = chunks.find(|(_, known)| known.fingerprint == fingerprint)
            {
                *from = place + 1;
                return Ok(Verdict::Repeated(known.seq));
            }
        }
        if !stroke.is_open {
            return Err(Refusal::StrokeEnded);
        }
        if stroke.points + chunk.points.len() > MAX_STROKE_POINTS {
            return Err(Refusal::StrokeTooLong);
        }
        Ok(Verdict::New)
    }

    /// Remembers an accepted chunk; `seq` is its op's. Answers the stroke's entry: `seq` itself
    /// where it is a new stroke, none for a chunk of a stroke that is not known.
    pub(super) fn accept(&mut self, client: Uuid, chunk: &StrokeChunk, seq: u64) -> Option<u64> {
        let known = self.clients.entry(client).or_default();
        known.last_seq = seq;
        let strokes = &mut known.strokes;
        if !strokes.iter().any(|stroke| stroke.id == chunk.id) {
            let brush = chunk.brush.clone()?;
            if strokes.len() == STROKES_MOST {
                strokes.pop_front();
            }
            strokes.push_back(Stroke {
                id: chunk.id.clone(),
                entry: seq,
                is_open: true,
                points: 0,
                chunks: VecDeque::new(),
                first_fingerprint: fingerprint(chunk),
                brush,
            });
        }
        let stroke = strokes.iter_mut().find(|stroke| stroke.id == chunk.id)?;
        stroke.points += chunk.points.len();
        stroke.is_open = !chunk.done;
        if stroke.chunks.len() == CHUNKS_MOST {
            stroke.chunks.pop_front();
        }
        stroke.chunks.push_back(Chunk {
            fingerprint: fingerprint(chunk),
            seq,
        });
        let entry = stroke.entry;
        self.forget_clients();
        Some(entry)
    }

    fn forget_clients(&mut self) {
        while self.clients.len() > CLIENTS_MOST {
            let oldest = self.clients.iter().min_by_key(|(_, known)| known.last_seq);
            let Some(oldest) = oldest.map(|(client, _)| *client) else {
                return;
            };
            self.clients.remove(&oldest);
        }
    }

    /// The entry of a remembered stroke.
    pub(super) fn entry(&self, client: &Uuid, id: &str) -> Option<u64> {
        self.get(client, id).map(|stroke| stroke.entry)
    }

    /// The tool of a remembered stroke.
    pub(super) fn tool(&self, client: &Uuid, id: &str) -> Option<Tool> {
        self.get(client, id).map(|stroke| stroke.brush.tool)
    }
    /// Ends a stroke that was undone while it was open.
    pub(super) fn end(&mut self, entry: u64) {
        let strokes = self
            .clients
            .values_mut()
            .flat_map(|known| known.strokes.iter_mut());
        for stroke in strokes.filter(|stroke| stroke.entry == entry) {
            stroke.is_open = false;
        }
    }

    fn get(&self, client: &Uuid, id: &str) -> Option<&Stroke> {
        let mut strokes = self.clients.get(client)?.strokes.iter();
        strokes.find(|stroke| stroke.id == id)
    }
}

/// The same for the same chunk on every machine and in every version.
fn fingerprint(chunk: &StrokeChunk) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update([u8::from(chunk.brush.is_some()), u8::from(chunk.done)]);
    for value in chunk.points.iter().flatten() {
        hasher.update(value.to_le_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{StrokePoint, Tool};

    const ME: Uuid = Uuid::from_u128(7);

    fn chunk(brush: bool, points: &[StrokePoint], done: bool) -> StrokeChunk {
        let brush = brush.then(|| Brush {
            tool: Tool::Brush,
            size: 10.0,
            hardness: 1.0,
            opacity: 1.0,
            color: "#000000".to_owned(),
            ..Brush::default()
        });
        StrokeChunk {
            id: "a".to_owned(),
            brush,
            points: points.to_vec(),
            done,
        }
    }

    fn painted(chunks: &[StrokeChunk]) -> Strokes {
        let mut strokes = Strokes::default();
        for (place, chunk) in chunks.iter().enumerate() {
            let verdict = strokes.judge(ME, chunk, &mut Resent::default());
            assert_eq!(verdict, Ok(Verdict::New));
            assert_eq!(strokes.accept(ME, chunk, place as u64 + 1), Some(1));
        }
        strokes
    }

    #[test]
    fn a_hand_that_comes_back_over_a_point_paints_it_again() {
        let point = [1.0, 2.0, 0.5];
        let strokes = painted(&[chunk(true, &[point], false), chunk(false, &[point], false)]);
        let again = strokes.judge(ME, &chunk(false, &[point], false), &mut Resent::default());
        assert_eq!(again, Ok(Verdict::New));
    }

    #[test]
    fn what_is_resent_after_a_reconnect_is_not_painted_twice() {
        let chunks = [
            chunk(true, &[[1.0, 1.0, 1.0]], false),
            chunk(false, &[[2.0, 2.0, 1.0]], false),
            chunk(false, &[[3.0, 3.0, 1.0]], false),
        ];
        let mut strokes = painted(&chunks[..2]);
        let mut resent = strokes.resendable(&ME);
        let mut judge = |chunk| strokes.judge(ME, chunk, &mut resent);
        assert_eq!(judge(&chunks[0]), Ok(Verdict::Repeated(1)));
        assert_eq!(judge(&chunks[1]), Ok(Verdict::Repeated(2)));
        assert_eq!(judge(&chunks[2]), Ok(Verdict::New));
        assert_eq!(strokes.accept(ME, &chunks[2], 3), Some(1));
        resent.goes_on("a");
        let again = strokes.judge(ME, &chunks[2], &mut resent);
        assert_eq!(again, Ok(Verdict::New), "the hand goes on there");
    }

    #[test]
    fn refuses_chunks_of_strokes_that_are_not_open() {
        let strokes = painted(&[chunk(true, &[[1.0, 1.0, 1.0]], true)]);
        let judge = |client, chunk| strokes.judge(client, &chunk, &mut Resent::default());
        let later = judge(ME, chunk(false, &[[2.0, 2.0, 1.0]], false));
        assert_eq!(later, Err(Refusal::StrokeEnded));
        let other = judge(ME, chunk(true, &[[9.0, 9.0, 1.0]], false));
        assert_eq!(other, Err(Refusal::StrokeIdUsed));
        let stranger = judge(Uuid::nil(), chunk(false, &[[2.0, 2.0, 1.0]], false));
        assert_eq!(stranger, Err(Refusal::UnknownStroke));
    }

    #[test]
    fn the_clients_that_painted_last_are_remembered() {
        let mut strokes = Strokes::default();
        let first = chunk(true, &[[1.0, 1.0, 1.0]], false);
        let clients = 0..=CLIENTS_MOST as u128;
        for client in clients.clone() {
            strokes.accept(Uuid::from_u128(client), &first, client as u64 + 1);
        }
        assert_eq!(strokes.clients.len(), CLIENTS_MOST);
        let later = chunk(false, &[[2.0, 2.0, 1.0]], false);
        let judge = |client| strokes.judge(Uuid::from_u128(client), &later, &mut Resent::default());
        assert_eq!(judge(0), Err(Refusal::UnknownStroke));
        assert_eq!(judge(1), Ok(Verdict::New));
    }
}
