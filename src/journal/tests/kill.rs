//! A process that is killed at a random moment, judged by what it said before.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use uuid::Uuid;

use super::{faulty_backend::Random, options};
use crate::journal::{BlobHash, BlobStore, DiskJournal, FolderBlobs, Journal};

/// How many kills; raise it for the long form.
const KILLS_VARIABLE: &str = "IMPASTO_JOURNAL_KILLS";
/// Set for the process that is killed: its data folder.
const FOLDER_VARIABLE: &str = "IMPASTO_JOURNAL_KILL_FOLDER";
const ROOM: Uuid = Uuid::from_u128(11);

fn record(seq: u64) -> Vec<u8> {
    BlobHash::of(&blob(seq)).to_string().into_bytes()
}

fn blob(seq: u64) -> Vec<u8> {
    format!("picture {seq}").repeat(50).into_bytes()
}

/// What is killed: not a test of its own, but this binary run again with a folder named.
#[test]
fn append_until_killed() {
    let Ok(folder) = env::var(FOLDER_VARIABLE) else {
        return;
    };
    let folder = Path::new(&folder);
    let journal = DiskJournal::open(folder, options()).unwrap();
    let blobs = FolderBlobs::open(&folder.join("blobs")).unwrap();
    let mut last = journal.open_room(ROOM).unwrap().summary.last_seq;
    let mut out = std::io::stdout();
    loop {
        let next = last + 1;
        blobs.put(&blob(next)).unwrap();
        journal
            .append(ROOM, next, vec![record(next)])
            .wait()
            .unwrap();
        last = next;
        writeln!(out, "\nkept {last}").unwrap();
        if last.is_multiple_of(7) {
            journal
                .write_snapshot(ROOM, last, record(last))
                .wait()
                .unwrap();
            journal.trim(ROOM).wait().unwrap();
        }
    }
}

#[test]
fn a_killed_process_keeps_what_it_acknowledged() {
    let kills = env::var(KILLS_VARIABLE).map_or(10, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let journal = DiskJournal::open(folder.path(), options()).unwrap();
    journal.create(ROOM, Vec::new()).wait().unwrap();
    drop(journal);
    let mut random = Random(kills);
    let mut total = 0;
    for _ in 0..kills {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "journal::tests::kill::append_until_killed",
            ])
            .env(FOLDER_VARIABLE, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kept = lines.filter_map(|line| line.unwrap().strip_prefix("kept ")?.parse().ok());
        let mut acknowledged: u64 = kept.next().unwrap();
        thread::sleep(Duration::from_micros(random.below(30_000)));
        child.kill().unwrap();
        acknowledged = kept.last().unwrap_or(acknowledged);
        child.wait().unwrap();
        let journal = DiskJournal::open(folder.path(), options()).unwrap();
        let blobs = FolderBlobs::open(&folder.path().join("blobs")).unwrap();
        let opened = journal.open_room(ROOM).unwrap();
        assert_eq!(opened.cut, None);
        let last = opened.summary.last_seq;
        assert!(
            last == acknowledged || last == acknowledged + 1,
            "{last} {acknowledged}"
        );
        assert!(last > total);
        total = last;
        let page = journal
            .read(ROOM, opened.summary.first_seq, usize::MAX)
            .unwrap();
        for (found, seq) in page.records.iter().zip(opened.summary.first_seq..) {
            assert_eq!((found.seq, &found.bytes), (seq, &record(seq)));
            assert_eq!(blobs.get(BlobHash::of(&blob(seq))).unwrap(), blob(seq));
        }
        if let Some(snapshot) = journal.read_snapshot(ROOM).unwrap() {
            assert_eq!(snapshot.bytes, record(snapshot.seq));
        }
    }
}
