//! A server that was started with a control: a real engine, real sockets.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use impasto::engine::{Engine, EngineOptions};
use impasto::room::{RegistryLimits, RoomOptions, RoomRegistry};
use impasto::server::{Server, ServerOptions};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::support::{TestClient, stroke};
use super::{choice, control, folder};

const SIDE: u32 = 128;

/// Renders only where they are asked for.
static QUIET: LazyLock<Value> = LazyLock::new(
    || json!({"type": "settings", "live": false, "spread": 0, "steps": 2, "strength": 1, "seed": 3}),
);

struct Studio {
    address: SocketAddr,
    _engine: Engine,
    _folder: tempfile::TempDir,
}

impl Studio {
    async fn start(controls: &[&str]) -> Self {
        let folder = folder("sd15");
        let names = ["lines", "scribble"];
        let controls = names.iter().zip(controls);
        let options = EngineOptions {
            controls: controls
                .map(|(name, path)| choice(name, control(path)))
                .collect(),
            ..EngineOptions::new(folder.path().to_owned())
        };
        let engine = tokio::task::spawn_blocking(|| Engine::start(options).unwrap());
        let engine = engine.await.unwrap();
        let options = ServerOptions::new("127.0.0.1:0".parse().unwrap());
        let server = Server::bind(options).await.unwrap();
        let (address, switch) = (server.local_addr(), server.switch());
        tokio::spawn(server.run());
        let handle = Arc::new(engine.handle());
        let options = RoomOptions::new(handle.default_settings().clone());
        let options = options.with_size(SIDE, SIDE).unwrap();
        let model = handle.model_info().clone();
        let limits = RegistryLimits::default();
        let rooms = RoomRegistry::new(handle.clone(), options, limits, CancellationToken::new());
        switch.open(rooms, model, handle);
        Self {
            address,
            _engine: engine,
            _folder: folder,
        }
    }

    async fn join(&self) -> (TestClient, Value) {
        self.join_room("studio").await
    }

    async fn join_room(&self, room: &str) -> (TestClient, Value) {
        let mut client = TestClient::connect(self.address, room).await;
        client.hello(json!({})).await;
        let welcome = client.until("welcome").await;
        (client, welcome)
    }

    /// What a stroke becomes in a room of its own, with these settings from the start.
    async fn first_picture(&self, room: &str, settings: Value) -> Vec<u8> {
        let (mut client, _) = self.join_room(room).await;
        client.send(QUIET.clone()).await;
        let mut message = settings;
        message["type"] = json!("settings");
        client.send(message).await;
        client.send(stroke("s1", 60.0, 60.0)).await;
        settled(&mut client).await;
        self.at_rest(room).await
    }

    /// The result once nothing changes it any more.
    async fn at_rest(&self, room: &str) -> Vec<u8> {
        let mut result = self.result_of(room).await;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(400)).await;
            let next = self.result_of(room).await;
            if next == result {
                return result;
            }
            result = next;
        }
    }

    async fn result_of(&self, room: &str) -> Vec<u8> {
        let url = format!("http://{}/v1/rooms/{room}/image", self.address);
        let file = Client::new().get(url).send().await.unwrap();
        let file = file.bytes().await.unwrap();
        image::load_from_memory(&file)
            .unwrap()
            .into_rgb8()
            .into_raw()
    }

    async fn ask(&self, request: Value) -> (StatusCode, Vec<u8>) {
        let url = format!("http://{}/v1/images", self.address);
        let answer = Client::new().post(url).json(&request).send().await.unwrap();
        let status = answer.status();
        (status, answer.bytes().await.unwrap().to_vec())
    }
}

/// Changes settings and waits for what is painted with them.
async fn painted_with(studio: &Studio, client: &mut TestClient, settings: Value) -> Vec<u8> {
    let mut message = settings;
    message["type"] = json!("settings");
    client.send(message).await;
    settled(client).await;
    // A render for the change of settings may still come after the one that was asked for.
    studio.at_rest("studio").await
}

/// Waits for a render that is asked for now, and with that for all before it.
async fn settled(client: &mut TestClient) {
    client.send(json!({"type": "render"})).await;
    loop {
        let news = client.until("render").await;
        assert_ne!(news["state"], "failed", "{news}");
        if news["state"] == "done" {
            return;
        }
    }
}

fn base64_png(picture: &RgbImage) -> String {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    STANDARD.encode(bytes.into_inner())
}

