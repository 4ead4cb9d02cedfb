//! Inputs near those that are known to be read.

use std::path::Path;

/// Which seed is changed, and how: for each change its kind, its place and a value.
pub type Change = (u8, Vec<(u8, u16, u8)>);

/// The most bytes that an input near the corpus has.
const MOST: usize = 1 << 20;

/// The files of a target's corpus, in the order of their names.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/__fuzz__")
        .join(target)
        .join("corpus");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("every target has a corpus")
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// A seed with changes. Without any it is itself.
pub fn changed(seeds: &[Vec<u8>], (seed, changes): &Change) -> Vec<u8> {
    let mut bytes = seeds[usize::from(*seed) % seeds.len()].clone();
    for (kind, place, value) in changes {
        change(&mut bytes, *kind, usize::from(*place), *value);
    }
    bytes.truncate(MOST);
    bytes
}

fn change(bytes: &mut Vec<u8>, kind: u8, place: usize, value: u8) {
    if bytes.is_empty() {
        bytes.push(value);
        return;
    }
    // Places are spread over the whole, however long it is.
    let at = place * bytes.len() / (1 + usize::from(u16::MAX));
    let length = usize::from(value).min(bytes.len() - at);
    match kind % 8 {
        0 => bytes[at] = value,
        1 => bytes[at] ^= 1 << (value % 8),
        2 => bytes.insert(at, value),
        3 => drop(bytes.drain(at..at + length)),
        4 => bytes.truncate(at),
        5 => bytes.extend_from_within(at..at + length),
        // A digit: numbers are where decoders trust too much.
        6 => bytes[at] = b'0' + value % 10,
        _ => bytes[at..at + length].fill(u8::MAX),
    }
}
