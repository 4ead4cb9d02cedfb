//! A journal that lives as long as its process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::{
    Change, Journal, JournalError, OpenedRoom, Page, Pending, Ready, Record, RoomSummary, Snapshot,
    clock::since_1970_ms,
};

#[derive(Debug, Default)]
struct Room {
    metadata: Vec<u8>,
    /// Records from `first` on.
    records: VecDeque<Vec<u8>>,
    first: u64,
    snapshots: BTreeMap<u64, Vec<u8>>,
    touched_ms: u64,
}

impl Room {
    fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    fn drop_below(&mut self, first: u64) {
        while self.first < first && self.records.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// For tests and for `--data none`. Changes are made and answered at once.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    rooms: Mutex<BTreeMap<Uuid, Room>>,
    records_max: Option<usize>,
}

impl MemoryJournal {
    /// Keeps everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the newest `records_max` records of each room: the others read as trimmed.
    pub fn bounded(records_max: usize) -> Self {
        Self {
            records_max: Some(records_max),
            ..Self::default()
        }
    }

    fn rooms_now(&self) -> MutexGuard<'_, BTreeMap<Uuid, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: Uuid, work: impl FnOnce(&Room) -> T) -> Result<T, JournalError> {
        let rooms = self.rooms_now();
        rooms
            .get(&id)
            .map(work)
            .ok_or(JournalError::UnknownRoom(id))
    }

    fn apply(&self, id: Uuid, change: Change) -> Result<(), JournalError> {
        let now_ms = since_1970_ms();
        let mut rooms = self.rooms_now();
        if let Change::Create { metadata } = change {
            if rooms.contains_key(&id) {
                return Err(JournalError::RoomExists(id));
            }
            let room = Room {
                metadata,
                first: 1,
                touched_ms: now_ms,
                ..Room::default()
            };
            rooms.insert(id, room);
            return Ok(());
        }
        let room = rooms.get_mut(&id).ok_or(JournalError::UnknownRoom(id))?;
        let last = room.last();
        match change {
            Change::Create { .. } => {}
            Change::SetMetadata { metadata } => room.metadata = metadata,
            Change::Append { first, records } => {
                if first != last + 1 {
                    return Err(JournalError::WrongSeq {
                        room: id,
                        expected: last + 1,
                        found: first,
                    });
                }
                room.records.extend(records);
                room.touched_ms = now_ms;
                if let Some(max) = self.records_max {
                    let surplus = room.records.len().saturating_sub(max);
                    room.drop_below(room.first + surplus as u64);
                }
            }
            Change::Snapshot { seq, bytes } => {
                let newest = room.snapshots.keys().next_back().copied().unwrap_or(0);
                if seq > last || seq < newest {
                    return Err(JournalError::WrongSnapshot {
                        room: id,
                        seq,
                        newest,
                        last,
                    });
                }
                room.snapshots.insert(seq, bytes);
                if room.snapshots.len() > 2 {
                    room.snapshots.pop_first();
                }
            }
            Change::Trim => {
                if let [older, _] = room.snapshots.keys().copied().collect::<Vec<_>>()[..] {
                    room.drop_below(older + 1);
                }
            }
            Change::Cut { last: end } => {
                let kept = (end + 1).saturating_sub(room.first);
                room.records
                    .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
                room.first = room.first.min(end + 1);
                room.snapshots.retain(|seq, _| *seq <= end);
            }
            Change::Delete => {
                rooms.remove(&id);
                return Ok(());
            }
        }
        Ok(())
    }
}

fn summary(id: Uuid, room: &Room) -> RoomSummary {
    RoomSummary {
        room: id,
        metadata: room.metadata.clone(),
        first_seq: room.first,
        last_seq: room.last(),
        touched_ms: room.touched_ms,
    }
}

impl Journal for MemoryJournal {
    fn submit(&self, room: Uuid, change: Change) -> Pending {
        Pending::done(self.apply(room, change))
    }

    fn ready(&self) -> Ready {
        Box::pin(std::future::ready(()))
    }

    fn open_room(&self, id: Uuid) -> Result<OpenedRoom, JournalError> {
        self.with(id, |room| OpenedRoom {
            summary: summary(id, room),
            cut: None,
        })
    }

    fn read(&self, id: Uuid, from: u64, max_bytes: usize) -> Result<Page, JournalError> {
        self.with(id, |room| {
            if from < room.first {
                let first = room.first;
                return Err(JournalError::Trimmed { room: id, first });
            }
            let skipped = usize::try_from(from - room.first).unwrap_or(usize::MAX);
            let mut records = Vec::new();
            let mut bytes = 0;
            for (record, seq) in room.records.iter().skip(skipped).zip(from..) {
                bytes += record.len();
                if bytes > max_bytes && !records.is_empty() {
                    let next = Some(seq);
                    return Ok(Page { records, next });
                }
                records.push(Record {
                    seq,
                    bytes: record.clone(),
                });
            }
            Ok(Page {
                records,
                next: None,
            })
        })?
    }

    fn read_snapshot(&self, id: Uuid) -> Result<Option<Snapshot>, JournalError> {
        self.with(id, |room| {
            let newest = room.snapshots.last_key_value();
            newest.map(|(seq, bytes)| Snapshot {
                seq: *seq,
                bytes: bytes.clone(),
                damaged: None,
            })
        })
    }

    fn snapshots(&self, id: Uuid) -> Result<Vec<Snapshot>, JournalError> {
        self.with(id, |room| {
            let snapshots = room.snapshots.iter().rev();
            let snapshots = snapshots.map(|(seq, bytes)| Snapshot {
                seq: *seq,
                bytes: bytes.clone(),
                damaged: None,
            });
            snapshots.collect()
        })
    }

    fn room(&self, id: Uuid) -> Result<RoomSummary, JournalError> {
        self.with(id, |room| summary(id, room))
    }

    fn rooms(&self) -> Result<Vec<RoomSummary>, JournalError> {
        let rooms = self.rooms_now();
        Ok(rooms.iter().map(|(id, room)| summary(*id, room)).collect())
    }
}
