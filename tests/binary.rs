//! The real binary: what it says when it cannot start, a stroke through a real
//! socket, a polite and an impolite end, and pictures from the command line.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/fixtures.rs"]
mod fixtures;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use fixtures::copy_folder;
use futures_util::{SinkExt, StreamExt};
use impasto::canvas::{ImageLimits, Pixels, decode_image};
use impasto::protocol::{ClientMessage, Layer, Rect, ServerMessage, decode_frame};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http::HeaderValue};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PATIENCE: Duration = Duration::from_secs(180);

fn impasto() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // A test keeps rooms only where it says so.
        .env("IMPASTO_DATA", "none")
        .stdin(Stdio::null());
    command
}

/// One line on standard error that names what is wrong, exit code 2.
fn assert_refused(output: &Output, names: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("impasto:"))
        .collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(lines[0].contains(names), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

fn bundled() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/storybook")
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    let listen = ["serve", "--listen", "127.0.0.1:0"];

    let absent = scratch.path().join("absent-model");
    let output = impasto()
        .args(listen)
        .arg("--model")
        .arg(&absent)
        .output()
        .unwrap();
    assert_refused(&output, "absent-model");

    let corrupt = scratch.path().join("corrupt");
    copy_folder(&bundled(), &corrupt);
    let weights = corrupt.join("unet/diffusion_pytorch_model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let output = impasto()
        .args(listen)
        .arg("--model")
        .arg(&corrupt)
        .output()
        .unwrap();
    assert_refused(&output, "unet/diffusion_pytorch_model.safetensors");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = impasto()
        .args(["serve", "--listen", &address])
        .output()
        .unwrap();
    assert_refused(&output, &address);

    // A data folder that cannot be made, for root as well: its parent is a file.
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = impasto()
        .args(listen)
        .arg("--data")
        .arg(file.join("data"))
        .output()
        .unwrap();
    assert_refused(&output, "data");

    let output = impasto()
        .args(listen)
        .args(["--device", "abacus"])
        .output()
        .unwrap();
    assert_refused(&output, "abacus");
}

struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    /// Starts a server on a free port and reads its address from its first line.
    fn start() -> Self {
        let mut child = impasto()
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(['/', ' ']).next());
        let address = address
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .to_owned();
        Self {
            child,
            stdout,
            address,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn wait(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line is all that a server prints");
        status
    }
}

struct Painter {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    result: Pixels,
    rev: u64,
}

#[allow(
    clippy::large_enum_variant,
    reason = "one is looked at, and none is kept"
)]
enum Heard {
    Message(ServerMessage),
    Frame,
    Closed,
}

impl Painter {
    async fn join(address: &str, room: &str, client: u128) -> Self {
        let url = format!("ws://{address}/v1/rooms/{room}/ws");
        let mut request = url.into_client_request().unwrap();
        let protocol = HeaderValue::from_static("impasto.v1");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await.unwrap();
        let mut painter = Self {
            socket,
            result: Pixels::new(512, 512, [255; 3]),
            rev: 0,
        };
        let client = uuid::Uuid::from_u128(client);
        painter
            .say(json!({"type": "hello", "protocol": 1, "client": client}))
            .await;
        let Heard::Message(ServerMessage::Welcome(welcome)) = painter.hear().await else {
            panic!("no welcome")
        };
        assert_eq!(welcome.room, room);
        painter
    }

    async fn say(&mut self, message: Value) {
        serde_json::from_value::<ClientMessage>(message.clone()).unwrap();
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Heard {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .unwrap();
            match heard {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Message(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Binary(frame))) => {
                    let (header, image) = decode_frame(&frame).unwrap();
                    if header.layer == Layer::Result {
                        let picture = decode_image(&image, &ImageLimits::default()).unwrap();
                        assert_eq!(
                            (picture.width(), picture.height()),
                            (header.rect.width, header.rect.height)
                        );
                        self.result.paste(&picture, header.rect.x, header.rect.y);
                        self.rev = self.rev.max(header.rev);
                    }
                    return Heard::Frame;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Closed,
                Some(Ok(_)) => (),
            }
        }
    }

