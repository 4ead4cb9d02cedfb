//! A server that was started with IP-Adapters: a real engine, real sockets.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Arc;

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
use super::{adapter, choice, folder};

const SIDE: u32 = 128;

struct Studio {
    address: SocketAddr,
    _engine: Engine,
    _folder: tempfile::TempDir,
}

impl Studio {
    async fn start(adapters: &[&str]) -> Self {
        let folder = folder("sd15");
        let names = ["ip", "plus"];
        let adapters = names.iter().zip(adapters);
        let options = EngineOptions {
            ip_adapters: adapters
                .map(|(name, path)| choice(name, adapter(path)))
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

    async fn join(&self, room: &str) -> (TestClient, Value) {
        let mut client = TestClient::connect(self.address, room).await;
        client.hello(json!({})).await;
        let welcome = client.until("welcome").await;
        (client, welcome)
    }

    /// Uploads a picture for a purpose, and answers what it is called.
    async fn upload(&self, room: &str, picture: &RgbImage, target: &str) -> Value {
        let url = format!(
            "http://{}/v1/rooms/{room}/images?target={target}",
            self.address
        );
        let answer = Client::new().post(url).body(png(picture));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()["image"].clone()
    }

    /// What a stroke becomes in a room of its own, with these settings from the start.
    async fn first_picture(&self, room: &str, settings: Value) -> Vec<u8> {
        let (mut client, _) = self.join(room).await;
        let quiet = json!({"type": "settings", "live": false, "spread": 0, "steps": 2,
            "strength": 1, "seed": 3});
        client.send(quiet).await;
        client.send(of_settings(settings)).await;
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
        let picture = image::load_from_memory(&file).unwrap();
        picture.into_rgb8().into_raw()
    }

    async fn ask(&self, request: Value) -> (StatusCode, Vec<u8>) {
        let url = format!("http://{}/v1/images", self.address);
        let answer = Client::new().post(url).json(&request).send().await.unwrap();
        let status = answer.status();
        (status, answer.bytes().await.unwrap().to_vec())
    }
}

fn of_settings(mut settings: Value) -> Value {
    settings["type"] = json!("settings");
    settings
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

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn blue() -> RgbImage {
    RgbImage::from_fn(90, 40, |x, y| Rgb([x as u8, 40 + y as u8, 200]))
}

#[tokio::test]
async fn a_room_sees_a_reference_through_an_adapter() {
    let studio = Studio::start(&["ip-adapter_sd15", "ip-adapter-plus_sd15"]).await;
    let (mut client, welcome) = studio.join("studio").await;
    let adapters = json!([
        {"name": "ip", "class": "IPAdapter"},
        {"name": "plus", "class": "IPAdapterPlus"},
    ]);
    assert_eq!(welcome["model"]["ip_adapters"], adapters);
    let settings = &welcome["settings"];
    assert_eq!(settings["ip_adapter"], "ip", "the first");
    assert_eq!(settings["reference"], "");
    assert_eq!(settings["reference_scale"], 0.6);

    for (settings, code, part) in [
        (json!({"reference": "5c2f"}), "unknown_image", "upload"),
        (json!({"ip_adapter": "face"}), "invalid_value", "ip, plus"),
        (
            json!({"reference_scale": 1.5}),
            "invalid_value",
            "reference_scale",
        ),
        (
            json!({"reference_end": -0.5}),
            "invalid_value",
            "reference_end",
        ),
    ] {
        client.send(of_settings(settings)).await;
        let refused = client.until("error").await;
        assert_eq!(refused["code"], code);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(part), "{refused}");
    }

    // In rooms of their own: a picture also has a little of the one before it.
    let mut pictures = Vec::new();
    for (room, settings) in [
        ("none", json!({})),
        ("base", json!({"ip_adapter": "ip"})),
        ("plus", json!({"ip_adapter": "plus"})),
        ("more", json!({"reference_scale": 1})),
        ("off", json!({"reference_scale": 0})),
        ("unnamed", json!({"ip_adapter": ""})),
        (
            "beyond",
            json!({"reference_start": 0.6, "reference_end": 0.9}),
        ),
    ] {
        let _in = studio.join(room).await;
        let mut settings = settings;
        if room != "none" {
            settings["reference"] = studio.upload(room, &blue(), "reference").await;
        }
        pictures.push(studio.first_picture(room, settings).await);
    }
    let [none, base, plus, more, off, unnamed, beyond] = pictures.try_into().unwrap();
    assert!(base != none && plus != none && more != none);
    assert!(base != plus && base != more);
    assert!(off == none && unnamed == none && beyond == none);
}

#[tokio::test]
async fn a_reference_is_undone_and_is_no_picture_for_the_canvas() {
    let studio = Studio::start(&["ip-adapter_sd15"]).await;
    let (mut client, _) = studio.join("studio").await;
    let image = studio.upload("studio", &blue(), "reference").await;
    client
        .send(json!({"type": "place", "image": image, "mode": "plain"}))
        .await;
    let refused = client.until("error").await;
    assert_eq!(refused["code"], "unknown_image", "it is of another size");

    client.send(of_settings(json!({"reference": image}))).await;
    let op = client.until("op").await;
    assert_eq!(op["op"]["reference"], image);
    client.send(json!({"type": "undo"})).await;
    let op = client.until("op").await;
    assert_eq!(op["settings"]["reference"], "");
    client.send(json!({"type": "redo"})).await;
    let op = client.until("op").await;
    assert_eq!(op["settings"]["reference"], image);
    // A picture for the canvas may be seen, too.
    let base = studio.upload("studio", &blue(), "base").await;
    client.send(of_settings(json!({"reference": base}))).await;
    let op = client.until("op").await;
    assert_eq!(op["op"]["reference"], base);
}

#[tokio::test]
async fn a_server_without_adapters_says_nothing_of_them() {
    let studio = Studio::start(&[]).await;
    let (mut client, welcome) = studio.join("studio").await;
    assert!(welcome["model"].get("ip_adapters").is_none());
    assert_eq!(welcome["settings"]["ip_adapter"], "");
    let image = studio.upload("studio", &blue(), "reference").await;
    client.send(of_settings(json!({"reference": image}))).await;
    let refused = client.until("error").await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("--ip-adapter"), "{refused}");
    client.send(of_settings(json!({"reference": ""}))).await;
    client.until("ack").await;
}

#[tokio::test]
async fn pictures_without_a_room_see_a_picture_of_their_own() {
    let studio = Studio::start(&["ip-adapter_sd15"]).await;
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
    let picture = STANDARD.encode(png(&blue()));
    let (status, seen) = made(json!({"reference_image": picture})).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(seen, words);
    let off = json!({"reference_image": picture, "reference_scale": 0});
    assert_eq!(made(off).await.1, words);
    for (more, part) in [
        (
            json!({"reference_image": picture, "ip_adapter": ""}),
            "reference_image",
        ),
        (json!({"reference_image": "aGk="}), "image"),
        (json!({"ip_adapter": "plus"}), "ip"),
        (json!({"reference_scale": 3}), "reference_scale"),
        (json!({"reference": "5c2f"}), "reference"),
    ] {
        let (status, answer) = made(more).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(status.is_client_error(), "{answer}");
        assert!(answer.contains(part), "{answer}");
    }
}
