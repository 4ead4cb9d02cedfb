//! Photos in rooms, with a real engine and real sockets: placed, inverted, brushed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use impasto::engine::{Engine, EngineOptions};
use impasto::room::{RegistryLimits, RoomOptions, RoomRegistry};
use impasto::server::{Server, ServerOptions};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use support::{Event, TestClient, TestServer};
use tokio_util::sync::CancellationToken;

/// The side of the canvases here: two by two tiles of the tiny model.
const SIDE: u32 = 128;
const STEPS: u32 = 4;

/// A server on a tiny random model, and what keeps it alive.
struct Studio {
    address: SocketAddr,
    _engine: Engine,
}

impl Studio {
    async fn start(latent_budget: u64, steps: u32) -> Self {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/parity/fixtures/pipelines/sd15"
        );
        let options = EngineOptions {
            latent_budget,
            ..EngineOptions::new(Path::new(folder).to_owned())
        };
        let engine = tokio::task::spawn_blocking(|| Engine::start(options).unwrap())
            .await
            .unwrap();
        let server = Server::bind(ServerOptions::new("127.0.0.1:0".parse().unwrap()))
            .await
            .unwrap();
        let address = server.local_addr();
        let switch = server.switch();
        tokio::spawn(server.run());
        let handle = Arc::new(engine.handle());
        let mut options = RoomOptions::new(handle.default_settings().clone())
            .with_size(SIDE, SIDE)
            .unwrap();
        options.inversion.steps = steps;
        let model = handle.model_info().clone();
        let limits = RegistryLimits::default();
        let rooms = RoomRegistry::new(handle.clone(), options, limits, CancellationToken::new());
        switch.open(rooms, model, handle);
        Self {
            address,
            _engine: engine,
        }
    }

    async fn join(&self, room: &str) -> TestClient {
        let mut client = TestClient::connect(self.address, room).await;
        client.hello(json!({})).await;
        client.until("welcome").await;
        client
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Uploads the photo and answers its id.
    async fn upload(&self, room: &str, photo: &RgbImage) -> String {
        let mut bytes = std::io::Cursor::new(Vec::new());
        photo.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let url = self.url(&format!("/v1/rooms/{room}/images"));
        let upload = Client::new().post(url).body(bytes.into_inner());
        let response = upload.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let kept: Value = response.json().await.unwrap();
        kept["image"].as_str().unwrap().to_owned()
    }

    async fn picture(&self, room: &str, layer: &str) -> Result<RgbImage, (u16, String)> {
        let url = self.url(&format!("/v1/rooms/{room}/image?layer={layer}"));
        let response = Client::new().get(url).send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        if status != StatusCode::OK {
            let refusal: Value = serde_json::from_slice(&body).unwrap();
            let code = refusal["error"]["code"].as_str().unwrap().to_owned();
            return Err((status.as_u16(), code));
        }
        Ok(image::load_from_memory(&body).unwrap().into_rgb8())
    }
}

/// Smooth colours, different everywhere.
fn photo() -> RgbImage {
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        image::Rgb([(x * 2) as u8, (y * 2) as u8, ((x + y) % 256) as u8])
    })
}

fn place(image: &str) -> Value {
    json!({"type": "place", "image": image, "mode": "invert", "prompt": "a meadow"})
}

/// A mask stroke of one dab.
fn mask(id: &str, x: u32, y: u32) -> Value {
    json!({
        "type": "stroke", "id": id, "tool": "mask", "size": 24, "hardness": 1, "opacity": 1,
        "color": "#000000", "points": [[x, y, 1]], "done": true
    })
}

fn is_inversion(message: &Value) -> bool {
    message["type"] == "render" && message["work"] == "invert"
}

