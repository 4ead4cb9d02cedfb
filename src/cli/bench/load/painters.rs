//! Painters who send strokes at a steady pace, and note when they hear of each other's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::ledger::{CHUNKS, Glance, Ledger, Place};
use super::report::PaintingFigures;
use crate::cli::Failure;
use crate::cli::bench::client::{Arrived, BenchClient, FreshRoom, Joining};
use crate::cli::bench::painting::ANSWER_WITHIN;
use crate::cli::bench::random::Random;
use crate::cli::bench::report::Spread;
use crate::pipeline::hundredths;
use crate::protocol::{Brush, ClientMessage, SettingsPatch, StrokeChunk, Tool};

/// Diameter of the brushes, in pixels.
const BRUSH: f32 = 24.0;
/// How far a message's points lie from each other, in pixels.
const REACH: f32 = 24.0;

/// Who paints where, and how.
pub struct Painters {
    /// `host:port` of the server.
    pub authority: String,
    /// The rooms.
    pub rooms: Vec<Arc<FreshRoom>>,
    /// Members of each.
    pub members: u32,
    /// Messages of each in a second.
    pub rate: u32,
    /// Side of the canvases.
    pub canvas: u32,
    /// Whether strokes are rendered.
    pub renders: bool,
    /// Seed of the strokes.
    pub seed: u32,
}

/// A painter in its room.
struct Seat {
    client: BenchClient,
    member: Uuid,
    ledger: Arc<Ledger>,
    random: Random,
    canvas: f32,
    period: Duration,
    begin: Instant,
    end: Instant,
}

/// What a painter saw.
#[derive(Default)]
struct Seen {
    sent: usize,
    own: Place,
    others: HashMap<Uuid, Place>,
    ack_ms: Vec<f64>,
    delivery_ms: Vec<f64>,
    refusals: BTreeMap<String, usize>,
    ended: Option<String>,
}

impl Painters {
    /// All of them join, paint for so long, and wait until the last of it is told.
    ///
    /// # Errors
    /// When not all of them are let in.
    pub async fn paint(&self, duration: Duration) -> Result<PaintingFigures, Failure> {
        let mut joined = Vec::new();
        for (number, room) in self.rooms.iter().enumerate() {
            let ledger = Arc::new(Ledger::default());
            for member in 0..self.members {
                let (mut client, welcome) =
                    BenchClient::join_many(&self.authority, room, Joining::anew()).await?;
                if member == 0 && !self.renders {
                    let patch = SettingsPatch {
                        live: Some(false),
                        ..SettingsPatch::default()
                    };
                    client.send(&ClientMessage::Settings(patch)).await?;
                }
                let seat = number * self.members as usize + member as usize;
                joined.push((client, welcome.client, ledger.clone(), seat));
            }
        }
        let begin = Instant::now();
        let end = begin + duration;
        let ledgers: Vec<_> = joined
            .iter()
            .map(|(.., ledger, _)| ledger.clone())
            .collect();
        let mut painting = JoinSet::new();
        for (client, member, ledger, seat) in joined {
            let seat = Seat {
                client,
                member,
                ledger,
                random: Random::new(self.seed, seat),
                canvas: self.canvas as f32,
                period: Duration::from_secs(1) / self.rate.max(1),
                begin,
                end,
            };
            painting.spawn(sit(seat));
        }
        let mut seen = Vec::new();
        while let Some(sat) = painting.join_next().await {
            seen.push(sat.map_err(Failure::broken)?);
        }
        // Whoever sent nothing itself was still to hear of all that others sent.
        let told: usize = ledgers.iter().map(|ledger| ledger.count()).sum();
        Ok(figures_of(seen, told, duration))
    }
}

/// Paints until it is over, then listens until it has heard of all that was sent.
async fn sit(mut seat: Seat) -> Seen {
    let mut seen = Seen::default();
    if let Err(failure) = paint(&mut seat, &mut seen).await {
        seen.ended = Some(failure.to_string());
    }
    seen
}

async fn paint(seat: &mut Seat, seen: &mut Seen) -> Result<(), Failure> {
    // Not all at once.
    let first = seat.begin + seat.period.mul_f32(seat.random.between(0.0, 1.0));
    let mut place = seat.anywhere();
    for number in 0.. {
        let at = first + seat.period * number;
        if at >= seat.end {
            break;
        }
        listen(seat, seen, at, |_, _| false).await?;
        if number.is_multiple_of(CHUNKS) {
            place = seat.anywhere();
        }
        let chunk = seat.chunk(number, &mut place);
        seat.ledger.send(seat.member, Instant::now());
        seen.sent += 1;
        seat.client.send(&ClientMessage::Stroke(chunk)).await?;
    }
    listen(seat, seen, seat.end, |_, _| false).await?;
    let heard_all = |seat: &Seat, seen: &Seen| {
        let refused: usize = seen.refusals.values().sum();
        let others = seat.ledger.count() - seen.sent;
        seen.ack_ms.len() + refused >= seen.sent && seen.delivery_ms.len() >= others
    };
    listen(seat, seen, seat.end + ANSWER_WITHIN, heard_all).await
}

