//! What every store of blobs does.

use std::{collections::HashSet, fs, time::Duration};

use crate::journal::{BlobError, BlobHash, BlobStore, FolderBlobs, MemoryBlobs};

fn for_all(check: impl Fn(&dyn BlobStore)) {
    check(&MemoryBlobs::new());
    let folder = tempfile::tempdir().unwrap();
    check(&FolderBlobs::open(&folder.path().join("blobs")).unwrap());
}

#[test]
fn gives_back_what_was_put_under_its_hash() {
    for_all(|blobs| {
        let hash = blobs.put(b"abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), known);
        assert_eq!(known.parse::<BlobHash>(), Ok(hash));
        assert_eq!(blobs.put(b"abc").unwrap(), hash);
        assert_eq!(blobs.get(hash).unwrap(), b"abc");
        assert!(blobs.contains(hash).unwrap());
        let other = BlobHash::of(b"other");
        assert!(!blobs.contains(other).unwrap());
        assert_eq!(blobs.get(other), Err(BlobError::Missing(other)));
    });
}

#[test]
fn garbage_is_what_is_old_and_not_named() {
    for_all(|blobs| {
        let live = blobs.put(b"live").unwrap();
        let dead = blobs.put(b"dead").unwrap();
        let named = HashSet::from([live]);
        let hour = Duration::from_secs(3600);
        assert_eq!(blobs.collect_garbage(&named, hour), Ok(0));
        assert!(blobs.contains(dead).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(blobs.collect_garbage(&named, Duration::ZERO), Ok(1));
        assert!(!blobs.contains(dead).unwrap());
        assert_eq!(blobs.get(live).unwrap(), b"live");
    });
}

#[test]
fn a_damaged_blob_is_told_and_can_be_put_again() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    let hash = blobs.put(b"picture").unwrap();
    let name = hash.to_string();
    let file = folder.path().join(&name[..2]).join(&name);
    fs::write(&file, b"pictur").unwrap();
    assert_eq!(blobs.get(hash), Err(BlobError::Damaged(hash)));
    blobs.put(b"picture").unwrap();
    assert_eq!(blobs.get(hash).unwrap(), b"picture");
}

#[test]
fn leftovers_of_a_dead_process_go_too() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    let hash = blobs.put(b"picture").unwrap();
    let shard = folder.path().join(&hash.to_string()[..2]);
    let half = shard.join(".tmpHalf");
    fs::write(&half, b"pic").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let live = HashSet::from([hash]);
    assert_eq!(blobs.collect_garbage(&live, Duration::ZERO), Ok(0));
    assert!(!half.exists());
}

#[test]
fn a_name_that_is_no_hash_is_refused() {
    let upper = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    for name in ["", "ab", "../../etc/passwd", upper, &format!("{upper}0")] {
        assert_eq!(name.parse::<BlobHash>(), Err(BlobError::NotAHash));
    }
}
