use candle_core::DType;

use super::*;
use crate::pipeline::KeptLatents;
use crate::sampler::NoiseLevel;

/// Enough for every test's latents.
const PLENTY: u64 = 1 << 20;

fn latents(value: f32) -> Tensor {
    Tensor::full(value, (1, 4, 2, 2), &Device::Cpu).unwrap()
}

/// 2 × 2 latents at `x`, at two noise levels: 128 bytes.
fn part(x: u32, value: f32) -> Inversion {
    let kept = KeptLatents {
        timestep: 9.0,
        level: NoiseLevel {
            alpha: 0.6,
            sigma: 0.8,
        },
        latents: latents(value + 0.5),
    };
    let photo = Pixels::new(16, 16, [3; 3]);
    Inversion::of_part(photo, (x, 0), latents(value), vec![kept])
}

fn rect(x: u32, width: u32) -> LatentRect {
    LatentRect {
        x,
        y: 0,
        width,
        height: 2,
    }
}

fn values(inversion: &Inversion) -> Vec<f32> {
    let kept = inversion.trajectory().iter().map(|kept| &kept.latents);
    kept.chain([inversion.latents()])
        .flat_map(|latents| latents.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        .collect()
}

fn places(residency: &Residency) -> [u64; 3] {
    Place::ALL.map(|place| residency.bytes_in(place))
}

/// The files of latents on disk.
fn files(residency: &Residency) -> Vec<std::path::PathBuf> {
    let folder = residency.folder.as_ref().unwrap().path();
    let all = std::fs::read_dir(folder).unwrap();
    let all = all.map(|file| file.unwrap().path());
    all.filter(|path| path.extension().is_some()).collect()
}

#[test]
fn a_room_keeps_its_newest_windows() {
    let mut residency = Residency::new(Device::Cpu, PLENTY, std::env::temp_dir());
    let latents = Tensor::zeros((1, 1, 1, 1), DType::F32, &Device::Cpu).unwrap();
    let key = |width: u32| PixelsKey::new(&Pixels::new(width + 1, 1, [0; 3]));
    for x in 0..WINDOWS_PER_ROOM as u32 {
        residency.keep(RoomKey(1), key(x), latents.clone());
    }
    assert!(residency.get(RoomKey(1), &key(0)).is_some());
    residency.keep(RoomKey(1), key(1000), latents.clone());
    assert!(
        residency.get(RoomKey(1), &key(0)).is_some(),
        "used just now"
    );
    assert!(
        residency.get(RoomKey(1), &key(1)).is_none(),
        "used longest ago"
    );
    assert!(residency.get(RoomKey(2), &key(0)).is_none());
    residency.forget(RoomKey(1));
    assert!(residency.get(RoomKey(1), &key(0)).is_none());
}

#[test]
fn other_pixels_are_another_window() {
    let white = PixelsKey::new(&Pixels::new(8, 8, [255; 3]));
    assert!(white == PixelsKey::new(&Pixels::new(8, 8, [255; 3])));
    assert!(white != PixelsKey::new(&Pixels::new(8, 8, [254; 3])));
    assert!(white != PixelsKey::new(&Pixels::new(16, 4, [255; 3])));
}

#[test]
fn the_room_used_longest_ago_makes_room_and_gets_its_photo_back_to_the_bit() {
    let (old, new) = (RoomKey(1), RoomKey(2));
    let mut residency = Residency::new(Device::Cpu, 300, std::env::temp_dir());
    residency.keep_patch(old, 7, part(0, 1.0));
    residency.keep_patch(old, 7, part(2, 2.0));
    assert_eq!(places(&residency), [256, 0, 0]);
    let photo = Pixels::new(32, 16, [0; 3]);
    let before = residency
        .window(old, 7, &rect(0, 4), photo.clone())
        .unwrap();
    residency.keep_patch(new, 1, part(0, 3.0));
    // Host memory is the device's: the part goes to disk at once.
    assert_eq!(places(&residency), [256, 0, 128]);
    residency.keep_patch(new, 1, part(2, 4.0));
    assert_eq!(places(&residency), [256, 0, 256]);
    assert_eq!(files(&residency).len(), 2);

    let after = residency.window(old, 7, &rect(0, 4), photo).unwrap();
    assert_eq!(values(&before), values(&after));
    assert_eq!(places(&residency), [256, 0, 256], "the other room went");
    residency.forget_photo(old, 7);
    residency.forget(new);
    assert_eq!(places(&residency), [0, 0, 0]);
    let folder = residency.folder.as_ref().unwrap().path().to_owned();
    assert_eq!(files(&residency).len(), 0);
    drop(residency);
    assert!(!folder.exists());
}

#[test]
fn windows_go_before_photos() {
    let mut residency = Residency::new(Device::Cpu, 200, std::env::temp_dir());
    let key = PixelsKey::new(&Pixels::new(1, 1, [0; 3]));
    residency.keep(RoomKey(1), key, latents(0.0));
    residency.keep_patch(RoomKey(1), 1, part(0, 1.0));
    assert!(residency.get(RoomKey(1), &key).is_some());
    residency.keep_patch(RoomKey(2), 1, part(0, 1.0));
    assert!(residency.get(RoomKey(1), &key).is_none());
    assert_eq!(places(&residency), [128, 0, 128]);
}

#[test]
fn a_photo_is_not_there_before_all_of_the_window_is() {
    let mut residency = Residency::new(Device::Cpu, PLENTY, std::env::temp_dir());
    let photo = Pixels::new(32, 16, [0; 3]);
    let window = |residency: &mut Residency, photo_id| {
        residency
            .window(RoomKey(1), photo_id, &rect(0, 4), photo.clone())
            .is_ok()
    };
    assert!(!window(&mut residency, 1));
    residency.keep_patch(RoomKey(1), 1, part(0, 1.0));
    assert!(!window(&mut residency, 1));
    residency.keep_patch(RoomKey(1), 1, part(2, 1.0));
    assert!(window(&mut residency, 1));
    assert!(!window(&mut residency, 2), "another photo");
}

#[test]
fn a_lost_file_is_told_in_one_sentence() {
    let mut residency = Residency::new(Device::Cpu, 0, std::env::temp_dir());
    residency.keep_patch(RoomKey(1), 1, part(0, 1.0));
    for file in files(&residency) {
        std::fs::remove_file(file).unwrap();
    }
    let photo = Pixels::new(16, 16, [0; 3]);
    let lost = residency.window(RoomKey(1), 1, &rect(0, 2), photo);
    let message = lost.unwrap_err().to_string();
    assert!(message.contains("place the photo again"), "{message}");
}
