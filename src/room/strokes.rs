//! Which strokes are open, and which chunks a client has sent before.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use uuid::Uuid;

use crate::protocol::{Brush, ErrorCode, ErrorMessage, MAX_STROKE_POINTS, StrokeChunk};

/// The strokes of one client that are remembered, so that a resent one is not doubled.
const STROKES_MOST: usize = 32;
/// The chunks of one stroke that are remembered for the same reason.
const CHUNKS_MOST: usize = 1024;
/// The clients that are remembered after they have left.
const CLIENTS_MOST: usize = 256;

/// What a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The first of a new stroke.
    First,
    /// A later one of the stroke whose first op had this `seq`.
    Later(u64),
    /// One that was accepted before, with this `seq`: acknowledge it, do nothing.
    Repeated(u64),
}

/// The strokes of every client that is or was here lately.
#[derive(Debug, Default)]
pub(super) struct StrokeBook {
    clients: HashMap<Uuid, ClientStrokes>,
    leaves: u64,
}

#[derive(Debug, Default)]
struct ClientStrokes {
    strokes: VecDeque<Stroke>,
    /// Which leave of the room this client's was; none while it is here.
    left: Option<u64>,
}

#[derive(Debug)]
struct Stroke {
    id: String,
    entry: u64,
    open: bool,
    /// Ended by leaving, not by the hand: the same client may go on with it.
    cut_off: bool,
    points: usize,
    chunks: VecDeque<(u64, u64)>,
    /// After a reconnect: the place in `chunks` from which repeats are looked for.
    resent_from: Option<usize>,
    first_print: u64,
    brush: Brush,
}

impl StrokeBook {
    /// Says what a chunk is. A chunk counts as repeated when the client has come back since,
    /// or when it is the first chunk of a stroke that is known.
    ///
    /// # Errors
    /// `unknown_stroke` for a later chunk of a stroke that is not open; `invalid_value` for a
    /// second stroke under a used id; `too_large` for a stroke of too many points.
    pub(super) fn judge(
        &mut self,
        client: Uuid,
        chunk: &StrokeChunk,
    ) -> Result<Verdict, ErrorMessage> {
        let refuse = |code, text: &str| Err(ErrorMessage::new(code, text).about(chunk.id.clone()));
        let strokes = &mut self.clients.entry(client).or_default().strokes;
        let Some(stroke) = strokes.iter_mut().find(|stroke| stroke.id == chunk.id) else {
            return match chunk.brush {
                Some(_) => Ok(Verdict::First),
                None => refuse(
                    ErrorCode::UnknownStroke,
                    "No stroke of that id is open; send its brush in the first message.",
                ),
            };
        };
        let print = fingerprint(chunk);
        if let Some(brush) = &chunk.brush {
            if *brush == stroke.brush && print == stroke.first_print {
                return Ok(Verdict::Repeated(stroke.entry));
            }
            return refuse(
                ErrorCode::InvalidValue,
                "A stroke of that id has been painted; give the next one a new id.",
            );
        }
        if let Some(from) = stroke.resent_from {
            let found = stroke
                .chunks
                .iter()
                .enumerate()
                .skip(from)
                .find(|(_, c)| c.0 == print);
            if let Some((place, (_, seq))) = found {
                let seq = *seq;
                stroke.resent_from = Some(place + 1);
                return Ok(Verdict::Repeated(seq));
            }
        }
        if !stroke.open && !stroke.cut_off {
            return refuse(
                ErrorCode::UnknownStroke,
                "That stroke has ended; begin a new one with its brush.",
            );
        }
        if stroke.points + chunk.points.len() > MAX_STROKE_POINTS {
            return refuse(
                ErrorCode::TooLarge,
                "The stroke has too many points; end it and begin a new one.",
            );
        }
        Ok(Verdict::Later(stroke.entry))
    }

    /// Remembers an accepted chunk; `seq` is its op's.
    pub(super) fn accept(&mut self, client: Uuid, chunk: &StrokeChunk, seq: u64) {
        let strokes = &mut self.clients.entry(client).or_default().strokes;
        let place = match strokes.iter().position(|stroke| stroke.id == chunk.id) {
            Some(place) => place,
            None => {
                let Some(brush) = chunk.brush.clone() else {
                    return;
                };
                if strokes.len() == STROKES_MOST {
                    strokes.pop_front();
                }
                strokes.push_back(Stroke {
                    id: chunk.id.clone(),
                    entry: seq,
                    open: true,
                    cut_off: false,
                    points: 0,
                    chunks: VecDeque::new(),
                    resent_from: None,
                    first_print: fingerprint(chunk),
                    brush,
                });
                strokes.len() - 1
            }
        };
        let stroke = &mut strokes[place];
        stroke.points += chunk.points.len();
        stroke.open = !chunk.done;
        stroke.cut_off = false;
        stroke.resent_from = None;
        if stroke.chunks.len() == CHUNKS_MOST {
            stroke.chunks.pop_front();
        }
        stroke.chunks.push_back((fingerprint(chunk), seq));
    }

