//! What members take of the server's memory who do nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::plan::Plan;
use super::report::IdleFigures;
use crate::cli::Failure;
use crate::cli::bench::client::{BenchClient, FreshRoom, Joining};
use crate::cli::bench::server::MeasuredServer;

/// Members who join at once.
const AT_ONCE: usize = 16;
/// How long the server has to come to rest before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// One member joins each room, then all the others: what these add to the server's memory.
///
/// # Errors
/// When somebody is not let in, or the system does not tell what memory a process holds.
pub async fn measure(
    plan: &Plan,
    server: &MeasuredServer,
    rooms: &[Arc<FreshRoom>],
) -> Result<IdleFigures, Failure> {
    let mut idle = JoinSet::new();
    let empty = resident(server).await?;
    join(server, rooms.iter().cloned(), &mut idle).await?;
    let with_rooms = resident(server).await?;
    let more = plan.sockets as usize - rooms.len();
    join(server, rooms.iter().cycle().take(more).cloned(), &mut idle).await?;
    let full = resident(server).await?;
    let ended = std::iter::from_fn(|| idle.try_join_next()).count();
    Ok(IdleFigures::of(
        [empty, with_rooms, full],
        rooms.len(),
        more,
        ended,
    ))
}

async fn resident(server: &MeasuredServer) -> Result<u64, Failure> {
    sleep(REST).await;
    let unknown = || Failure::broken("this system does not tell what memory a process holds");
    server.resident_bytes().ok_or_else(unknown)
}

/// A member joins each of these rooms; each then reads what it is sent, and does nothing.
async fn join(
    server: &MeasuredServer,
    rooms: impl Iterator<Item = Arc<FreshRoom>>,
    idle: &mut JoinSet<Result<(), Failure>>,
) -> Result<(), Failure> {
    let authority = server.authority();
    let joining = rooms.map(|room| async move {
        let joined = BenchClient::join_many(authority, &room, Joining::anew()).await;
        joined.map(|(client, _)| client)
    });
    let mut joining = stream::iter(joining).buffer_unordered(AT_ONCE);
    while let Some(joined) = joining.next().await {
        let mut client = joined?;
        idle.spawn(async move {
            loop {
                client.next().await?;
            }
        });
    }
    Ok(())
}