    /// Listens until the server has settled what was painted: a final render of this rev is
    /// done and its pixels are here.
    async fn settled(&mut self, rev: u64) {
        let mut done = false;
        while !(done && self.rev >= rev) {
            match self.hear().await {
                Heard::Message(ServerMessage::Render(news)) => {
                    assert_eq!(news.message, None);
                    done |= news.rev >= rev && news.timings_ms.is_some();
                }
                Heard::Closed => panic!("closed"),
                _ => (),
            }
        }
    }
}

fn http_image(address: &str, room: &str) -> String {
    format!("http://{address}/v1/rooms/{room}/image?layer=result")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stroke_is_repainted_for_everybody_and_nothing_else_changes() {
    let server = Server::start();
    let ready = reqwest::get(format!("http://{}/readyz", server.address))
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);
    let mut painter = Painter::join(&server.address, "studio", 1).await;
    let mut friend = Painter::join(&server.address, "studio", 2).await;
    painter
        .say(json!({"type": "settings", "prompt": "red apple", "spread": 0}))
        .await;
    let points: Vec<Value> = (0..20).map(|i| json!([200 + i * 2, 210, 1.0])).collect();
    painter
        .say(json!({
            "type": "stroke", "id": "s1", "tool": "brush", "size": 60.0, "hardness": 1.0,
            "opacity": 1.0, "color": "#c81e14", "points": points, "done": true
        }))
        .await;
    let rev = loop {
        match painter.hear().await {
            Heard::Message(ServerMessage::Ack { id: Some(id), seq }) if id == "s1" => break seq,
            Heard::Message(ServerMessage::Error(error)) => panic!("{}", error.message),
            Heard::Closed => panic!("closed"),
            _ => (),
        }
    };
    painter.settled(rev).await;
    friend.settled(rev).await;

    let picture = reqwest::get(http_image(&server.address, "studio"))
        .await
        .unwrap();
    let picture = decode_image(&picture.bytes().await.unwrap(), &ImageLimits::default()).unwrap();
    let stroke = Rect::new(168, 178, 104, 64);
    let mut changed = 0;
    for y in 0..picture.height() {
        for x in 0..picture.width() {
            let inside = Rect::new(x, y, 1, 1).intersect(&stroke).area() == 1;
            match picture.pixel(x, y) == [255; 3] {
                true => (),
                false if inside => changed += 1,
                false => panic!("({x}, {y}) is outside the stroke and changed"),
            }
        }
    }
    assert!(
        changed > 2000,
        "only {changed} pixels of the stroke changed"
    );

    let metrics = reqwest::get(format!("http://{}/metrics", server.address))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let value = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    // The warm-up's empty prompt, which is also the negative one, and "red apple".
    assert_eq!(
        value("impasto_text_encoder_runs_total"),
        Some(2.0),
        "{metrics}"
    );
    assert!(
        value("impasto_stroke_to_pixel_seconds_count") >= Some(1.0),
        "{metrics}"
    );
    assert_eq!(value("impasto_members"), Some(2.0), "{metrics}");
    for stage in ["queue", "text", "encode", "denoise", "decode", "codec"] {
        let name = format!("impasto_stage_seconds_count{{stage=\"{stage}\"}}");
        assert!(value(&name) >= Some(1.0), "{name}: {metrics}");
    }

    server.signal("-TERM");
    let mut said_goodbye = false;
    loop {
        match friend.hear().await {
            Heard::Message(ServerMessage::Goaway { .. }) => said_goodbye = true,
            Heard::Closed => break,
            _ => (),
        }
    }
    assert!(said_goodbye);
    let status = tokio::task::spawn_blocking(|| server.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_the_port_and_its_lock_free() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let start = |listen: &str| {
        impasto()
            .args(["serve", "--listen", listen, "--log", "warn", "--data"])
            .arg(&data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let address_of = |child: &mut Child| {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        line.split("http://")
            .nth(1)
            .unwrap()
            .split(['/', ' '])
            .next()
            .unwrap()
            .to_owned()
    };
    let mut first = start("127.0.0.1:0");
    let address = address_of(&mut first);
    let mut painter = Painter::join(&address, "studio", 1).await;
    first.kill().unwrap();
    first.wait().unwrap();
    while !matches!(painter.hear().await, Heard::Closed) {}

    let mut second = start(&address);
    assert_eq!(address_of(&mut second), address);
    Painter::join(&address, "studio", 1).await;
    second.kill().unwrap();
    second.wait().unwrap();
}

/// A process that is killed when the test is over, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Folders of latents in a temporary folder, and the files of latents in them.
fn latents_in(folder: &Path) -> (usize, usize) {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let folders: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("impasto-latents-"))
        .collect();
    let files = folders.iter().flat_map(|folder| entries(folder));
    let files = files.filter(|file| file.extension().is_some());
    (folders.len(), files.count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latents_on_disk_of_a_killed_server_go_when_the_next_one_starts() {
    latents_go(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latents_lie_in_the_data_folder_where_there_is_one() {
    latents_go(true).await;
}

/// With a data folder latents lie in it, otherwise in the temporary folder.
async fn latents_go(has_data: bool) {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("rooms");
    let place: &Path = if has_data { &data } else { scratch.path() };
    let start = || {
        let mut child = impasto()
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .args(["--model", "tests/parity/fixtures/pipelines/sd15"])
            .args(["--latent-budget", "0", "--inversion-steps", "2"])
            .env("TMPDIR", scratch.path())
            .env(
                "IMPASTO_DATA",
                if has_data {
                    data.as_os_str()
                } else {
                    "none".as_ref()
                },
            )
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap();
        let address = address.split(['/', ' ']).next().unwrap().to_owned();
        (Killed(child), address)
    };
    let (first, address) = start();
    let mut painter = Painter::join(&address, "studio", 1).await;
    let mut photo = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(64, 64, image::Rgb([90, 140, 190]))
        .write_to(&mut photo, image::ImageFormat::Png)
        .unwrap();
    let url = format!("http://{address}/v1/rooms/studio/images");
    let upload = reqwest::Client::new().post(url).body(photo.into_inner());
    let kept: Value = upload.send().await.unwrap().json().await.unwrap();
    painter
        .say(json!({"type": "place", "image": kept["image"], "mode": "invert"}))
        .await;
    // The canvas has many tiles of this small model: those under the brush are inverted.
    painter
        .say(
            json!({"type": "stroke", "id": "s", "tool": "mask", "size": 9, "hardness": 1,
            "opacity": 1, "color": "#000000", "points": [[256, 256, 1]], "done": true}),
        )
        .await;
    while latents_in(place).1 == 0 {
        assert!(!matches!(painter.hear().await, Heard::Closed));
    }
    drop(first);
    let (folders, files) = latents_in(place);
    assert!(folders == 1 && files > 0, "a kill removes nothing");

    let (_second, _) = start();
    assert_eq!(latents_in(place), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_over_http_is_the_command_lines() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("apple.png");
    let output = impasto()
        .args(["generate", "--prompt", "red apple", "--seed", "5"])
        .args(["--width", "128", "--height", "192", "--variation", "1"])
        .args(["--guidance-scale", "2", "--out"])
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let server = Server::start();
    let answer = reqwest::Client::new()
        .post(format!("http://{}/v1/images", server.address))
        .json(&json!({
            "prompt": "red apple", "seed": 5, "width": 128, "height": 192, "variation": 1,
            "guidance_scale": 2
        }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["impasto-seed"], "5");
    let bytes = answer.bytes().await.unwrap();
    let read = |bytes: &[u8]| decode_image(bytes, &ImageLimits::default()).unwrap();
    assert_eq!(read(&bytes), read(&std::fs::read(&file).unwrap()));
    server.signal("-TERM");
    assert!(server.wait().success());
}

#[test]
fn generate_repeats_itself_and_takes_its_own_latents_back() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let generate = |extra: &[&str], out: &Path| {
        let output = impasto()
            .args([
                "generate",
                "--prompt",
                "red apple",
                "--width",
                "128",
                "--height",
                "96",
            ])
            .args([
                "--steps",
                "2",
                "--guidance-scale",
                "2",
                "--seed",
                "5",
                "--variation",
                "1",
                "--json",
                "--out",
            ])
            .arg(out)
            .args(extra)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let read = |name: &str| {
        decode_image(&std::fs::read(path(name)).unwrap(), &ImageLimits::default()).unwrap()
    };
    let latents = path("latents.safetensors");
    let report = generate(
        &["--save-latents", latents.to_str().unwrap()],
        &path("a.png"),
    );
    let file = std::fs::read(path("a.png")).unwrap();
    let says = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(says("red apple\nSteps: 2, Sampler: "));
    assert!(says("CFG scale: 2, Seed: 5, Size: 128x96, Model: "));
    assert!(says("digitalsourcetype/trainedAlgorithmicMedia<"));
    for stage in ["text", "encode", "denoise", "decode", "total"] {
        assert!(report["timings_ms"][stage].is_number(), "{report}");
    }
    generate(&[], &path("b.png"));
    let picture = read("a.png");
    assert_eq!((picture.width(), picture.height()), (128, 96));
    assert_eq!(picture, read("b.png"));

    let tensors = candle_core::safetensors::load(&latents, &candle_core::Device::Cpu).unwrap();
    let (_, _, height, width) = tensors["latents"].dims4().unwrap();
    assert_eq!(width * 96, height * 128, "of the picture's shape");
    // Other noise, another picture.
    generate(&["--latents", latents.to_str().unwrap()], &path("c.png"));
    assert_ne!(picture, read("c.png"));

    let output = impasto()
        .args(["generate", "--prompt", "x", "--sampler", "nobody", "--out"])
        .arg(path("d.png"))
        .output()
        .unwrap();
    assert_refused(&output, "nobody");
    assert!(!path("d.png").exists());
}

#[test]
fn model_check_says_what_a_folder_is() {
    let output = impasto()
        .args(["model", "check"])
        .arg(bundled())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        told.contains("sketch") && told.contains("UNet2DConditionModel"),
        "{told}"
    );
    let scratch = tempfile::tempdir().unwrap();
    let output = impasto()
        .args(["model", "check"])
        .arg(scratch.path())
        .output()
        .unwrap();
    assert_refused(&output, "model_index.json");
}

/// What only the sampler can tell about a folder is told before the folder is used.
#[test]
fn model_check_reads_the_scheduler_too() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    copy_folder(Path::new("tests/parity/fixtures/networks/sketch"), &folder);
    let check = || {
        let mut command = impasto();
        command.args(["model", "check", "--json"]).arg(&folder);
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output, report)
    };
    let rename = |file: &str, old: &str, new: &str| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    };
    // The index names the class, whatever the scheduler's own file says.
    let own = "scheduler/scheduler_config.json";
    rename(own, "LCMScheduler", "MagicScheduler");
    let (output, report) = check();
    assert!(output.status.success());
    assert_eq!(report["sampler"], "lcm");
    rename("model_index.json", "LCMScheduler", "MagicScheduler");
    let (output, report) = check();
    assert_refused(&output, "MagicScheduler");
    assert_refused(&output, "DDIMScheduler");
    assert_eq!(report["usable"], false);
    assert_eq!(report["family"], "sketch");
}

/// `model check` and `serve` judge a folder alike.
#[test]
fn a_scheduler_without_a_sampler_is_refused_and_a_chosen_one_takes_its_place() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    copy_folder(Path::new("tests/parity/fixtures/networks/sd15"), &folder);
    let index = folder.join("model_index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(
        &index,
        text.replace("DDIMScheduler", "HeunDiscreteScheduler"),
    )
    .unwrap();
    let check = || {
        let mut command = impasto();
        command.args(["model", "check"]).arg(&folder);
        command.output().unwrap()
    };
    let mut serve = impasto();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--model"]);
    let served = serve.arg(&folder).output().unwrap();
    for output in [check(), served] {
        for part in ["HeunDiscreteScheduler", "dpm-solver++", "impasto.json"] {
            assert_refused(&output, part);
        }
    }
    let picture = scratch.path().join("picture.png");
    let mut generate = impasto();
    generate.args([
        "generate",
        "--prompt",
        "x",
        "--steps",
        "1",
        "--sampler",
        "ddim",
    ]);
    generate
        .arg("--model")
        .arg(&folder)
        .arg("--out")
        .arg(&picture);
    assert!(generate.output().unwrap().status.success());
    std::fs::write(folder.join("impasto.json"), r#"{"sampler": "ddim"}"#).unwrap();
    let told = check();
    assert!(told.status.success());
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("HeunDiscreteScheduler") && told.contains("begin with ddim"),
        "{told}"
    );
}
