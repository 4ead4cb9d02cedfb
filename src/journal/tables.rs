//! The journal's tables in redb: what each change does in a transaction, and how they are read.

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use uuid::Uuid;

use super::{
    Change, Cut, JournalError, Page, Record, RoomSummary, Snapshot,
    records::{seal, unseal},
};

/// The layout of these tables. A journal of another version is refused.
pub(super) const FORMAT_VERSION: u64 = 1;

/// First seq that is kept, last seq, and when the room was made or last got a record, in milliseconds
/// since 1970.
type Head = (u64, u64, u64);
type Place = (u128, u64);

const FORMAT: TableDefinition<&str, u64> = TableDefinition::new("format");
const METADATA: TableDefinition<u128, &[u8]> = TableDefinition::new("metadata");
const HEADS: TableDefinition<u128, Head> = TableDefinition::new("heads");
pub(super) const RECORDS: TableDefinition<Place, &[u8]> = TableDefinition::new("records");
pub(super) const SNAPSHOTS: TableDefinition<Place, &[u8]> = TableDefinition::new("snapshots");

/// Makes the tables of a new journal, or checks the version of an old one.
pub(super) fn prepare(database: &Database) -> Result<(), JournalError> {
    let transaction = database.begin_write()?;
    let found = {
        let mut format = transaction.open_table(FORMAT)?;
        let found = format.get("version")?.map(|version| version.value());
        if found.is_none() {
            format.insert("version", FORMAT_VERSION)?;
        }
        found
    };
    match found {
        Some(FORMAT_VERSION) => {
            transaction.abort()?;
            Ok(())
        }
        Some(found) => Err(JournalError::OtherVersion {
            found,
            expected: FORMAT_VERSION,
        }),
        None => {
            transaction.open_table(METADATA)?;
            transaction.open_table(HEADS)?;
            transaction.open_table(RECORDS)?;
            transaction.open_table(SNAPSHOTS)?;
            Ok(transaction.commit()?)
        }
    }
}

/// The tables in a transaction that writes.
struct Tables<'a> {
    metadata: Table<'a, u128, &'static [u8]>,
    heads: Table<'a, u128, Head>,
    records: Table<'a, Place, &'static [u8]>,
    snapshots: Table<'a, Place, &'static [u8]>,
}

