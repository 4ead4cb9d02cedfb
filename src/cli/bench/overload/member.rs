//! One member of an overload: paints, and notes what comes back and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::hand::Hand;
use super::report::MemberReport;
use crate::cli::Failure;
use crate::cli::bench::client::{BenchClient, FreshRoom, Heard};
use crate::cli::bench::painting::{ANSWER_WITHIN, Listener, PlannedStroke, listen};
use crate::cli::bench::report::Spread;
use crate::cli::bench::tally::Tally;
use crate::cli::bench::watch::StrokeWatch;
use crate::protocol::{ClientMessage, TimingsMs};

/// What the device spends on a render; the rest of its time is waiting.
const ON_THE_DEVICE: [&str; 4] = ["text", "encode", "denoise", "decode"];

/// Who paints where, how, and until when.
pub struct Sitting {
    /// `host:port` of the server.
    pub authority: String,
    /// The room.
    pub fresh: Arc<FreshRoom>,
    /// Its number.
    pub room: u32,
    /// The member's number in it.
    pub member: u32,
    /// Whether the hand is a wild one.
    pub is_wild: bool,
    /// How it paints.
    pub hand: Hand,
    /// Seed of all members.
    pub seed: u32,
    /// When it stops.
    pub until: Instant,
}

/// Paints until it is over, or the server lets it go.
pub async fn sit(sitting: Sitting) -> MemberReport {
    let mut seen = Seen::default();
    let ended = match paint(&sitting, &mut seen).await {
        Ok(()) => None,
        Err(failure) => Some(failure.to_string()),
    };
    seen.give_up_late(sitting.until, true);
    seen.report(&sitting, ended)
}

async fn paint(sitting: &Sitting, seen: &mut Seen) -> Result<(), Failure> {
    let (mut client, _) = BenchClient::join(&sitting.authority, &sitting.fresh).await?;
    let hand = sitting.hand;
    // Everybody has strokes of its own.
    let seed = sitting.seed ^ (sitting.room << 16) ^ (sitting.member << 8);
    for index in 0.. {
        if Instant::now() >= sitting.until {
            break;
        }
        let stroke = hand.stroke(seed, index);
        send(&mut client, seen, &stroke, &hand).await?;
        if let Some(rest) = hand.rest {
            let patience = Instant::now() + ANSWER_WITHIN;
            let until = patience.min(sitting.until);
            listen(&mut client, seen, until, |seen| seen.open.is_empty()).await?;
            let rested = Instant::now() + rest;
            listen(&mut client, seen, rested, |_| false).await?;
        }
        seen.give_up_late(Instant::now(), false);
    }
    Ok(())
}

async fn send(
    client: &mut BenchClient,
    seen: &mut Seen,
    stroke: &PlannedStroke,
    hand: &Hand,
) -> Result<(), Failure> {
    let watch = StrokeWatch::new(&stroke.id, stroke.footprint, stroke.chunks.len());
    seen.begin(watch);
    let begun = Instant::now();
    for (index, chunk) in (0..).zip(&stroke.chunks) {
        listen(client, seen, begun + hand.chunk_every * index, |_| false).await?;
        seen.sent(Instant::now());
        client.send(&ClientMessage::Stroke(chunk.clone())).await?;
    }
    Ok(())
}

/// What a member has seen.
#[derive(Default)]
struct Seen {
    /// Strokes that are not answered yet, the oldest first, with the time of their first chunk.
    open: Vec<(Instant, StrokeWatch)>,
    ack_ms: Vec<f64>,
    stroke_to_pixel_ms: Vec<f64>,
    strokes: usize,
    lost: usize,
    tally: Tally,
}

impl Seen {
    fn begin(&mut self, watch: StrokeWatch) {
        self.strokes += 1;
        self.open.push((Instant::now(), watch));
    }

    /// The newest stroke's next chunk goes out.
    fn sent(&mut self, now: Instant) {
        if let Some((_, watch)) = self.open.last_mut() {
            watch.sent(now);
        }
    }

