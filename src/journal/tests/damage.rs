//! Damage that a journal finds, and folders that it cannot use.

use std::{fs, path::Path};

use redb::{Database, TableDefinition};
use uuid::Uuid;

use super::options;
use crate::journal::{Cut, DiskJournal, Journal, JournalError, tables};

const ROOM: Uuid = Uuid::from_u128(7);

fn filled(folder: &Path, last: u64) {
    let journal = DiskJournal::open(folder, options()).unwrap();
    journal.create(ROOM, Vec::new()).wait().unwrap();
    let records = (1..=last).map(|seq| vec![seq as u8; 9]).collect();
    journal.append(ROOM, 1, records).wait().unwrap();
    for seq in [2, 4] {
        let state = vec![seq as u8; 30];
        journal.write_snapshot(ROOM, seq, state).wait().unwrap();
    }
}

/// Replaces, or drops, what is stored of a room.
fn damage(
    folder: &Path,
    table: TableDefinition<(u128, u64), &'static [u8]>,
    seq: u64,
    bytes: Option<&[u8]>,
) {
    let database = Database::open(folder.join("journal.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(table).unwrap();
        match bytes {
            Some(bytes) => table.insert((ROOM.as_u128(), seq), bytes).unwrap(),
            None => table.remove((ROOM.as_u128(), seq)).unwrap(),
        };
    }
    transaction.commit().unwrap();
}

#[test]
fn a_torn_tail_is_reported_and_cut() {
    for bytes in [None, Some(&b"xyz"[..]), Some(b"wrong sum and bytes")] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 8);
        damage(folder.path(), tables::RECORDS, 7, bytes);
        damage(folder.path(), tables::RECORDS, 8, bytes);
        let journal = DiskJournal::open(folder.path(), options()).unwrap();
        let opened = journal.open_room(ROOM).unwrap();
        assert_eq!(opened.cut, Some(Cut { first: 7, last: 8 }));
        assert_eq!(opened.summary.last_seq, 6);
        let again = journal.open_room(ROOM).unwrap();
        assert_eq!((again.cut, again.summary.last_seq), (None, 6));
        journal
            .append(ROOM, 7, vec![b"new".to_vec()])
            .wait()
            .unwrap();
        assert_eq!(journal.read(ROOM, 7, 0).unwrap().records[0].bytes, b"new");
    }
}

#[test]
fn a_hole_is_refused_by_room_and_seq() {
    for bytes in [None, Some(&b"wrong sum and bytes"[..])] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 8);
        damage(folder.path(), tables::RECORDS, 5, bytes);
        let journal = DiskJournal::open(folder.path(), options()).unwrap();
        let hole = JournalError::Hole { room: ROOM, seq: 5 };
        assert_eq!(journal.open_room(ROOM), Err(hole.clone()));
        assert_eq!(journal.read(ROOM, 1, usize::MAX), Err(hole));
        assert_eq!(journal.read(ROOM, 6, usize::MAX).unwrap().records.len(), 3);
    }
}

#[test]
fn a_record_in_another_place_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 8);
    let moved = crate::journal::records::seal(ROOM, 3, &[3; 9]);
    damage(folder.path(), tables::RECORDS, 5, Some(&moved));
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    let hole = JournalError::Hole { room: ROOM, seq: 5 };
    assert_eq!(journal.open_room(ROOM), Err(hole));
}

#[test]
fn the_older_snapshot_stands_in_for_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 8);
    damage(folder.path(), tables::SNAPSHOTS, 4, Some(b"half"));
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    let snapshot = journal.read_snapshot(ROOM).unwrap().unwrap();
    assert_eq!((snapshot.seq, snapshot.damaged), (2, Some(4)));
    journal
        .write_snapshot(ROOM, 6, b"six".to_vec())
        .wait()
        .unwrap();
    drop(journal);
    damage(folder.path(), tables::SNAPSHOTS, 6, Some(b"half"));
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    assert_eq!(journal.read_snapshot(ROOM).unwrap().unwrap().seq, 2);
    drop(journal);
    damage(folder.path(), tables::SNAPSHOTS, 2, Some(b"half"));
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    let damaged = JournalError::SnapshotsDamaged(ROOM);
    assert_eq!(journal.read_snapshot(ROOM), Err(damaged));
}

#[test]
fn a_journal_of_another_version_is_refused_by_name() {
    const FORMAT: TableDefinition<&str, u64> = TableDefinition::new("format");
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 4);
    let database = Database::open(folder.path().join("journal.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut format = transaction.open_table(FORMAT).unwrap();
        format.insert("version", 2).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let other = JournalError::OtherVersion {
        found: 2,
        expected: 1,
    };
    assert_eq!(
        DiskJournal::open(folder.path(), options()).err(),
        Some(other)
    );
}

#[test]
fn a_folder_that_is_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    let name = folder.path().display().to_string();
    let refused = DiskJournal::open(folder.path(), options()).err();
    assert_eq!(refused, Some(JournalError::FolderInUse(name)));
    drop(journal);
    DiskJournal::open(folder.path(), options()).unwrap();
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.redb");
    fs::write(&file, b"my diary").unwrap();
    let refused = DiskJournal::open(folder.path(), options()).err();
    assert!(
        matches!(refused, Some(JournalError::Storage(_))),
        "{refused:?}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"my diary");
}
