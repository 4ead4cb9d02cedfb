//! Pulls that do not come to their end at once.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::{Fault, TestHub, files_in};
use crate::{PULL, Person, assert_no_parts, assert_whole};

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";
/// Where downloads of the UNet (179544 bytes) break off.
const MIDDLE: usize = 100_000;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn once() -> Vec<&'static str> {
    [&PULL[..], &["--retries", "0"]].concat()
}

/// A pull that goes on while the test does.
fn quietly(person: &Person) -> Child {
    let mut command = person.command(&PULL);
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn the_part(folder: &Path) -> PathBuf {
    let parts = std::fs::read_dir(folder.join(".impasto/parts")).unwrap();
    let mut parts: Vec<_> = parts.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
    parts.remove(0)
}

/// The second pull asks for the rest of the UNet, and for nothing that is there.
fn assert_resumed(person: &Person, hub: &TestHub, from: u64) {
    let there = files_in(&person.folder());
    assert!(!there.is_empty());
    hub.heal();
    hub.seen();
    person.does(&PULL);
    let asked = hub.seen();
    for name in there {
        let again = asked.iter().any(|seen| seen.path.ends_with(&name));
        assert!(!again, "{name} was fetched again");
    }
    let unet: Vec<_> = asked
        .iter()
        .filter(|seen| seen.path == format!("/cdn/{UNET}"))
        .collect();
    assert_eq!(unet.len(), 1, "{unet:?}");
    assert_eq!(unet[0].range, Some(format!("bytes={from}-")));
    assert_whole(&person.folder(), hub);
    assert_no_parts(&person.folder());
    person.does(&["model", "check", "tiny/model"]);
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_was() {
    let hub = TestHub::with_fixture("sd15");
    hub.fail(UNET, Fault::CutAt(MIDDLE));
    let person = Person::of(&hub);
    person.is_refused(&once(), 1, &[UNET, "of 179544 bytes", "same command again"]);
    assert!(!person.folder().join(UNET).exists());
    assert_whole(&person.folder(), &hub);
    let kept = std::fs::metadata(the_part(&person.folder())).unwrap().len();
    assert!((1..=MIDDLE as u64).contains(&kept), "{kept}");

    let unfinished = ["tiny/model", "impasto model pull tiny/model"];
    person.is_refused(&["model", "check", "tiny/model"], 2, &unfinished);
    let generate = [
        "generate",
        "--model",
        "tiny/model",
        "--prompt",
        "a",
        "--out",
    ];
    let generate = [&generate[..], &["out.png"]].concat();
    person.is_refused(&generate, 2, &unfinished);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--model", "tiny/model"];
    person.is_refused(&serve, 2, &unfinished);
    let listed = person.listed();
    assert_eq!(listed[0]["usable"], false);
    assert!(
        listed[0]["problem"]
            .as_str()
            .unwrap()
            .contains("model pull")
    );

    assert_resumed(&person, &hub, kept);
}

#[test]
fn one_command_waits_out_a_connection_that_breaks() {
    let hub = TestHub::with_fixture("sd15");
    hub.fail(UNET, Fault::CutAt(MIDDLE));
    let person = Person::of(&hub);
    let mut pulling = quietly(&person);
    let started = Instant::now();
    let tries = |tries: usize| {
        let mut seen = 0;
        while seen < tries {
            let asked = hub.seen();
            seen += asked
                .iter()
                .filter(|seen| seen.path.starts_with("/cdn/unet"))
                .count();
            assert!(started.elapsed() < PATIENCE, "it was not tried again");
            thread::sleep(Duration::from_millis(10));
        }
    };
    tries(2);
    hub.heal();
    assert!(pulling.wait().unwrap().success());
    assert_whole(&person.folder(), &hub);
    assert_no_parts(&person.folder());
}

#[test]
fn a_pull_that_was_killed_goes_on_where_it_was() {
    let hub = TestHub::with_fixture("sd15");
    hub.fail(UNET, Fault::HangAt(MIDDLE));
    let person = Person::of(&hub);
    let mut pulling = quietly(&person);
    let parts = person.folder().join(".impasto/parts");
    let started = Instant::now();
    let has_come = || {
        let parts = std::fs::read_dir(&parts).into_iter().flatten();
        parts.flatten().any(|part| {
            part.metadata()
                .is_ok_and(|part| part.len() == MIDDLE as u64)
        })
    };
    while !has_come() {
        assert!(started.elapsed() < PATIENCE, "the download does not begin");
        thread::sleep(Duration::from_millis(10));
    }
    person.is_refused(&PULL, 2, &["another impasto", "wait"]);
    // SIGKILL.
    pulling.kill().unwrap();
    pulling.wait().unwrap();
    assert!(!person.folder().join(UNET).exists());
    assert_whole(&person.folder(), &hub);
    assert_resumed(&person, &hub, MIDDLE as u64);
}

#[test]
fn a_file_with_another_hash_is_refused_and_removed() {
    // One whose hash is SHA-256, one whose hash is git's.
    for file in [UNET, "text_encoder/config.json", "model_index.json"] {
        let hub = TestHub::with_fixture("sd15");
        hub.fail(file, Fault::Flipped);
        let person = Person::of(&hub);
        person.is_refused(&PULL, 1, &[file, "hash", "thrown away"]);
        let folder = person.folder();
        assert!(!folder.join(file).exists());
        if folder.exists() {
            assert_whole(&folder, &hub);
        }
        assert_no_parts(&folder);
        hub.heal();
        person.does(&PULL);
        assert_whole(&folder, &hub);
    }
}

#[test]
fn a_file_of_another_size_is_refused_and_removed() {
    for fault in [Fault::Longer, Fault::LongerUntold] {
        for file in [UNET, "model_index.json"] {
            let hub = TestHub::with_fixture("sd15");
            hub.fail(file, fault.clone());
            let person = Person::of(&hub);
            let size = hub.file(file).len().to_string();
            person.is_refused(&PULL, 1, &[file, &size, "thrown away"]);
            assert!(!person.folder().join(file).exists());
            assert_no_parts(&person.folder());
        }
    }
}

#[test]
fn a_part_that_was_damaged_is_not_gone_on_with() {
    let hub = TestHub::with_fixture("sd15");
    hub.fail(UNET, Fault::CutAt(MIDDLE));
    let person = Person::of(&hub);
    for damage in [vec![0; 50_000], vec![0; 500_000], vec![0; 179_544]] {
        person.is_refused(&once(), 1, &[UNET]);
        std::fs::write(the_part(&person.folder()), damage).unwrap();
        hub.heal();
        person.does(&PULL);
        assert_whole(&person.folder(), &hub);
        std::fs::remove_file(person.folder().join(UNET)).unwrap();
        hub.fail(UNET, Fault::CutAt(MIDDLE));
    }
}

#[test]
fn a_file_that_was_changed_on_the_disk_is_fetched_again() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    person.does(&PULL);
    let unet = person.folder().join(UNET);
    let mut bytes = std::fs::read(&unet).unwrap();
    bytes[MIDDLE] ^= 1;
    std::fs::write(&unet, bytes).unwrap();
    let text = person.does(&PULL);
    assert!(text.contains("1 of 11 files"), "{text}");
    assert_whole(&person.folder(), &hub);
}