    fn finish(&mut self, watch: &StrokeWatch) {
        self.ack_ms.extend(watch.ack_ms());
        match watch.last_answer_ms() {
            Some(milliseconds) => self.stroke_to_pixel_ms.push(milliseconds),
            None => self.lost += 1,
        }
    }

    /// Strokes that have waited too long are lost; at the end those that have not are not counted.
    fn give_up_late(&mut self, now: Instant, is_over: bool) {
        let open = std::mem::take(&mut self.open);
        for (begun, watch) in open {
            let is_late = now.saturating_duration_since(begun) > ANSWER_WITHIN;
            match (is_late, is_over) {
                (true, _) => self.finish(&watch),
                (false, true) => {
                    self.ack_ms.extend(watch.ack_ms());
                    self.strokes -= 1;
                }
                (false, false) => self.open.push((begun, watch)),
            }
        }
    }

    fn report(&self, sitting: &Sitting, ended: Option<String>) -> MemberReport {
        let renders = &self.tally.renders;
        let states = ["started", "done"].map(|state| renders.get(state).copied().unwrap_or(0));
        MemberReport {
            room: sitting.room,
            member: sitting.member,
            wild: sitting.is_wild,
            ack_ms: Spread::of(&self.ack_ms),
            stroke_to_pixel_ms: Spread::of(&self.stroke_to_pixel_ms),
            strokes: self.strokes,
            answered: self.stroke_to_pixel_ms.len(),
            lost: self.lost,
            room_device_ms: self.tally.timings.iter().map(device_ms).sum(),
            room_renders: BTreeMap::from([("started", states[0]), ("done", states[1])]),
            strain: self.tally.strain.clone(),
            refusals: self.tally.refusals.clone(),
            ended,
        }
    }
}

impl Listener for Seen {
    fn hear(&mut self, heard: &Heard, now: Instant) -> Result<(), Failure> {
        self.tally.hear(heard, now)?;
        for (_, watch) in &mut self.open {
            watch.hear(heard, now)?;
        }
        let open = std::mem::take(&mut self.open);
        let (answered, open) = open.into_iter().partition(|(_, watch)| watch.answered());
        self.open = open;
        let answered: Vec<(Instant, StrokeWatch)> = answered;
        answered.iter().for_each(|(_, watch)| self.finish(watch));
        Ok(())
    }
}

fn device_ms(timings: &TimingsMs) -> f64 {
    let stages = ON_THE_DEVICE.iter();
    stages.filter_map(|stage| timings.get(*stage)).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::{Rect, ServerMessage};

    fn watch(id: &str) -> StrokeWatch {
        StrokeWatch::new(id, Rect::new(0, 0, 8, 8), 1)
    }

    #[test]
    fn a_stroke_without_an_answer_is_lost_after_a_while_and_not_counted_at_the_end() {
        let mut seen = Seen::default();
        let start = Instant::now();
        for id in ["late", "young"] {
            seen.begin(watch(id));
            seen.sent(start);
        }
        let ack = ServerMessage::Ack {
            id: Some("young".to_owned()),
            seq: 1,
        };
        let heard = Heard::Message(ack);
        seen.hear(&heard, start + Duration::from_millis(5)).unwrap();
        seen.open[0].0 = start;
        seen.open[1].0 = start + ANSWER_WITHIN;
        let now = start + ANSWER_WITHIN + Duration::from_secs(1);
        seen.give_up_late(now, false);
        assert_eq!((seen.lost, seen.open.len()), (1, 1));
        seen.give_up_late(now, true);
        assert_eq!((seen.strokes, seen.lost), (1, 1));
        assert_eq!(seen.ack_ms, [5.0]);
    }

    #[test]
    fn waiting_is_not_the_device() {
        let timings = [
            ("queue", 100.0),
            ("encode", 3.0),
            ("decode", 4.0),
            ("total", 107.0),
        ];
        let timings = timings.map(|(stage, value)| (stage.to_owned(), value));
        assert_eq!(device_ms(&TimingsMs::from(timings)), 7.0);
    }
}
