//! A record or snapshot on disk: a CRC-32 of room, seq and bytes (little-endian), then the bytes.

use uuid::Uuid;

fn checksum(room: Uuid, seq: u64, bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(room.as_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

/// What is stored for `bytes`.
pub(super) fn seal(room: Uuid, seq: u64, bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(bytes.len() + 4);
    sealed.extend(checksum(room, seq, bytes));
    sealed.extend(bytes);
    sealed
}

/// The bytes, if they are those that were stored in this place.
pub(super) fn unseal(room: Uuid, seq: u64, sealed: &[u8]) -> Option<&[u8]> {
    let (sum, bytes) = sealed.split_first_chunk::<4>()?;
    (*sum == checksum(room, seq, bytes)).then_some(bytes)
}
