//! A room's recording: small pictures of its result over time.

use serde::{Deserialize, Serialize};

use super::{
    RoomStore, StoreError,
    pictures::{decode_picture, encode_recorded},
};
use crate::{
    canvas::{Pixels, fit_to, size_within},
    journal::{BlobHash, BlobStore, since_1970_ms},
    picture_file::Origin,
    protocol::CanvasSize,
};

/// The longer side of a recorded picture, in pixels at most.
pub const RECORDED_SIDE_MOST: u32 = 512;
/// The most pictures of a recording; one more, and every second one goes.
const PICTURES_MOST: usize = 240;
/// The most bytes of a recording's pictures; more, and every second one goes.
const BYTES_MOST: u64 = 16 << 20;
/// Milliseconds between two pictures at least, before any of them went.
const FIRST_INTERVAL_MS: u64 = 2000;

/// What a room's result was at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPicture {
    /// The last op that is in it.
    pub seq: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub at_ms: u64,
    /// The blob that it is in, as JPEG, by its hash.
    pub(in crate::room) blob: String,
    /// Bytes of the JPEG.
    pub bytes: u64,
    /// Where its pixels come from.
    pub origin: Origin,
}

/// The pictures of a room over time, a bounded number of bounded size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::room) struct Recording {
    /// The oldest first.
    pictures: Vec<RecordedPicture>,
    /// Milliseconds between two pictures at least.
    interval_ms: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            pictures: Vec::new(),
            interval_ms: FIRST_INTERVAL_MS,
        }
    }
}

impl Recording {
    /// The pictures, the oldest first.
    #[cfg(test)]
    pub(in crate::room) fn pictures(&self) -> &[RecordedPicture] {
        &self.pictures
    }

    /// The pictures, the oldest first.
    pub(in crate::room) fn into_pictures(self) -> Vec<RecordedPicture> {
        self.pictures
    }

    /// The newest picture.
    pub(in crate::room) fn newest(&self) -> Option<&RecordedPicture> {
        self.pictures.last()
    }

    /// Milliseconds that pass between two pictures at least.
    pub(in crate::room) fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// The blobs of the pictures.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &str> {
        self.pictures.iter().map(|picture| picture.blob.as_str())
    }

    /// Adds a picture. Where there are too many then, every second one goes, and from now on twice
    /// the time passes between two: so a long recording stays as even as a short one.
    pub(in crate::room) fn add(&mut self, picture: RecordedPicture) {
        self.pictures.push(picture);
        while self.is_full() {
            let last = self.pictures.len() - 1;
            let mut place = 0;
            self.pictures.retain(|_| {
                let stays = place == 0 || (last - place).is_multiple_of(2);
                place += 1;
                stays
            });
            self.interval_ms = self.interval_ms.saturating_mul(2);
        }
    }

    fn is_full(&self) -> bool {
        let bytes = self.pictures.iter().map(|picture| picture.bytes);
        let is_over = self.pictures.len() > PICTURES_MOST || bytes.sum::<u64>() > BYTES_MOST;
        // Of two neither is between others.
        is_over && self.pictures.len() > 2
    }
}

/// Keeps a picture as a blob, small. Blocks on the disk.
///
/// # Errors
/// [`StoreError`]; what was written by then is garbage.
pub(super) fn keep_picture(
    blobs: &dyn BlobStore,
    pixels: &Pixels,
) -> Result<(BlobHash, u64), StoreError> {
    let file = small_file(pixels)?;
    Ok((blobs.put(&file)?, file.len() as u64))
}

/// A room's result at this moment as it would be recorded, and its file; none where that is the
/// newest picture of the recording already.
///
/// # Errors
/// [`StoreError::Picture`] for one without pixels.
pub(in crate::room) fn recorded_now(
    pixels: &Pixels,
    seq: u64,
    origin: Origin,
    newest: Option<&RecordedPicture>,
) -> Result<Option<(RecordedPicture, Vec<u8>)>, StoreError> {
    let file = small_file(pixels)?;
    let blob = BlobHash::of(&file).to_string();
    if newest.is_some_and(|newest| newest.blob == blob) {
        return Ok(None);
    }
    let picture = RecordedPicture {
        seq,
        at_ms: since_1970_ms(),
        blob,
        bytes: file.len() as u64,
        origin,
    };
    Ok(Some((picture, file)))
}

impl RoomStore {
    /// The file of a recorded picture. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError::Blob`] when it is missing or damaged.
    pub(in crate::room) fn recorded_file(
        &self,
        picture: &RecordedPicture,
    ) -> Result<Vec<u8>, StoreError> {
        Ok(self.blobs.get(picture.blob.parse()?)?)
    }

    /// The pixels of a recorded picture's file.
    ///
    /// # Errors
    /// [`StoreError::Picture`] for any other file.
    pub(in crate::room) fn recorded_pixels(&self, file: &[u8]) -> Result<Pixels, StoreError> {
        Ok(decode_picture(file)?)
    }
}

fn small_file(pixels: &Pixels) -> Result<Vec<u8>, StoreError> {
    let size = CanvasSize {
        width: pixels.width(),
        height: pixels.height(),
    };
    let small = fit_to(pixels, size_within(size, RECORDED_SIDE_MOST));
    Ok(encode_recorded(&small)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seq: u64, bytes: u64) -> RecordedPicture {
        RecordedPicture {
            seq,
            at_ms: seq * 1000,
            blob: seq.to_string(),
            bytes,
            origin: Origin::Generated,
        }
    }

    fn seqs(recording: &Recording) -> Vec<u64> {
        let pictures = recording.pictures().iter();
        pictures.map(|picture| picture.seq).collect()
    }

    #[test]
    fn a_full_recording_is_thinned_evenly_and_keeps_its_ends() {
        let mut recording = Recording::default();
        for seq in 1..=PICTURES_MOST as u64 {
            recording.add(picture(seq, 10));
        }
        assert_eq!(recording.pictures().len(), PICTURES_MOST);
        assert_eq!(recording.interval_ms(), FIRST_INTERVAL_MS);
        let last = PICTURES_MOST as u64 + 1;
        recording.add(picture(last, 10));
        let even: Vec<u64> = (1..=last).step_by(2).collect();
        assert_eq!(seqs(&recording), even);
        assert_eq!(recording.interval_ms(), 2 * FIRST_INTERVAL_MS);
    }

    #[test]
    fn bytes_are_bounded_too_and_gaps_stay_alike() {
        let mut recording = Recording::default();
        for seq in 1..=1000 {
            recording.add(picture(seq, 100_000));
            let bytes: u64 = recording.pictures().iter().map(|it| it.bytes).sum();
            assert!(bytes <= BYTES_MOST, "{bytes}");
        }
        let seqs = seqs(&recording);
        assert_eq!((seqs[0], seqs[seqs.len() - 1]), (1, 1000));
        assert!(seqs.len() > 40, "{}", seqs.len());
        // As recorded here nothing waits for the interval, so what is new lies closer.
        assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn two_pictures_stay_whatever_they_weigh() {
        let mut recording = Recording::default();
        for seq in 1..=3 {
            recording.add(picture(seq, BYTES_MOST));
        }
        assert_eq!(seqs(&recording), [1, 3]);
    }

    #[test]
    fn a_snapshot_of_an_older_server_has_an_empty_one() {
        let recording: Recording = serde_json::from_str("{}").unwrap();
        assert_eq!(recording, Recording::default());
    }
}
