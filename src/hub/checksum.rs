//! The two hashes that a hub lists.

use std::fmt;
use std::io::{self, Write};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The hash of a file, in lower-case hexadecimal: SHA-256 (64 digits) for files in large file
/// storage, git's blob id (40 digits) for all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum(String);

impl Checksum {
    /// Reads a hash, or an ETag that is one. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches("W/").trim_matches('"');
        let is_hash =
            matches!(text.len(), 40 | 64) && text.chars().all(|digit| digit.is_ascii_hexdigit());
        is_hash.then(|| Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Hashes what is written to it.
pub(super) enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hasher {
    /// For a file of `size` bytes that is to be compared with `expected`.
    pub fn new(expected: &Checksum, size: u64) -> Self {
        if expected.0.len() == 64 {
            return Self::Sha256(Sha256::new());
        }
        // Git hashes a header before the contents (https://git-scm.com/book, "Git Objects").
        Self::GitBlob(Sha1::new_with_prefix(format!("blob {size}\0")))
    }

    /// The hash of these bytes, in the kind of `expected`.
    pub fn of(expected: &Checksum, bytes: &[u8]) -> Checksum {
        let mut hasher = Self::new(expected, bytes.len() as u64);
        hasher.add(bytes);
        hasher.finish()
    }

    fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitBlob(hasher) => hasher.update(bytes),
        }
    }

    /// The hash of all that was written.
    pub fn finish(self) -> Checksum {
        Checksum(match self {
            Self::Sha256(hasher) => format!("{:x}", hasher.finalize()),
            Self::GitBlob(hasher) => format!("{:x}", hasher.finalize()),
        })
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_git_and_sha256sum() {
        // printf 'hello\n' | git hash-object --stdin; printf 'hello\n' | sha256sum
        for known in [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let expected = Checksum::parse(known).unwrap();
            let mut hasher = Hasher::new(&expected, 6);
            hasher.write_all(b"hel").unwrap();
            hasher.write_all(b"lo\n").unwrap();
            assert_eq!(hasher.finish(), expected);
        }
    }

    #[test]
    fn an_etag_is_a_hash_or_nothing() {
        let hash = "CE013625030ba8dba906f756967f9e9ca394464a";
        let parsed = Checksum::parse(&format!("W/\"{hash}\"")).unwrap();
        assert_eq!(parsed.to_string(), hash.to_lowercase());
        for other in ["", "\"abc\"", &"g".repeat(40), &"../a".repeat(10)] {
            assert!(Checksum::parse(other).is_none(), "{other}");
        }
    }
}
