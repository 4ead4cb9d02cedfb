//! What the others wait for while one member reads a kibibyte a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::time::{interval, timeout_at};

use super::painters::Painters;
use super::report::{PaintingFigures, SlowFigures};
use crate::cli::Failure;
use crate::cli::bench::client::{BenchClient, FreshRoom};

/// Bytes that are read at once.
const SIP: usize = 256;
/// How often: a kibibyte a second.
const EVERY: Duration = Duration::from_millis(250);

/// Paints four times: without the slow reader, twice with it, and without, so that a machine that
/// grows slower or faster meanwhile says nothing.
///
/// # Errors
/// When somebody is not let in.
pub async fn measure(painters: &Painters, part: Duration) -> Result<SlowFigures, Failure> {
    let (mut without, mut with, mut cut) = (Vec::new(), Vec::new(), 0);
    for is_slow in [false, true, true, false] {
        match is_slow {
            false => without.push(painters.paint(part).await?),
            true => {
                let (figures, ended) = beside_a_slow_reader(painters, part).await?;
                with.push(figures);
                cut += ended;
            }
        }
    }
    Ok(SlowFigures::of(without, with, cut))
}

async fn beside_a_slow_reader(
    painters: &Painters,
    part: Duration,
) -> Result<(PaintingFigures, usize), Failure> {
    let room = painters
        .rooms
        .first()
        .ok_or_else(|| Failure::usage("there is no room to read in"))?;
    let reading = tokio::spawn(read_slowly(painters.authority.clone(), room.clone(), part));
    let figures = painters.paint(part).await?;
    let cut = reading.await.map_err(Failure::broken)??;
    Ok((figures, cut))
}

/// Reads slowly for so long, and comes back whenever it is let go; how often it was.
async fn read_slowly(
    authority: String,
    room: Arc<FreshRoom>,
    part: Duration,
) -> Result<usize, Failure> {
    let until = Instant::now() + part;
    let mut cut = 0;
    while Instant::now() < until {
        let client = BenchClient::join_narrow(&authority, &room).await?;
        let mut stream = client.into_stream();
        let sips = async {
            let (mut sip, mut ticks) = ([0; SIP], interval(EVERY));
            loop {
                ticks.tick().await;
                if matches!(stream.read(&mut sip).await, Ok(0) | Err(_)) {
                    return;
                }
            }
        };
        if timeout_at(until.into(), sips).await.is_ok() {
            cut += 1;
        }
    }
    Ok(cut)
}