async fn listen(
    seat: &mut Seat,
    seen: &mut Seen,
    until: Instant,
    enough: impl Fn(&Seat, &Seen) -> bool,
) -> Result<(), Failure> {
    while !enough(seat, seen) {
        let Ok(arrived) = timeout_at(until.into(), seat.client.next()).await else {
            return Ok(());
        };
        if let Arrived::Text(text) = arrived? {
            seen.read(&text, seat.member, &seat.ledger, Instant::now());
        }
    }
    Ok(())
}

impl Seat {
    fn anywhere(&mut self) -> [f32; 2] {
        let canvas = self.canvas;
        [(); 2].map(|()| self.random.between(BRUSH, canvas - BRUSH))
    }

    /// The message of that number: three points from `place` on.
    fn chunk(&mut self, number: u32, place: &mut [f32; 2]) -> StrokeChunk {
        let brush = Brush {
            tool: Tool::Brush,
            size: BRUSH,
            hardness: 0.8,
            opacity: 1.0,
            color: "#2f5fa8".to_owned(),
            ..Brush::default()
        };
        let (random, canvas) = (&mut self.random, self.canvas);
        let points = [(); 3].map(|()| {
            for side in place.iter_mut() {
                let moved = *side + random.between(-REACH, REACH);
                *side = moved.clamp(BRUSH, canvas - BRUSH);
            }
            [place[0], place[1], 1.0]
        });
        StrokeChunk {
            id: (number / CHUNKS).to_string(),
            brush: number.is_multiple_of(CHUNKS).then_some(brush),
            points: points.into(),
            done: number % CHUNKS == CHUNKS - 1,
        }
    }
}

impl Seen {
    fn read(&mut self, text: &str, own: Uuid, ledger: &Ledger, now: Instant) {
        // What this client does not know is not for it.
        let Ok(glance) = serde_json::from_str::<Glance<'_>>(text) else {
            return;
        };
        let since = |member: &Uuid, number: Option<u32>| {
            let sent = ledger.when(member, number?)?;
            Some(now.saturating_duration_since(sent).as_secs_f64() * 1000.0)
        };
        match glance.kind {
            "ack" => {
                let number = glance.id.and_then(|id| self.own.next(&id));
                self.ack_ms.extend(since(&own, number));
            }
            "op" => {
                let Some(author) = glance.client.filter(|author| *author != own) else {
                    return;
                };
                let id = glance.op.and_then(|op| op.id);
                let place = self.others.entry(author).or_default();
                let number = id.and_then(|id| place.next(&id));
                self.delivery_ms.extend(since(&author, number));
            }
            "error" => {
                let code = glance.code.unwrap_or_default().into_owned();
                *self.refusals.entry(code).or_default() += 1;
            }
            _ => {}
        }
    }
}

/// `told` is the sum, over all painters, of what was sent in their rooms.
fn figures_of(seen: Vec<Seen>, told: usize, duration: Duration) -> PaintingFigures {
    let sent = seen.iter().map(|seen| seen.sent).sum();
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let (mut ack_ms, mut delivery_ms, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for seen in seen {
        ack_ms.extend(seen.ack_ms);
        delivery_ms.extend(seen.delivery_ms);
        ended.extend(seen.ended);
        for (code, count) in seen.refusals {
            *refusals.entry(code).or_default() += count;
        }
    }
    PaintingFigures {
        messages: sent,
        messages_per_second: hundredths(sent as f64 / duration.as_secs_f64()),
        acknowledged: ack_ms.len(),
        ack_ms: Spread::of(&ack_ms),
        deliveries: delivery_ms.len(),
        deliveries_expected: told - sent,
        delivery_ms: Spread::of(&delivery_ms),
        refusals,
        ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_is_counted_from_when_it_was_sent() {
        let ledger = Ledger::default();
        let [me, other] = [1, 2].map(Uuid::from_u128);
        let start = Instant::now();
        ledger.send(me, start);
        ledger.send(other, start);
        ledger.send(other, start + Duration::from_millis(10));
        let mut seen = Seen {
            sent: 1,
            ..Seen::default()
        };
        let mut hear = |text: String, after: u64| {
            seen.read(&text, me, &ledger, start + Duration::from_millis(after));
        };
        hear(r#"{"type":"ack","id":"0","seq":1}"#.to_owned(), 5);
        for after in [7, 30] {
            let op = format!(
                r#"{{"type":"op","seq":2,"client":"{other}","op":{{"type":"stroke","id":"0"}}}}"#
            );
            hear(op, after);
        }
        // Its own op is no delivery to another.
        hear(
            format!(r#"{{"type":"op","seq":1,"client":"{me}","op":{{"type":"stroke","id":"0"}}}}"#),
            40,
        );
        hear(
            r#"{"type":"error","code":"busy","message":""}"#.to_owned(),
            41,
        );
        assert_eq!(seen.ack_ms, [5.0]);
        assert_eq!(seen.delivery_ms, [7.0, 20.0]);
        let figures = figures_of(vec![seen], 3, Duration::from_secs(1));
        assert_eq!((figures.messages, figures.acknowledged), (1, 1));
        assert_eq!((figures.deliveries, figures.deliveries_expected), (2, 2));
        assert_eq!(figures.refusals["busy"], 1);
    }
}