/// Reads until news of an inversion of that state.
async fn inversion(member: &mut TestClient, state: &str) -> Value {
    loop {
        let news = member.until("render").await;
        if is_inversion(&news) && news["state"] == state {
            return news;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_is_inverted_and_only_what_is_brushed_changes() {
    let studio = Studio::start(64 << 20, STEPS).await;
    let mut member = studio.join("photo").await;
    let photo = photo();
    let refused = studio.picture("photo", "noise").await.unwrap_err();
    assert_eq!(refused, (404, "not_inverted".to_owned()));
    let image = studio.upload("photo", &photo).await;
    member.send(place(&image)).await;
    let op = member.until("op").await;
    assert_eq!(op["op"], place(&image), "the op carries the same fields");

    // Every tile in turn, until the canvas is full.
    let (mut area, mut steps_of_tile, mut last_psnr) = (0, Vec::new(), None);
    while area < u64::from(SIDE * SIDE) {
        let news = member.until("render").await;
        assert!(is_inversion(&news), "{news}");
        assert_eq!((&news["rev"], &news["steps"]), (&json!(1), &json!(STEPS)));
        match news["state"].as_str().unwrap() {
            "started" => steps_of_tile.clear(),
            "progress" => steps_of_tile.push(news["step"].as_u64().unwrap()),
            "done" => {
                assert_eq!(steps_of_tile, (1..=u64::from(STEPS)).collect::<Vec<_>>());
                let rect = news["rect"].as_array().unwrap();
                area += rect[2].as_u64().unwrap() * rect[3].as_u64().unwrap();
                assert!(news["timings_ms"]["denoise"].as_f64().unwrap() > 0.0);
                last_psnr = news["psnr_db"].as_f64();
            }
            other => panic!("{other}: {news}"),
        }
    }
    // What is told is what anybody can measure on the pictures.
    let back = studio.picture("photo", "reconstruction").await.unwrap();
    let squares = photo.as_raw().iter().zip(back.as_raw());
    let squares: f64 = squares
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
        .sum();
    let mean = squares / f64::from(3 * SIDE * SIDE) / (255.0 * 255.0);
    let measured = -10.0 * mean.log10();
    assert!(
        (last_psnr.unwrap() - measured).abs() < 0.01,
        "{last_psnr:?}, not {measured}"
    );
    let noise = studio.picture("photo", "noise").await.unwrap();
    assert_ne!(noise, back);

    // By each method; the last one across the border of tiles.
    let brushed = [
        ("ddim", (32, 40)),
        ("edit-friendly", (90, 30)),
        ("infedit", (60, 90)),
    ];
    let reaches = |(x, y): (u32, u32), (cx, cy): (u32, u32)| {
        let (dx, dy) = (f64::from(x) - f64::from(cx), f64::from(y) - f64::from(cy));
        // The dab's radius, the spread, and a pixel for its soft edge.
        (dx * dx + dy * dy).sqrt() <= 12.0 + 8.0 + 2.0
    };
    for (method, (x, y)) in brushed {
        let settings = json!({"type": "settings", "method": method, "prompt": "snow",
            "steps": 2, "spread": 8});
        member.send(settings).await;
        let seq = member.until("ack").await["seq"].as_u64().unwrap();
        member.send(mask(method, x, y)).await;
        let events = member.until_frame(seq + 1, x, y).await;
        let failed = events
            .iter()
            .find(|event| matches!(event, Event::Json(message) if message["state"] == "failed"));
        assert!(failed.is_none(), "{method}: {failed:?}");
        let result = studio.picture("photo", "result").await.unwrap();
        let pixels = result.enumerate_pixels();
        let changed = pixels.filter(|(px, py, pixel)| {
            reaches((*px, *py), (x, y)) && *pixel != photo.get_pixel(*px, *py)
        });
        let changed = changed.count();
        assert!(changed > 200, "{method}: {changed} pixels changed");
        for (px, py, pixel) in result.enumerate_pixels() {
            let outside = !brushed.iter().any(|(_, at)| reaches((px, py), *at));
            assert!(
                !outside || pixel == photo.get_pixel(px, py),
                "{method}: outside the mask at {px}, {py}"
            );
        }
    }
    member.send(json!({"type": "undo"})).await;
    member.until("ack").await;
    let undone = studio.picture("photo", "result").await.unwrap();
    for (x, y, pixel) in undone.enumerate_pixels() {
        let is_taken_back = reaches((x, y), (60, 90));
        assert!(
            !is_taken_back || pixel == photo.get_pixel(x, y),
            "still there at {x}, {y}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_inversion_is_taken_up_by_the_brush_and_undo_ends_it() {
    // So many that it is still under way when it is stopped.
    let studio = Studio::start(64 << 20, 60).await;
    let mut member = studio.join("cancel").await;
    let image = studio.upload("cancel", &photo()).await;
    member.send(place(&image)).await;
    inversion(&mut member, "started").await;
    member.send(json!({"type": "cancel"})).await;
    inversion(&mut member, "superseded").await;
    assert!(
        studio.picture("cancel", "sketch").await.unwrap() == photo(),
        "it stays placed"
    );
    member.is_served().await;

    // A corner: whatever was inverted before the cancel, the brush gets its frame.
    member.send(mask("a", 10, 118)).await;
    member.until_frame(2, 10, 118).await;

    member.send(place(&image)).await;
    inversion(&mut member, "started").await;
    member.send(json!({"type": "undo"})).await;
    inversion(&mut member, "superseded").await;
    member.is_served().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tile_under_the_brush_overtakes_what_is_done_ahead_of_need() {
    // So many that the first tile is still under way when the brush comes.
    let studio = Studio::start(64 << 20, 60).await;
    let mut member = studio.join("order").await;
    let image = studio.upload("order", &photo()).await;
    member.send(place(&image)).await;
    let first = inversion(&mut member, "started").await["rect"].clone();
    let (x, y) = (118, 118);
    assert_eq!(first, json!([0, 0, 64, 64]), "not under the brush");
    member.send(mask("a", x, y)).await;
    let second = inversion(&mut member, "started").await["rect"].clone();
    assert_eq!(second, json!([64, 64, 64, 64]), "under the brush");
    // The window is rendered while the first tile still waits.
    loop {
        let news = member.until("render").await;
        if news["state"] == "done" {
            assert!(!is_inversion(&news) || news["rect"] == second, "{news}");
        }
        if news["state"] == "done" && !is_inversion(&news) {
            break;
        }
    }
    let mut done = Vec::new();
    while !done.contains(&first) {
        done.push(inversion(&mut member, "done").await["rect"].clone());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_that_has_no_place_in_memory_is_edited_all_the_same() {
    // Nothing stays on the device: every part goes to disk, and comes back for its window.
    let studio = Studio::start(0, STEPS).await;
    let mut roomy = Vec::new();
    for room in ["one", "two"] {
        let mut member = studio.join(room).await;
        let image = studio.upload(room, &photo()).await;
        member.send(place(&image)).await;
        for _ in 0..2 {
            inversion(&mut member, "done").await;
        }
        member
            .send(json!({"type": "settings", "prompt": "snow"}))
            .await;
        member.send(mask("a", 64, 64)).await;
        member.until_frame(3, 64, 64).await;
        member
            .send(json!({"type": "settings", "live": false}))
            .await;
        member.until("ack").await;
        roomy.push(member);
    }
    let metrics = Client::new()
        .get(studio.url("/metrics"))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let value = |series: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(series));
        let line = line.unwrap_or_else(|| panic!("{series} is missing"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("impasto_latent_moves_total{to=\"disk\"}") > 0.0);
    assert!(value("impasto_latent_moves_total{to=\"device\"}") > 0.0);
    assert!(value("impasto_inversions_total{state=\"done\"}") >= 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_refused_and_change_nothing() {
    let studio = Studio::start(64 << 20, STEPS).await;
    let mut member = studio.join("bad").await;
    let before = studio.picture("bad", "result").await.unwrap();
    member.send(place("nobody")).await;
    assert_eq!(member.refusal().await, "unknown_image");
    let image = studio.upload("bad", &photo()).await;
    for (wrong, code) in [
        (
            json!({"type": "place", "image": image, "mode": "sideways"}),
            "invalid_value",
        ),
        (
            json!({"type": "place", "image": image, "mode": "invert", "prompt": 7}),
            "malformed_message",
        ),
        (
            json!({"type": "place", "image": image, "mode": "invert", "prompt": "x".repeat(1001)}),
            "invalid_value",
        ),
        (
            json!({"type": "settings", "method": "magic"}),
            "invalid_value",
        ),
    ] {
        member.send(wrong).await;
        assert_eq!(member.refusal().await, code);
    }
    // Nothing runs: there is nothing to stop, and nothing to say.
    member.send(json!({"type": "cancel"})).await;
    member.is_served().await;
    for layer in ["noise", "reconstruction"] {
        let refused = studio.picture("bad", layer).await.unwrap_err();
        assert_eq!(refused, (404, "not_inverted".to_owned()));
    }
    let refused = studio.picture("bad", "dreams").await.unwrap_err();
    assert_eq!(refused, (400, "invalid_value".to_owned()));
    assert!(studio.picture("bad", "result").await.unwrap() == before);
}

#[tokio::test]
async fn viewers_place_and_stop_nothing() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let made = server.make_room(json!({"name": "mine"})).await;
    let mut viewer = server.connect("mine").await;
    viewer
        .hello(json!({"token": made["invites"]["viewer"]}))
        .await;
    viewer.until("welcome").await;
    for request in [place("nobody"), json!({"type": "cancel"})] {
        viewer.send(request).await;
        assert_eq!(viewer.refusal().await, "forbidden");
    }
}