/// Makes the changes in one transaction and commits it. One answer for each change.
///
/// # Errors
/// The storage's; then it is unknown which of the changes were made.
pub(super) fn commit<'a>(
    database: &Database,
    changes: impl Iterator<Item = (Uuid, &'a Change)>,
    now_ms: u64,
) -> Result<Vec<Result<(), JournalError>>, JournalError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    let mut answers = Vec::new();
    {
        let mut tables = Tables::open(&transaction)?;
        for (room, change) in changes {
            match tables.apply(room, change, now_ms) {
                Err(error) if error.is_storage() => return Err(error),
                answer => answers.push(answer),
            }
        }
    }
    transaction.commit()?;
    Ok(answers)
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Result<Self, JournalError> {
        Ok(Self {
            metadata: transaction.open_table(METADATA)?,
            heads: transaction.open_table(HEADS)?,
            records: transaction.open_table(RECORDS)?,
            snapshots: transaction.open_table(SNAPSHOTS)?,
        })
    }

    // Every refusal comes before the first write: a refused change must leave the transaction
    // as it was.
    fn apply(&mut self, room: Uuid, change: &Change, now_ms: u64) -> Result<(), JournalError> {
        let key = room.as_u128();
        let head = self.heads.get(key)?.map(|head| head.value());
        if let Change::Create { metadata } = change {
            if head.is_some() {
                return Err(JournalError::RoomExists(room));
            }
            self.metadata.insert(key, metadata.as_slice())?;
            self.heads.insert(key, (1, 0, now_ms))?;
            return Ok(());
        }
        let (mut first, mut last, mut touched_ms) = head.ok_or(JournalError::UnknownRoom(room))?;
        match change {
            Change::Create { .. } => {}
            Change::SetMetadata { metadata } => {
                self.metadata.insert(key, metadata.as_slice())?;
            }
            Change::Append {
                first: found,
                records,
            } => {
                if *found != last + 1 {
                    return Err(JournalError::WrongSeq {
                        room,
                        expected: last + 1,
                        found: *found,
                    });
                }
                for bytes in records {
                    last += 1;
                    let sealed = seal(room, last, bytes);
                    self.records.insert((key, last), sealed.as_slice())?;
                }
                touched_ms = now_ms;
            }
            Change::Snapshot { seq, bytes } => self.write_snapshot(room, *seq, last, bytes)?,
            Change::Trim => {
                let kept = self.snapshot_seqs(key)?;
                let [older, _] = kept[..] else {
                    return Ok(());
                };
                while first <= older {
                    self.records.remove((key, first))?;
                    first += 1;
                }
            }
            Change::Cut { last: end } => {
                let snapshots = self.snapshot_seqs(key)?;
                for seq in snapshots.into_iter().filter(|seq| seq > end) {
                    self.snapshots.remove((key, seq))?;
                }
                for seq in end + 1..=last {
                    self.records.remove((key, seq))?;
                }
                last = last.min(*end);
                first = first.min(last + 1);
            }
            Change::Delete => {
                for seq in self.snapshot_seqs(key)? {
                    self.snapshots.remove((key, seq))?;
                }
                self.records
                    .retain_in((key, 0)..=(key, u64::MAX), |_, _| false)?;
                self.metadata.remove(key)?;
                self.heads.remove(key)?;
                return Ok(());
            }
        }
        self.heads.insert(key, (first, last, touched_ms))?;
        Ok(())
    }

    fn snapshot_seqs(&self, key: u128) -> Result<Vec<u64>, JournalError> {
        let mut seqs = Vec::new();
        for entry in self.snapshots.range((key, 0)..=(key, u64::MAX))? {
            seqs.push(entry?.0.value().1);
        }
        Ok(seqs)
    }

    fn write_snapshot(
        &mut self,
        room: Uuid,
        seq: u64,
        last: u64,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        let key = room.as_u128();
        let mut kept = self.snapshot_seqs(key)?;
        let newest = kept.last().copied().unwrap_or(0);
        if seq > last || seq < newest {
            return Err(JournalError::WrongSnapshot {
                room,
                seq,
                newest,
                last,
            });
        }
        // A damaged one must not push the good one out.
        for old in kept.clone() {
            let good = self
                .snapshots
                .get((key, old))?
                .is_some_and(|sealed| unseal(room, old, sealed.value()).is_some());
            if !good {
                self.snapshots.remove((key, old))?;
                kept.retain(|seq| *seq != old);
            }
        }
        self.snapshots
            .insert((key, seq), seal(room, seq, bytes).as_slice())?;
        kept.retain(|old| *old != seq);
        if let [oldest, _, ..] = kept[..] {
            self.snapshots.remove((key, oldest))?;
        }
        Ok(())
    }
}

fn head(transaction: &ReadTransaction, room: Uuid) -> Result<Head, JournalError> {
    let heads = transaction.open_table(HEADS)?;
    let head = heads.get(room.as_u128())?.map(|head| head.value());
    head.ok_or(JournalError::UnknownRoom(room))
}

fn summary(
    transaction: &ReadTransaction,
    room: Uuid,
    (first_seq, last_seq, touched_ms): Head,
) -> Result<RoomSummary, JournalError> {
    let table = transaction.open_table(METADATA)?;
    let metadata = table.get(room.as_u128())?;
    Ok(RoomSummary {
        room,
        metadata: metadata.map_or_else(Vec::new, |bytes| bytes.value().to_vec()),
        first_seq,
        last_seq,
        touched_ms,
    })
}

/// Every room.
pub(super) fn rooms(database: &Database) -> Result<Vec<RoomSummary>, JournalError> {
    let transaction = database.begin_read()?;
    let heads = transaction.open_table(HEADS)?;
    let mut rooms = Vec::new();
    for entry in heads.iter()? {
        let (key, head) = entry?;
        let room = Uuid::from_u128(key.value());
        rooms.push(summary(&transaction, room, head.value())?);
    }
    Ok(rooms)
}