#[tokio::test]
async fn what_is_painted_steers_a_room() {
    let studio = Studio::start(&["t2i-sketch", "controlnet-scribble"]).await;
    let (mut client, welcome) = studio.join().await;
    let controls = json!([
        {"name": "lines", "class": "T2IAdapter"},
        {"name": "scribble", "class": "ControlNetModel"},
    ]);
    assert_eq!(welcome["model"]["controls"], controls);
    let settings = &welcome["settings"];
    assert_eq!(settings["control"], "lines", "the first");
    assert_eq!(settings["control_preprocess"], "xdog");
    let span = [
        &settings["control_scale"],
        &settings["control_start"],
        &settings["control_end"],
    ];
    assert_eq!(span, [&json!(1.0), &json!(0.0), &json!(1.0)]);

    client.send(QUIET.clone()).await;
    client.send(stroke("s1", 60.0, 60.0)).await;
    let none = painted_with(&studio, &mut client, json!({"control": ""})).await;
    let lines = painted_with(&studio, &mut client, json!({"control": "lines"})).await;
    assert_ne!(lines, none);
    let second = json!({"control": "scribble", "control_scale": 1});
    let second = painted_with(&studio, &mut client, second).await;
    assert_ne!(second, none);
    assert_ne!(second, lines);

    for (settings, part) in [
        (json!({"control": "depth"}), "lines, scribble"),
        (json!({"control_scale": 2.5}), "control_scale"),
        (json!({"control_start": -0.5}), "control_start"),
        (json!({"control_end": 1.5}), "control_end"),
    ] {
        let mut message = settings;
        message["type"] = json!("settings");
        client.send(message).await;
        let refused = client.until("error").await;
        assert_eq!(refused["code"], "invalid_value");
        assert!(
            refused["message"].as_str().unwrap().contains(part),
            "{refused}"
        );
    }
    client
        .send(json!({"type": "settings", "control_preprocess": "pidinet"}))
        .await;
    client.until("error").await;
    let other = painted_with(&studio, &mut client, json!({"seed": 4})).await;
    assert_ne!(other, second, "the room goes on");
}

/// In rooms of their own: a picture also has a little of the one before it.
#[tokio::test]
async fn what_does_not_steer_leaves_the_picture_as_it_is() {
    let studio = Studio::start(&["t2i-sketch"]).await;
    let none = studio.first_picture("none", json!({"control": ""})).await;
    let lines = json!({"control": "lines"});
    let lines = studio.first_picture("lines", lines).await;
    assert_ne!(lines, none);
    let off = json!({"control": "lines", "control_scale": 0});
    assert_eq!(studio.first_picture("off", off).await, none);
    // No step lies in the span.
    let beyond = json!({"control": "lines", "control_start": 0.6, "control_end": 0.9});
    assert_eq!(studio.first_picture("beyond", beyond).await, none);
}

#[tokio::test]
async fn a_server_without_controls_says_nothing_of_them() {
    let studio = Studio::start(&[]).await;
    let (mut client, welcome) = studio.join().await;
    assert!(welcome["model"].get("controls").is_none());
    assert_eq!(welcome["settings"]["control"], "");
    client
        .send(json!({"type": "settings", "control": "lines"}))
        .await;
    let refused = client.until("error").await;
    assert!(
        refused["message"].as_str().unwrap().contains("--control"),
        "{refused}"
    );
    client
        .send(json!({"type": "settings", "control": ""}))
        .await;
    client.until("ack").await;
}

#[tokio::test]
async fn pictures_without_a_room_are_steered_by_a_picture_of_their_own() {
    let studio = Studio::start(&["t2i-sketch"]).await;
    let request =
        json!({"prompt": "a red apple", "seed": 7, "steps": 2, "width": 64, "height": 64});
    let made = |more: Value| {
        let mut request = request.clone();
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        studio.ask(request)
    };
    let (status, words) = made(json!({})).await;
    assert_eq!(status, StatusCode::OK);
    // Of another size than the picture.
    let mut drawing = RgbImage::from_pixel(90, 40, Rgb([255; 3]));
    for x in 10..70 {
        drawing.put_pixel(x, 20, Rgb([0; 3]));
        drawing.put_pixel(x, 21, Rgb([0; 3]));
    }
    let drawing = base64_png(&drawing);
    let (status, steered) = made(json!({"control_image": drawing})).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(steered, words);
    let (_, off) = made(json!({"control_image": drawing, "control_scale": 0})).await;
    assert_eq!(off, words);
    for (more, part) in [
        (
            json!({"control_image": drawing, "control": ""}),
            "control_image",
        ),
        (json!({"control_image": "aGk="}), "image"),
        (json!({"control": "depth"}), "lines"),
        (json!({"control_scale": 3}), "control_scale"),
    ] {
        let (status, answer) = made(more).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(status.is_client_error(), "{answer}");
        assert!(answer.contains(part), "{answer}");
    }
}
