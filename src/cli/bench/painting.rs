//! Painting as a hand does, and hearing what comes meanwhile.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::client::{BenchClient, Heard};
use super::watch::StrokeWatch;
use crate::cli::Failure;
use crate::protocol::{ClientMessage, Rect, StrokeChunk};

/// Time between chunks; clients send at least every 50 ms.
pub const CHUNK_EVERY: Duration = Duration::from_millis(40);
/// How long something may stay without an answer before it counts as lost.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A stroke, ready to be sent.
#[derive(Clone, Debug)]
pub struct PlannedStroke {
    /// The stroke's id.
    pub id: String,
    /// All pixels that it touches.
    pub footprint: Rect,
    /// Its messages.
    pub chunks: Vec<StrokeChunk>,
}

/// Whoever wants to know what the server sends.
pub trait Listener {
    /// Something arrived at that moment.
    ///
    /// # Errors
    /// When there is no use in going on.
    fn hear(&mut self, heard: &Heard, now: Instant) -> Result<(), Failure>;
}

/// Two who hear the same.
impl<A: Listener, B: Listener> Listener for (&mut A, &mut B) {
    fn hear(&mut self, heard: &Heard, now: Instant) -> Result<(), Failure> {
        self.0.hear(heard, now)?;
        self.1.hear(heard, now)
    }
}

/// Paints a stroke chunk by chunk and waits for its answer, or until it counts as lost.
///
/// # Errors
/// When the socket is closed, or the listener does not want to go on.
pub async fn paint(
    client: &mut BenchClient,
    listener: &mut impl Listener,
    stroke: &PlannedStroke,
) -> Result<StrokeWatch, Failure> {
    let mut watch = StrokeWatch::new(&stroke.id, stroke.footprint, stroke.chunks.len());
    let begun = Instant::now();
    for (index, chunk) in (0..).zip(&stroke.chunks) {
        let mut both = (&mut *listener, &mut watch);
        listen(client, &mut both, begun + CHUNK_EVERY * index, |_| false).await?;
        watch.sent(Instant::now());
        client.send(&ClientMessage::Stroke(chunk.clone())).await?;
    }
    let mut both = (&mut *listener, &mut watch);
    let until = Instant::now() + ANSWER_WITHIN;
    listen(client, &mut both, until, |(_, watch)| watch.answered()).await?;
    Ok(watch)
}

/// Hears what comes until a moment, or until it is `enough`; false when it was not by then.
///
/// # Errors
/// When the socket is closed, or the listener does not want to go on.
pub async fn listen<L: Listener>(
    client: &mut BenchClient,
    listener: &mut L,
    until: Instant,
    enough: impl Fn(&L) -> bool,
) -> Result<bool, Failure> {
    while !enough(listener) {
        let Ok(heard) = timeout_at(until.into(), client.hear()).await else {
            return Ok(false);
        };
        let now = Instant::now();
        listener.hear(&heard?, now)?;
    }
    Ok(true)
}
