//! How soon members are back after the server was killed and started again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::plan::Plan;
use super::report::{ReconnectFigures, Return};
use crate::cli::Failure;
use crate::cli::bench::client::{BenchClient, FreshRoom, Heard, Joining};
use crate::cli::bench::painting::ANSWER_WITHIN;
use crate::cli::bench::random::Random;
use crate::cli::bench::server::MeasuredServer;
use crate::protocol::{Brush, ClientMessage, ServerMessage, StrokeChunk, Tool};

/// The first pause after a lost connection, as the page has it; it doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long the bench waits for the last one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody who comes back.
struct Returner {
    authority: String,
    room: Arc<FreshRoom>,
    random: Random,
    /// Told when it is in, and has painted.
    settled: mpsc::Sender<()>,
    /// True once the connection is about to be lost.
    over: watch::Receiver<bool>,
}

/// All members join and paint a stroke; the server is killed and started again.
///
/// # Errors
/// When somebody is not let in or does not come back, or the server does not start again.
pub async fn measure(
    plan: &Plan,
    server: &mut MeasuredServer,
    rooms: &[Arc<FreshRoom>],
) -> Result<ReconnectFigures, Failure> {
    let (settled, mut settling) = mpsc::channel(1);
    let (over, is_over) = watch::channel(false);
    let mut members = JoinSet::new();
    let all = rooms.iter().cycle().take(plan.sockets as usize);
    for (number, room) in all.enumerate() {
        members.spawn(come_back(Returner {
            authority: server.authority().to_owned(),
            room: room.clone(),
            random: Random::new(plan.seed, number),
            settled: settled.clone(),
            over: is_over.clone(),
        }));
        tokio::select! {
            _ = settling.recv() => {}
            Some(ended) = members.join_next() => {
                ended.map_err(Failure::broken)??;
                return Err(Failure::broken("a member left before the server was killed"));
            }
        }
    }
    over.send_replace(true);
    let killed = Instant::now();
    server.restart().await?;
    let ready = Instant::now();
    let back = async {
        let mut returns = Vec::new();
        while let Some(back) = members.join_next().await {
            returns.push(back.map_err(Failure::broken)??);
        }
        Ok::<_, Failure>(returns)
    };
    let returns = timeout(PATIENCE, back).await.map_err(|_| {
        Failure::broken("not all members are back two minutes after the server was")
    })?;
    Ok(ReconnectFigures::of(&returns?, killed, ready))
}

async fn come_back(returner: Returner) -> Result<Return, Failure> {
    let Returner {
        authority,
        room,
        mut random,
        settled,
        mut over,
    } = returner;
    let mut joining = Joining::anew();
    let (mut client, welcome) = BenchClient::join_many(&authority, &room, joining).await?;
    let acknowledged = paint_once(&mut client, &mut random, welcome.canvas.width).await?;
    joining.last_seq = Some(acknowledged);
    if settled.send(()).await.is_err() {
        return Err(Failure::broken("the bench has ended"));
    }
    // What comes is read until nothing comes any more.
    while client.next().await.is_ok() {}
    if over.wait_for(|over| *over).await.is_err() {
        return Err(Failure::broken("the bench has ended"));
    }
    for attempt in 0_u32.. {
        let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16));
        let pause = longest.min(LONGEST_PAUSE).mul_f32(random.between(0.5, 1.0));
        sleep(pause).await;
        let attempted = Instant::now();
        if let Ok((_, welcome)) = BenchClient::join_many(&authority, &room, joining).await {
            return Ok(Return {
                attempted,
                welcomed: Instant::now(),
                is_whole: welcome.seq >= acknowledged,
            });
        }
    }
    Err(Failure::broken("the attempts ended"))
}

/// Paints a dab; the place in the room's order at which it is acknowledged.
async fn paint_once(
    client: &mut BenchClient,
    random: &mut Random,
    side: u32,
) -> Result<u64, Failure> {
    let side = side as f32;
    let point = [random.between(0.0, side), random.between(0.0, side), 1.0];
    let dab = StrokeChunk {
        id: "0".to_owned(),
        brush: Some(Brush {
            tool: Tool::Brush,
            size: 16.0,
            hardness: 0.8,
            opacity: 1.0,
            color: "#c8342c".to_owned(),
            ..Brush::default()
        }),
        points: vec![point],
        done: true,
    };
    client.send(&ClientMessage::Stroke(dab)).await?;
    let acknowledged = async {
        loop {
            if let Heard::Message(ServerMessage::Ack { seq, .. }) = client.hear().await? {
                return Ok::<_, Failure>(seq);
            }
        }
    };
    let missing = |_| Failure::broken("a stroke is not acknowledged in ten seconds");
    timeout(ANSWER_WITHIN, acknowledged)
        .await
        .map_err(missing)?
}
