//! A journal on a disk that breaks: nothing that was acknowledged is lost, doubled or reordered.

use std::{collections::BTreeMap, io::ErrorKind};

use uuid::Uuid;

use super::{
    faulty_backend::{FaultyBackend, Random},
    journal_on,
};
use crate::journal::{Journal, JournalError, Pending};

/// How many seeds run; raise it for the long form.
const SEEDS_VARIABLE: &str = "IMPASTO_JOURNAL_SEEDS";
const ROOMS: u128 = 3;

fn open(disk: &FaultyBackend) -> Result<crate::journal::DiskJournal, JournalError> {
    let disk = disk.clone();
    journal_on(move || disk.clone())
}

fn record(seed: u64, room: Uuid, seq: u64) -> Vec<u8> {
    let mut random = Random(seed ^ seq << 20 ^ room.as_u128() as u64);
    let len = random.below(600) as usize;
    let mut bytes = format!("{seed} {room} {seq}").into_bytes();
    bytes.resize(bytes.len() + len, seq as u8);
    bytes
}

/// What a room was told: records that are kept for certain, and those that may be.
#[derive(Clone, Copy, Default)]
struct Ledger {
    acknowledged: u64,
    sent: u64,
}

fn check(journal: &dyn Journal, seed: u64, room: Uuid, ledger: &mut Ledger) {
    let opened = journal.open_room(room).unwrap();
    let last = opened.summary.last_seq;
    assert_eq!(opened.cut, None, "seed {seed}");
    assert!(last >= ledger.acknowledged, "seed {seed}: a record is lost");
    assert!(last <= ledger.sent, "seed {seed}: a record is made up");
    let snapshot = journal.read_snapshot(room).unwrap();
    if let Some(snapshot) = &snapshot {
        assert_eq!(snapshot.damaged, None, "seed {seed}");
        assert_eq!(snapshot.bytes, record(seed, room, snapshot.seq));
    }
    let mut from = opened.summary.first_seq;
    let covered = snapshot.map_or(0, |snapshot| snapshot.seq);
    assert!(from <= covered + 1, "seed {seed}: a gap after the snapshot");
    while from <= last {
        let page = journal.read(room, from, 2000).unwrap();
        for found in &page.records {
            assert_eq!(found.seq, from, "seed {seed}");
            assert_eq!(found.bytes, record(seed, room, from), "seed {seed}");
            from += 1;
        }
    }
    *ledger = Ledger {
        acknowledged: last,
        sent: last,
    };
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let disk = FaultyBackend::default();
    let rooms: Vec<Uuid> = (1..=ROOMS).map(Uuid::from_u128).collect();
    let mut ledgers: BTreeMap<Uuid, Ledger> = BTreeMap::new();
    let journal = open(&disk).unwrap();
    for room in &rooms {
        journal.create(*room, Vec::new()).wait().unwrap();
        ledgers.insert(*room, Ledger::default());
    }
    drop(journal);
    for _ in 0..2 {
        let journal = open(&disk).unwrap();
        disk.fail_after(random.below(60), ErrorKind::Other);
        for _ in 0..12 {
            let mut pending: Vec<(Uuid, u64, Pending)> = Vec::new();
            for room in &rooms {
                let ledger = ledgers.get_mut(room).unwrap();
                let first = ledger.sent + 1;
                let last = ledger.sent + 1 + random.below(3);
                let records = (first..=last).map(|seq| record(seed, *room, seq)).collect();
                ledger.sent = last;
                pending.push((*room, last, journal.append(*room, first, records)));
                if random.below(3) == 0 {
                    let state = record(seed, *room, ledger.acknowledged);
                    // Judged by `check`, whatever the answers are.
                    drop(journal.write_snapshot(*room, ledger.acknowledged, state));
                    drop(journal.trim(*room));
                }
            }
            let mut failed = false;
            for (room, last, answer) in pending {
                match answer.wait() {
                    Ok(()) => ledgers.get_mut(&room).unwrap().acknowledged = last,
                    Err(_) => failed = true,
                }
            }
            if failed {
                break;
            }
        }
        drop(journal);
        disk.cut_power(&mut random);
        let journal = open(&disk).unwrap();
        for room in &rooms {
            check(&journal, seed, *room, ledgers.get_mut(room).unwrap());
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_doubled_or_reordered() {
    let seeds = std::env::var(SEEDS_VARIABLE).map_or(200, |seeds| seeds.parse().unwrap());
    (0..seeds).for_each(run);
}

#[test]
fn a_full_disk_refuses_changes_until_it_has_room_and_reads_go_on() {
    let room = Uuid::from_u128(1);
    for (kind, error) in [
        (ErrorKind::StorageFull, JournalError::DiskFull),
        (ErrorKind::ReadOnlyFilesystem, JournalError::ReadOnly),
    ] {
        let disk = FaultyBackend::default();
        let journal = open(&disk).unwrap();
        journal.create(room, Vec::new()).wait().unwrap();
        journal
            .append(room, 1, vec![b"kept".to_vec()])
            .wait()
            .unwrap();
        disk.fail_after(0, kind);
        for _ in 0..3 {
            let answer = journal.append(room, 2, vec![b"lost".to_vec()]).wait();
            assert_eq!(answer, Err(error.clone()));
            let page = journal.read(room, 1, usize::MAX).unwrap();
            assert_eq!(page.records.len(), 1);
        }
        disk.works_again();
        journal
            .append(room, 2, vec![b"new".to_vec()])
            .wait()
            .unwrap();
        assert_eq!(journal.read(room, 2, 0).unwrap().records[0].bytes, b"new");
    }
}
