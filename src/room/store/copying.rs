//! A room's document once more, as another room of the journal.

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{PAGE_BYTES, RoomStore, StoreError, StoredRoom};
use crate::journal::{Change, JournalError, Page, Snapshot};

/// Makes the room `copy` with everything that is on disk of the room `from`: its newest snapshot,
/// and the records after it as they are. Blobs are shared. The room `from` may run.
///
/// # Errors
/// [`StoreError`]; then there is no copy.
pub(in crate::room) async fn copy_room(
    store: &RoomStore,
    from: Uuid,
    copy: &StoredRoom,
) -> Result<(), StoreError> {
    let metadata = copy.metadata.encode()?;
    submit(store, copy.id, Change::Create { metadata }).await?;
    let filled = fill(store, from, copy.id).await;
    if filled.is_err()
        && let Err(error) = submit(store, copy.id, Change::Delete).await
    {
        tracing::warn!(%error, room = %copy.id, "half of a copy stays in the journal");
    }
    filled
}

async fn fill(store: &RoomStore, from: Uuid, to: Uuid) -> Result<(), StoreError> {
    let snapshot = read_snapshot(store, from).await?;
    let mut next = Some(1);
    if let Some(Snapshot { seq, bytes, .. }) = snapshot {
        // Before the copy's first record, since what led to it is not copied.
        submit(store, to, Change::Snapshot { seq: 0, bytes }).await?;
        next = Some(seq + 1);
    }
    let mut first = 1;
    while let Some(seq) = next {
        let page = read_page(store, from, seq).await?;
        let records: Vec<_> = page
            .records
            .into_iter()
            .map(|record| record.bytes)
            .collect();
        let count = records.len() as u64;
        if count > 0 {
            submit(store, to, Change::Append { first, records }).await?;
        }
        first += count;
        next = page.next;
    }
    Ok(())
}

async fn read_snapshot(store: &RoomStore, room: Uuid) -> Result<Option<Snapshot>, StoreError> {
    let journal = store.journal.clone();
    let reading = spawn_blocking(move || journal.read_snapshot(room)).await;
    Ok(reading.map_err(|_| StoreError::Interrupted)??)
}

async fn read_page(store: &RoomStore, room: Uuid, from: u64) -> Result<Page, StoreError> {
    let journal = store.journal.clone();
    let reading = spawn_blocking(move || journal.read(room, from, PAGE_BYTES)).await;
    Ok(reading.map_err(|_| StoreError::Interrupted)??)
}

/// Makes a change once there is a place for it.
async fn submit(store: &RoomStore, room: Uuid, change: Change) -> Result<(), StoreError> {
    loop {
        store.journal.ready().await;
        match store.journal.submit(room, change.clone()).await {
            // Another room took the place.
            Err(JournalError::QueueFull) => {}
            done => return Ok(done?),
        }
    }
}
