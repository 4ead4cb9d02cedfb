//! The Python client's tests, and its examples against a real server. Needs `python3` with the package
//! `websockets`; `IMPASTO_PYTHON` names another Python.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::json;
use support::TestServer;
use tokio::task::spawn_blocking;

/// Says something even where the output of tests is captured.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients/python")
}

fn python() -> Command {
    let name = std::env::var_os("IMPASTO_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(name);
    command
        .env("PYTHONPATH", client().join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // What the examples say is not ASCII alone.
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::null());
    command
}

fn python_is_ready() -> bool {
    let mut probe = python();
    let probe = probe.args([
        "-c",
        "import websockets.asyncio.client, websockets.asyncio.server",
    ]);
    let is_ready = probe.output().is_ok_and(|output| output.status.success());
    if !is_ready {
        say(
            "SKIPPED: python3 with the package `websockets` is not here, so nothing of the Python \
             client was tested; run `pip install websockets`, or name a Python in IMPASTO_PYTHON",
        );
    }
    is_ready
}

fn example(name: &str, words: &[&str]) -> Command {
    let mut command = python();
    command
        .arg(client().join("examples").join(name))
        .args(words);
    command
}

/// Waits beside the runtime, so that the server goes on.
async fn run(mut command: Command) -> String {
    let output: Output = spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let [said, told] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(output.status.success(), "{said}{told}");
    said.into_owned()
}

async fn picture(server: &TestServer, room: &str) -> RgbImage {
    let path = format!("/v1/rooms/{room}/image?layer=result");
    let answer = reqwest::get(server.url(&path)).await.unwrap();
    let png = answer.bytes().await.unwrap();
    image::load_from_memory(&png).unwrap().into_rgb8()
}

#[test]
fn the_python_client_is_sound() {
    if !python_is_ready() {
        return;
    }
    let mut tests = python();
    let tests = tests.args(["-m", "unittest", "discover", "-s"]);
    let output = tests.arg(client().join("tests")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("OK") && !told.contains("Ran 0 tests"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_programs_paint_and_watch() {
    if !python_is_ready() {
        return;
    }
    let server = TestServer::start().await;
    let address = server.url("/");
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("picture.png");

    let mut watching = example("watch.py", &[address.as_str(), "studio"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let (first, lines) = spawn_blocking(move || (lines.next().unwrap().unwrap(), lines))
        .await
        .unwrap();
    assert_eq!(first, "studio: 512 x 512, 1 members, 0 ops");

    let words = [address.as_str(), "studio", file.to_str().unwrap()];
    let said = run(example("paint.py", &words)).await;
    assert!(said.starts_with("op 2 was rendered in "), "{said}");
    let exported = std::fs::read(&file).unwrap();
    assert!(
        exported
            .windows(19)
            .any(|part| part == b"a harbour at night\n")
    );
    let exported = image::load_from_memory(&exported).unwrap().into_rgb8();
    // What the test's renderer makes of #2060c0.
    let turned = Rgb([0xc0, 0x20, 0x60]);
    assert_eq!(exported.get_pixel(150, 220), &turned);
    let shown = picture(&server, "studio").await;
    assert_eq!(shown.get_pixel(150, 220), &turned);

    let (heard, status) = spawn_blocking(move || {
        let heard: Vec<String> = lines.map(Result::unwrap).collect();
        (heard, watching.wait().unwrap())
    })
    .await
    .unwrap();
    assert!(status.success());
    for line in ["op 1: settings", "op 2: stroke"] {
        assert!(heard.iter().any(|heard| heard == line), "{heard:?}");
    }
    let last = heard.last().unwrap();
    assert!(
        last.starts_with("result ") && last.ends_with(" bytes of png"),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_program_changes_a_part_of_a_photo() {
    if !python_is_ready() {
        return;
    }
    let server = TestServer::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let photo = RgbImage::from_pixel(512, 512, Rgb([10, 20, 30]));
    photo
        .save_with_format(path("photo.png"), ImageFormat::Png)
        .unwrap();
    let (address, photo, changed) = (server.url("/"), path("photo.png"), path("changed.png"));
    let words = |room: &'static str| [&*address, room, &*photo, "a red door", &*changed];
    // A room's name has no spaces: it is refused, and the program says so.
    let mut refused = example("photo.py", &words("two words"));
    let refused = spawn_blocking(move || refused.output())
        .await
        .unwrap()
        .unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("A room's name is 1 to 64 letters"), "{told}");

    let said = run(example("photo.py", &words("photo"))).await;
    assert_eq!(said, "placed 512 x 512 pixels\n");
    let changed = image::open(&changed).unwrap().into_rgb8();
    assert_eq!(changed.get_pixel(256, 256), &Rgb([30, 10, 20]));
    assert_eq!(changed.get_pixel(20, 20), &Rgb([10, 20, 30]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_program_lays_a_picture_on_a_layer() {
    if !python_is_ready() {
        return;
    }
    let server = TestServer::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("half.png");
    let half = RgbaImage::from_fn(512, 512, |x, _| {
        Rgba([10, 20, 30, if x < 256 { 255 } else { 0 }])
    });
    half.save_with_format(&file, ImageFormat::Png).unwrap();
    let script = r#"
import asyncio, sys
from pathlib import Path
from impasto_client import Room
async def main(address, file):
    async with await Room.join(address, "layers") as room:
        kept = await room.upload(Path(file).read_bytes(), for_layer=True)
        print(await room.place_on_layer(kept["image"], 0))
asyncio.run(main(*sys.argv[1:]))
"#;
    let mut command = python();
    command.args(["-c", script, &server.url("/")]).arg(&file);
    assert_eq!(run(command).await.trim(), "1");
    let shown = picture(&server, "layers").await;
    assert_eq!(shown.get_pixel(100, 100), &Rgb([10, 20, 30]));
    assert_eq!(
        shown.get_pixel(400, 100),
        &Rgb([255; 3]),
        "transparent there"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_script_makes_a_picture_without_a_room() {
    if !python_is_ready() {
        return;
    }
    let server = TestServer::start_with(|options| options.auth = true).await;
    let scratch = tempfile::tempdir().unwrap();
    let sketch = scratch.path().join("sketch.png");
    let mut bytes = Cursor::new(Vec::new());
    let red = RgbImage::from_pixel(64, 64, Rgb([255, 0, 0]));
    red.write_to(&mut bytes, ImageFormat::Png).unwrap();
    std::fs::write(&sketch, bytes.into_inner()).unwrap();
    let script = r#"
import json, sys
from pathlib import Path
from impasto_client import CallRefused, Server
address, token, sketch, out = sys.argv[1:]
try:
    Server(address).generate("grass")
except CallRefused as refused:
    status, code = refused.status, refused.code
server = Server(address, token=token)
image = server.generate("grass", sketch=Path(sketch).read_bytes(), seed=7)
Path(out).write_bytes(image.data)
told = {"refused": [status, code], "seed": image.seed, "total": image.timings["total"] > 0}
print(json.dumps({**told, "model": server.model()["id"]}))
"#;
    let out = scratch.path().join("out.png");
    let mut command = python();
    command
        .args(["-c", script, &server.url("/"), &server.operator()])
        .args([&sketch, &out]);
    let said: serde_json::Value = serde_json::from_str(&run(command).await).unwrap();
    let expected = json!({
        "refused": [401, "invalid_token"], "seed": 7, "total": true, "model": "turner",
    });
    assert_eq!(said, expected);
    let made = image::open(&out).unwrap().into_rgb8();
    assert_eq!(made, RgbImage::from_pixel(64, 64, Rgb([0, 255, 0])));
}
