//! How soon a polite member is served again as in peace.

use std::time::{Duration, Instant};

use super::hand::Hand;
use crate::cli::Failure;
use crate::cli::bench::client::{BenchClient, make_room};
use crate::cli::bench::painting::{listen, paint};
use crate::cli::bench::report::Spread;
use crate::cli::bench::tally::Tally;

/// Strokes in peace before the first that counts.
const WARM_UP: usize = 2;
/// Strokes in peace that count.
const STROKES: usize = 8;
/// All is well again with a stroke that takes no longer than so many times the slowest in peace.
const WELL_WITHIN: f64 = 1.5;
/// How long the bench waits for that.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rest between strokes.
const REST: Duration = Duration::from_millis(400);
/// Its strokes are nobody else's.
const SEED: u32 = 0x9e37_79b9;

/// A polite member in a room of its own.
pub struct Probe {
    client: BenchClient,
    hand: Hand,
    painted: usize,
}

impl Probe {
    /// Joins a room that it makes.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn new(authority: &str, token: Option<&str>, hand: Hand) -> Result<Self, Failure> {
        let room = make_room(authority, token, hand.canvas()).await?;
        let (client, _) = BenchClient::join(authority, &room).await?;
        Ok(Self {
            client,
            hand,
            painted: 0,
        })
    }

    /// Stroke-to-pixel times while nobody else paints, in milliseconds.
    ///
    /// # Errors
    /// When the server lets it go, or a stroke is not answered.
    pub async fn in_peace(&mut self) -> Result<Spread, Failure> {
        let mut times = Vec::new();
        for stroke in 0..WARM_UP + STROKES {
            let time = self.stroke().await?;
            if stroke >= WARM_UP {
                times.extend(time);
            }
        }
        Spread::of(&times).ok_or_else(|| {
            Failure::broken("no stroke is answered in time even before the load begins")
        })
    }

    /// Paints nothing until a moment.
    ///
    /// # Errors
    /// When the server lets it go.
    pub async fn wait(&mut self, until: Instant) -> Result<(), Failure> {
        listen(&mut self.client, &mut Tally::default(), until, |_| false).await?;
        Ok(())
    }

    /// Milliseconds from the end of the load until a stroke goes out that is answered as in peace;
    /// none where that does not happen.
    ///
    /// # Errors
    /// When the server lets it go.
    pub async fn recover(
        &mut self,
        stopped: Instant,
        before: &Spread,
    ) -> Result<Option<f64>, Failure> {
        while stopped.elapsed() < PATIENCE {
            let sent = stopped.elapsed();
            let time = self.stroke().await?;
            if time.is_some_and(|time| time <= WELL_WITHIN * before.max) {
                return Ok(Some(sent.as_secs_f64() * 1000.0));
            }
        }
        Ok(None)
    }

    async fn stroke(&mut self) -> Result<Option<f64>, Failure> {
        let stroke = self.hand.stroke(SEED, self.painted);
        self.painted += 1;
        let mut tally = Tally::default();
        let watch = paint(&mut self.client, &mut tally, &stroke).await?;
        let rested = Instant::now() + REST;
        listen(&mut self.client, &mut tally, rested, |_| false).await?;
        Ok(watch.last_answer_ms())
    }
}
