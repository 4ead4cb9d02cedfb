//! What every journal does.

use uuid::Uuid;

use super::{journal_on, options};
use crate::journal::{DiskJournal, Journal, JournalError, MemoryJournal, Record};

fn for_all(check: impl Fn(&dyn Journal)) {
    check(&MemoryJournal::new());
    check(&journal_on(redb::backends::InMemoryBackend::new).unwrap());
    let folder = tempfile::tempdir().unwrap();
    check(&DiskJournal::open(folder.path(), options()).unwrap());
}

fn room(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn bytes(seq: u64) -> Vec<u8> {
    format!("record {seq}").into_bytes()
}

fn append(journal: &dyn Journal, room: Uuid, seqs: std::ops::RangeInclusive<u64>) {
    let first = *seqs.start();
    let records = seqs.map(bytes).collect();
    journal.append(room, first, records).wait().unwrap();
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

#[test]
fn reads_back_what_was_appended() {
    for_all(|journal| {
        journal.create(room(1), b"studio".to_vec()).wait().unwrap();
        append(journal, room(1), 1..=3);
        append(journal, room(1), 4..=5);
        let page = journal.read(room(1), 2, usize::MAX).unwrap();
        assert_eq!(seqs(&page.records), [2, 3, 4, 5]);
        assert_eq!(page.records[0].bytes, bytes(2));
        assert_eq!(page.next, None);
        let end = journal.read(room(1), 6, usize::MAX).unwrap();
        assert_eq!((end.records.len(), end.next), (0, None));
    });
}

#[test]
fn pages_keep_to_their_bound_and_make_progress() {
    for_all(|journal| {
        journal.create(room(1), Vec::new()).wait().unwrap();
        append(journal, room(1), 1..=5);
        let page = journal.read(room(1), 1, 2 * bytes(1).len()).unwrap();
        assert_eq!((seqs(&page.records), page.next), (vec![1, 2], Some(3)));
        let page = journal.read(room(1), 3, 0).unwrap();
        assert_eq!((seqs(&page.records), page.next), (vec![3], Some(4)));
    });
}

#[test]
fn a_wrong_seq_is_refused_and_changes_nothing() {
    for_all(|journal| {
        journal.create(room(1), Vec::new()).wait().unwrap();
        append(journal, room(1), 1..=2);
        for found in [0, 1, 2, 4, u64::MAX] {
            let answer = journal.append(room(1), found, vec![bytes(found)]).wait();
            let expected = 3;
            let wrong = JournalError::WrongSeq {
                room: room(1),
                expected,
                found,
            };
            assert_eq!(answer, Err(wrong));
        }
        append(journal, room(1), 3..=3);
        assert_eq!(journal.open_room(room(1)).unwrap().summary.last_seq, 3);
    });
}

#[test]
fn a_refusal_spares_the_rest_of_its_batch() {
    for_all(|journal| {
        let one = journal.create(room(1), Vec::new());
        let two = journal.create(room(2), Vec::new());
        let good = journal.append(room(1), 1, vec![bytes(1)]);
        let bad = journal.append(room(2), 7, vec![bytes(7)]);
        let next = journal.append(room(1), 2, vec![bytes(2)]);
        assert_eq!((one.wait(), two.wait()), (Ok(()), Ok(())));
        assert_eq!((good.wait(), next.wait()), (Ok(()), Ok(())));
        assert!(matches!(bad.wait(), Err(JournalError::WrongSeq { .. })));
        assert_eq!(journal.open_room(room(2)).unwrap().summary.last_seq, 0);
    });
}

#[test]
fn two_snapshots_are_kept_and_the_log_is_trimmed_below_the_older() {
    for_all(|journal| {
        journal.create(room(1), Vec::new()).wait().unwrap();
        assert_eq!(journal.read_snapshot(room(1)).unwrap(), None);
        append(journal, room(1), 1..=9);
        journal
            .write_snapshot(room(1), 2, b"two".to_vec())
            .wait()
            .unwrap();
        journal.trim(room(1)).wait().unwrap();
        assert_eq!(journal.read(room(1), 1, 0).unwrap().records[0].seq, 1);
        journal
            .write_snapshot(room(1), 4, b"four".to_vec())
            .wait()
            .unwrap();
        journal
            .write_snapshot(room(1), 7, b"seven".to_vec())
            .wait()
            .unwrap();
        journal.trim(room(1)).wait().unwrap();
        let trimmed = JournalError::Trimmed {
            room: room(1),
            first: 5,
        };
        assert_eq!(journal.read(room(1), 4, 0), Err(trimmed));
        let page = journal.read(room(1), 5, usize::MAX).unwrap();
        assert_eq!(seqs(&page.records), [5, 6, 7, 8, 9]);
        let snapshot = journal.read_snapshot(room(1)).unwrap().unwrap();
        assert_eq!((snapshot.seq, snapshot.bytes), (7, b"seven".to_vec()));
        append(journal, room(1), 10..=10);
    });
}

#[test]
fn a_snapshot_is_within_the_log_and_no_step_back() {
    for_all(|journal| {
        journal.create(room(1), Vec::new()).wait().unwrap();
        journal
            .write_snapshot(room(1), 0, b"new".to_vec())
            .wait()
            .unwrap();
        append(journal, room(1), 1..=3);
        journal
            .write_snapshot(room(1), 3, b"a".to_vec())
            .wait()
            .unwrap();
        journal
            .write_snapshot(room(1), 3, b"b".to_vec())
            .wait()
            .unwrap();
        for seq in [2, 4] {
            let answer = journal.write_snapshot(room(1), seq, Vec::new()).wait();
            assert!(matches!(answer, Err(JournalError::WrongSnapshot { .. })));
        }
        let snapshot = journal.read_snapshot(room(1)).unwrap().unwrap();
        assert_eq!((snapshot.seq, snapshot.bytes), (3, b"b".to_vec()));
    });
}

#[test]
fn rooms_are_listed_renamed_and_deleted() {
    for_all(|journal| {
        journal.create(room(1), b"one".to_vec()).wait().unwrap();
        journal.create(room(2), b"two".to_vec()).wait().unwrap();
        let again = journal.create(room(1), Vec::new()).wait();
        assert_eq!(again, Err(JournalError::RoomExists(room(1))));
        append(journal, room(2), 1..=4);
        journal
            .write_snapshot(room(2), 1, Vec::new())
            .wait()
            .unwrap();
        journal
            .set_metadata(room(2), b"second".to_vec())
            .wait()
            .unwrap();
        let rooms = journal.rooms().unwrap();
        let second = rooms
            .iter()
            .find(|summary| summary.room == room(2))
            .unwrap();
        assert_eq!(second.metadata, b"second");
        assert_eq!((second.first_seq, second.last_seq), (1, 4));
        assert!(second.touched_ms > 0);
        assert_eq!(&journal.room(room(2)).unwrap(), second);
        journal.delete(room(2)).wait().unwrap();
        assert_eq!(journal.rooms().unwrap().len(), 1);
        let unknown = JournalError::UnknownRoom(room(2));
        assert_eq!(journal.read(room(2), 1, 0), Err(unknown.clone()));
        assert_eq!(journal.read_snapshot(room(2)), Err(unknown.clone()));
        assert_eq!(journal.room(room(2)), Err(unknown.clone()));
        assert_eq!(journal.delete(room(2)).wait(), Err(unknown.clone()));
        assert_eq!(
            journal.append(room(2), 5, vec![bytes(5)]).wait(),
            Err(unknown)
        );
        journal.create(room(2), Vec::new()).wait().unwrap();
        append(journal, room(2), 1..=1);
        assert_eq!(journal.read_snapshot(room(2)).unwrap(), None);
    });
}

#[test]
fn only_records_say_that_a_room_was_touched() {
    for_all(|journal| {
        journal.create(room(1), Vec::new()).wait().unwrap();
        append(journal, room(1), 1..=2);
        let touched_ms = journal.room(room(1)).unwrap().touched_ms;
        std::thread::sleep(std::time::Duration::from_millis(5));
        let renamed = journal.set_metadata(room(1), b"name".to_vec());
        renamed.wait().unwrap();
        let kept = journal.write_snapshot(room(1), 2, Vec::new());
        kept.wait().unwrap();
        journal.trim(room(1)).wait().unwrap();
        assert_eq!(journal.room(room(1)).unwrap().touched_ms, touched_ms);
        append(journal, room(1), 3..=3);
        assert!(journal.room(room(1)).unwrap().touched_ms > touched_ms);
    });
}

#[test]
fn a_cut_ends_the_log_earlier() {
    for_all(|journal| {
        journal.create(room(1), Vec::new()).wait().unwrap();
        append(journal, room(1), 1..=6);
        journal
            .write_snapshot(room(1), 2, b"kept".to_vec())
            .wait()
            .unwrap();
        journal
            .write_snapshot(room(1), 5, b"gone".to_vec())
            .wait()
            .unwrap();
        let cut = crate::journal::Change::Cut { last: 3 };
        journal.submit(room(1), cut).wait().unwrap();
        append(journal, room(1), 4..=4);
        let page = journal.read(room(1), 1, usize::MAX).unwrap();
        assert_eq!(seqs(&page.records), [1, 2, 3, 4]);
        assert_eq!(journal.read_snapshot(room(1)).unwrap().unwrap().seq, 2);
    });
}

#[tokio::test]
async fn an_answer_can_be_awaited() {
    let journal = journal_on(redb::backends::InMemoryBackend::new).unwrap();
    journal.ready().await;
    journal.create(room(1), Vec::new()).await.unwrap();
    journal.append(room(1), 1, vec![bytes(1)]).await.unwrap();
}

#[test]
fn what_was_accepted_is_committed_before_the_journal_ends() {
    let folder = tempfile::tempdir().unwrap();
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    let mut pending = vec![journal.create(room(1), Vec::new())];
    pending.extend((1..=200).map(|seq| journal.append(room(1), seq, vec![bytes(seq)])));
    drop(journal);
    for answer in pending {
        answer.wait().unwrap();
    }
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    assert_eq!(journal.open_room(room(1)).unwrap().summary.last_seq, 200);
}

#[test]
fn a_bounded_memory_journal_drops_the_oldest_records() {
    let journal = MemoryJournal::bounded(2);
    journal.create(room(1), Vec::new()).wait().unwrap();
    append(&journal, room(1), 1..=5);
    let trimmed = JournalError::Trimmed {
        room: room(1),
        first: 4,
    };
    assert_eq!(journal.read(room(1), 3, 0), Err(trimmed));
    let page = journal.read(room(1), 4, usize::MAX).unwrap();
    assert_eq!(seqs(&page.records), [4, 5]);
}
