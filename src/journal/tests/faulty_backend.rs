//! A disk that breaks at a given write.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::StorageBackend;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to choose faults from a seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[derive(Clone, Debug)]
enum Step {
    SetLen(u64),
    Write(u64, Vec<u8>),
}

#[derive(Debug, Default)]
struct Disk {
    /// What survives a power cut for certain.
    synced: Vec<u8>,
    /// What a reader sees: all steps made.
    seen: Vec<u8>,
    /// What was done since the last sync.
    unsynced: Vec<Step>,
    /// Calls that still work; then every one fails.
    calls_left: Option<u64>,
    error: Option<io::ErrorKind>,
}

fn make(bytes: &mut Vec<u8>, step: &Step) {
    match step {
        Step::SetLen(len) => bytes.resize(*len as usize, 0),
        Step::Write(offset, data) => {
            let end = *offset as usize + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset as usize..end].copy_from_slice(data);
        }
    }
}

/// A disk in memory that loses what was not synced.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultyBackend(Arc<Mutex<Disk>>);

impl FaultyBackend {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Writes, syncs and changes of length fail after `calls` more of them.
    pub(super) fn fail_after(&self, calls: u64, error: io::ErrorKind) {
        let mut disk = self.disk();
        disk.calls_left = Some(calls);
        disk.error = Some(error);
    }

    pub(super) fn works_again(&self) {
        self.disk().calls_left = None;
    }

    /// The power goes: of what was not synced, each step is kept whole, in part, or not at all.
    pub(super) fn cut_power(&self, random: &mut Random) {
        let mut disk = self.disk();
        let mut bytes = std::mem::take(&mut disk.synced);
        for step in std::mem::take(&mut disk.unsynced) {
            match (random.below(4), step) {
                (0, _) => {}
                (1, Step::Write(offset, data)) => {
                    let kept = random.below(data.len() as u64 + 1) as usize;
                    make(&mut bytes, &Step::Write(offset, data[..kept].to_vec()));
                }
                (2, Step::Write(offset, data)) => {
                    let lost = random.below(data.len() as u64 + 1) as usize;
                    let offset = offset + lost as u64;
                    make(&mut bytes, &Step::Write(offset, data[lost..].to_vec()));
                }
                (_, step) => make(&mut bytes, &step),
            }
        }
        disk.seen = bytes.clone();
        disk.synced = bytes;
        disk.calls_left = None;
    }

    fn count(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.disk();
        match disk.calls_left {
            Some(0) => return Err(disk.error.unwrap_or(io::ErrorKind::Other).into()),
            Some(calls) => disk.calls_left = Some(calls - 1),
            None => {}
        }
        Ok(disk)
    }

    fn step(&self, step: Step) -> io::Result<()> {
        let failed = self.count().map(drop);
        let mut disk = self.disk();
        // The call that fails may have done its work, or some of it: `cut_power` decides.
        if failed.is_err() {
            disk.unsynced.push(step);
            return failed;
        }
        make(&mut disk.seen, &step);
        disk.unsynced.push(step);
        Ok(())
    }
}

impl StorageBackend for FaultyBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk();
        let offset = offset as usize;
        let bytes = disk.seen.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(Step::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.count()?;
        disk.synced = disk.seen.clone();
        disk.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step(Step::Write(offset, data.to_vec()))
    }
}