    /// The brush of a remembered stroke.
    pub(super) fn brush(&self, client: &Uuid, entry: u64) -> Option<&Brush> {
        let strokes = &self.clients.get(client)?.strokes;
        strokes
            .iter()
            .find(|stroke| stroke.entry == entry)
            .map(|stroke| &stroke.brush)
    }

    /// True while the client has a stroke that is not done.
    pub(super) fn any_open(&self, client: &Uuid) -> bool {
        self.clients
            .get(client)
            .is_some_and(|known| known.strokes.iter().any(|s| s.open))
    }

    /// Ends a stroke that was taken back while it was open.
    pub(super) fn end(&mut self, entry: u64) {
        let strokes = self
            .clients
            .values_mut()
            .flat_map(|known| known.strokes.iter_mut());
        for stroke in strokes.filter(|stroke| stroke.entry == entry) {
            stroke.open = false;
            stroke.cut_off = false;
        }
    }

    /// Ends the open strokes of a client that leaves.
    pub(super) fn leave(&mut self, client: &Uuid) {
        self.leaves += 1;
        if let Some(known) = self.clients.get_mut(client) {
            known.left = Some(self.leaves);
            for stroke in known.strokes.iter_mut().filter(|stroke| stroke.open) {
                stroke.open = false;
                stroke.cut_off = true;
            }
        }
        let gone = self
            .clients
            .iter()
            .filter_map(|(id, known)| Some((known.left?, *id)));
        if gone.clone().count() > CLIENTS_MOST
            && let Some((_, oldest)) = gone.min()
        {
            self.clients.remove(&oldest);
        }
    }

    /// The client is back: what it sends may be what it sent before.
    pub(super) fn come_back(&mut self, client: &Uuid) {
        if let Some(known) = self.clients.get_mut(client) {
            known.left = None;
            for stroke in &mut known.strokes {
                stroke.resent_from = Some(0);
            }
        }
    }
}

fn fingerprint(chunk: &StrokeChunk) -> u64 {
    let mut hasher = DefaultHasher::new();
    chunk.brush.is_some().hash(&mut hasher);
    chunk.done.hash(&mut hasher);
    for value in chunk.points.iter().flatten() {
        value.to_bits().hash(&mut hasher);
    }
    hasher.finish()
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
            prompt: None,
        });
        StrokeChunk {
            id: "a".to_owned(),
            brush,
            points: points.to_vec(),
            done,
        }
    }

    fn painted(chunks: &[StrokeChunk]) -> StrokeBook {
        let mut book = StrokeBook::default();
        for (place, chunk) in chunks.iter().enumerate() {
            book.judge(ME, chunk).unwrap();
            book.accept(ME, chunk, place as u64 + 1);
        }
        book
    }

    #[test]
    fn a_hand_that_comes_back_over_a_point_paints_it_again() {
        let point = [1.0, 2.0, 0.5];
        let mut book = painted(&[chunk(true, &[point], false), chunk(false, &[point], false)]);
        assert_eq!(
            book.judge(ME, &chunk(false, &[point], false)),
            Ok(Verdict::Later(1))
        );
    }

    #[test]
    fn what_is_resent_after_a_reconnect_is_not_painted_twice() {
        let chunks = [
            chunk(true, &[[1.0, 1.0, 1.0]], false),
            chunk(false, &[[2.0, 2.0, 1.0]], false),
            chunk(false, &[[3.0, 3.0, 1.0]], false),
        ];
        let mut book = painted(&chunks[..2]);
        book.leave(&ME);
        assert!(!book.any_open(&ME));
        book.come_back(&ME);
        assert_eq!(book.judge(ME, &chunks[0]), Ok(Verdict::Repeated(1)));
        assert_eq!(book.judge(ME, &chunks[1]), Ok(Verdict::Repeated(2)));
        assert_eq!(book.judge(ME, &chunks[2]), Ok(Verdict::Later(1)));
        book.accept(ME, &chunks[2], 3);
        assert!(book.any_open(&ME));
    }

    #[test]
    fn refuses_chunks_of_strokes_that_are_not_open() {
        let mut book = painted(&[chunk(true, &[[1.0, 1.0, 1.0]], true)]);
        let later = book
            .judge(ME, &chunk(false, &[[2.0, 2.0, 1.0]], false))
            .unwrap_err();
        assert_eq!(
            (later.code, later.id.as_deref()),
            (ErrorCode::UnknownStroke, Some("a"))
        );
        let other = book
            .judge(ME, &chunk(true, &[[9.0, 9.0, 1.0]], false))
            .unwrap_err();
        assert_eq!(other.code, ErrorCode::InvalidValue);
        let stranger = book.judge(Uuid::nil(), &chunk(false, &[[2.0, 2.0, 1.0]], false));
        assert_eq!(stranger.unwrap_err().code, ErrorCode::UnknownStroke);
    }
}
