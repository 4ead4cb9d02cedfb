//! The frozen backend reads as if it had been written to, and writes nothing.

use redb::{StorageBackend, backends::InMemoryBackend};

use super::faulty_backend::{FaultyBackend, Random};
use crate::journal::backend::Backend;

fn content(backend: &dyn StorageBackend) -> Vec<u8> {
    let mut bytes = vec![0; backend.len().unwrap() as usize];
    backend.read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_frozen_backend_is_as_one_that_was_written_to() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let (disk, model) = (FaultyBackend::default(), InMemoryBackend::new());
        let start = vec![7; random.below(30_000) as usize];
        for backend in [&disk as &dyn StorageBackend, &model] {
            backend.set_len(start.len() as u64).unwrap();
            backend.write(0, &start).unwrap();
        }
        let frozen = Backend::frozen(Box::new(disk.clone())).unwrap();
        for step in 0..40 {
            let len = model.len().unwrap();
            if random.below(4) == 0 {
                let len = random.below(40_000);
                frozen.set_len(len).unwrap();
                model.set_len(len).unwrap();
            } else {
                let offset = random.below(len + 1);
                let data = vec![step; random.below((len - offset + 1).min(9000)) as usize];
                frozen.write(offset, &data).unwrap();
                model.write(offset, &data).unwrap();
            }
            assert_eq!(content(&frozen), content(&model), "seed {seed}");
        }
        assert!(frozen.read(model.len().unwrap(), &mut [0]).is_err());
        assert_eq!(content(&disk), start);
    }
}
