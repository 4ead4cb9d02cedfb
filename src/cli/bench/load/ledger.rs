//! When each message of a room was sent, so that whoever hears of it knows how long that took.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Deserialize;
use uuid::Uuid;

/// Messages of a stroke.
pub const CHUNKS: u32 = 10;

/// What all members of a room sent, and when.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Sent>);

#[derive(Debug, Default)]
struct Sent {
    by_member: HashMap<Uuid, Vec<Instant>>,
    count: usize,
}

impl Ledger {
    /// A member sends its next message.
    pub fn send(&self, member: Uuid, now: Instant) {
        let mut sent = self.sent();
        sent.by_member.entry(member).or_default().push(now);
        sent.count += 1;
    }

    /// When a member sent the message of that number.
    pub fn when(&self, member: &Uuid, number: u32) -> Option<Instant> {
        let sent = self.sent();
        sent.by_member.get(member)?.get(number as usize).copied()
    }

    /// Messages of all members so far.
    pub fn count(&self) -> usize {
        self.sent().count
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells which of a member's messages is meant by a stroke's id, which is its number: parts of a
/// stroke come back in their order.
#[derive(Debug, Default)]
pub struct Place {
    stroke: u32,
    part: u32,
}

impl Place {
    /// The number of the message that was meant now.
    pub fn next(&mut self, stroke: &str) -> Option<u32> {
        let stroke = stroke.parse().ok()?;
        if stroke != self.stroke {
            *self = Self { stroke, part: 0 };
        }
        let number = stroke * CHUNKS + self.part;
        self.part += 1;
        Some(number)
    }
}

/// What a message is about: all that a painter looks at, so that a client of many members costs
/// little beside the server.
#[derive(Debug, Deserialize)]
pub struct Glance<'a> {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The stroke that it answers.
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    /// Why something is refused.
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    /// Who did something.
    pub client: Option<Uuid>,
    /// What was done.
    #[serde(borrow)]
    pub op: Option<OpGlance<'a>>,
}

/// An op, as far as a painter looks at it.
#[derive(Debug, Deserialize)]
pub struct OpGlance<'a> {
    /// Its stroke, of a stroke.
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Op, SequencedOp, ServerMessage, StrokeChunk};

    #[test]
    fn parts_of_a_stroke_are_told_apart_by_their_order() {
        let mut place = Place::default();
        let numbers = ["0", "0", "1", "1", "1"].map(|stroke| place.next(stroke).unwrap());
        assert_eq!(numbers, [0, 1, 10, 11, 12]);
        assert_eq!(place.next("mine"), None);
    }

    #[test]
    fn a_glance_sees_whose_stroke_an_op_is() {
        let client = Uuid::from_u128(7);
        let chunk = StrokeChunk {
            id: "12".to_owned(),
            brush: None,
            points: vec![[1.0, 2.0, 1.0]],
            done: false,
        };
        let told = ServerMessage::Op(SequencedOp::new(3, client, Op::Stroke(chunk)));
        let text = serde_json::to_string(&told).unwrap();
        let glance: Glance<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((glance.kind, glance.client), ("op", Some(client)));
        assert_eq!(glance.op.unwrap().id.unwrap(), "12");

        let told = ServerMessage::Ack {
            id: Some("12".to_owned()),
            seq: 3,
        };
        let text = serde_json::to_string(&told).unwrap();
        let glance: Glance<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((glance.kind, glance.id.unwrap().as_ref()), ("ack", "12"));
    }

    #[test]
    fn the_ledger_knows_when_each_sent_what() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let [one, two] = [1, 2].map(Uuid::from_u128);
        ledger.send(one, now);
        ledger.send(two, now);
        assert_eq!(ledger.count(), 2);
        assert_eq!(ledger.when(&one, 0), Some(now));
        assert_eq!(ledger.when(&one, 1), None);
    }
}