/// One room.
pub(super) fn room(database: &Database, room: Uuid) -> Result<RoomSummary, JournalError> {
    let transaction = database.begin_read()?;
    summary(&transaction, room, head(&transaction, room)?)
}

/// One room, and the torn tail that is to be cut.
pub(super) fn check(
    database: &Database,
    room: Uuid,
) -> Result<(RoomSummary, Option<Cut>), JournalError> {
    let transaction = database.begin_read()?;
    let (first, last, touched) = head(&transaction, room)?;
    let records = transaction.open_table(RECORDS)?;
    let key = room.as_u128();
    let mut bad = None;
    for seq in first..=last {
        let good = records
            .get((key, seq))?
            .is_some_and(|sealed| unseal(room, seq, sealed.value()).is_some());
        match (good, bad) {
            (true, Some(seq)) => return Err(JournalError::Hole { room, seq }),
            (false, None) => bad = Some(seq),
            _ => {}
        }
    }
    // What a snapshot was taken of had been there whole: no tail that was torn.
    let snapshots = transaction.open_table(SNAPSHOTS)?;
    let newest = snapshots.range((key, 0)..=(key, u64::MAX))?.next_back();
    let covered = newest.transpose()?.map_or(0, |(place, _)| place.value().1);
    if let Some(seq) = bad.filter(|seq| *seq <= covered) {
        return Err(JournalError::Hole { room, seq });
    }
    let cut = bad.map(|first| Cut { first, last });
    Ok((summary(&transaction, room, (first, last, touched))?, cut))
}

/// Records from `from` on.
pub(super) fn read(
    database: &Database,
    room: Uuid,
    from: u64,
    max_bytes: usize,
) -> Result<Page, JournalError> {
    let transaction = database.begin_read()?;
    let (first, last, _) = head(&transaction, room)?;
    if from < first {
        return Err(JournalError::Trimmed { room, first });
    }
    let table = transaction.open_table(RECORDS)?;
    let mut records = Vec::new();
    let mut bytes = 0;
    for seq in from..=last {
        let hole = JournalError::Hole { room, seq };
        let sealed = table.get((room.as_u128(), seq))?.ok_or(hole.clone())?;
        let record = unseal(room, seq, sealed.value()).ok_or(hole)?;
        bytes += record.len();
        if bytes > max_bytes && !records.is_empty() {
            let next = Some(seq);
            return Ok(Page { records, next });
        }
        records.push(Record {
            seq,
            bytes: record.to_vec(),
        });
    }
    Ok(Page {
        records,
        next: None,
    })
}

/// The newest good snapshot; `None` when there never was one.
pub(super) fn snapshot(database: &Database, room: Uuid) -> Result<Option<Snapshot>, JournalError> {
    let (good, damaged) = snapshots(database, room)?;
    match (good.into_iter().next(), damaged) {
        (None, Some(_)) => Err(JournalError::SnapshotsDamaged(room)),
        (newest, _) => Ok(newest),
    }
}

/// The good snapshots, the newest first, and the newest that failed its checksum.
pub(super) fn snapshots(
    database: &Database,
    room: Uuid,
) -> Result<(Vec<Snapshot>, Option<u64>), JournalError> {
    let transaction = database.begin_read()?;
    head(&transaction, room)?;
    let table = transaction.open_table(SNAPSHOTS)?;
    let key = room.as_u128();
    let (mut good, mut damaged) = (Vec::new(), None);
    for entry in table.range((key, 0)..=(key, u64::MAX))?.rev() {
        let (place, sealed) = entry?;
        let seq = place.value().1;
        match unseal(room, seq, sealed.value()) {
            Some(bytes) => good.push(Snapshot {
                seq,
                bytes: bytes.to_vec(),
                damaged,
            }),
            None => damaged = damaged.or(Some(seq)),
        }
    }
    Ok((good, damaged))
}
