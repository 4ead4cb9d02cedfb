//! LoRAs of a running server: a real engine, real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use impasto::canvas::{Mask, Pixels};
use impasto::engine::{
    Command, Engine, EngineHandle, EngineOptions, Event, RenderWork, Request, RoomKey, Work,
};
use impasto::model::LoraChoice;
use impasto::pipeline::{Edit, Output, RenderSettings};
use impasto::protocol::{LoraWeight, Rect};
use impasto::room::{RegistryLimits, RoomOptions, RoomRegistry};
use impasto::server::{Server, ServerOptions};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures")
        .join(name)
}

/// An engine on a tiny model, started with these weights of `ink` and `lcm`.
async fn engine(ink: f64, lcm: f64) -> Engine {
    let mut options = EngineOptions::new(fixture("networks/sd15"));
    options.loras = vec![
        LoraChoice::new(fixture("loras/ink.safetensors"), ink),
        LoraChoice::new(fixture("loras/lcm.safetensors"), lcm),
    ];
    tokio::task::spawn_blocking(|| Engine::start(options).unwrap())
        .await
        .unwrap()
}

fn weights(ink: f64, lcm: f64) -> Vec<LoraWeight> {
    let weight = |name: &str, weight| LoraWeight {
        name: name.to_owned(),
        weight,
    };
    vec![weight("ink", ink), weight("lcm", lcm)]
}

/// Asks for a render with so many steps.
fn start(engine: &EngineHandle, steps: u32, events: &mpsc::Sender<Event>) {
    let edit = Edit {
        window: Rect::new(0, 0, 64, 64),
        sketch: Arc::new(Pixels::new(64, 64, [200, 30, 20])),
        known: Arc::new(Pixels::new(64, 64, [255; 3])),
        mask: Arc::new(Mask::new(64, 64, 255)),
        settings: RenderSettings {
            prompt: "red apple".to_owned(),
            guidance_scale: 2.0,
            steps,
            strength: 0.8,
            seed: 7,
            ..RenderSettings::default()
        },
        output: Output::plain(Rect::new(0, 0, 64, 64)),
        control: None,
        photo: None,
    };
    let author = Uuid::from_u128(1);
    let work = Work::Render(Box::new(RenderWork {
        author,
        is_refinement: false,
        edit,
    }));
    let request = Request { ticket: 1, work };
    engine
        .send(RoomKey(1), Command::Start(request), events)
        .unwrap();
}

async fn picture(events: &mut mpsc::Receiver<Event>) -> Vec<u8> {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(120), events.recv()).await;
        match event.unwrap().unwrap() {
            Event::Started { .. } => (),
            Event::Rendered { pixels, .. } => return pixels.data().to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

async fn render(engine: &EngineHandle) -> Vec<u8> {
    let (sender, mut events) = mpsc::channel(8);
    start(engine, 4, &sender);
    picture(&mut events).await
}

#[tokio::test]
async fn a_switched_engine_paints_as_one_that_was_started_so() {
    let engine_with = engine(1.0, 0.0).await;
    let handle = engine_with.handle();
    assert_eq!(handle.loras(), weights(1.0, 0.0));
    let ink = render(&handle).await;

    handle.set_loras(&weights(0.0, -0.8)).await.unwrap();
    assert_eq!(handle.loras(), weights(0.0, -0.8));
    let lcm = render(&handle).await;
    assert_ne!(ink, lcm);
    // The same prompt: its embedding must not be the one that `ink` made.
    assert!(lcm == render(&engine(0.0, -0.8).await.handle()).await);

    handle.set_loras(&[]).await.unwrap();
    assert_eq!(handle.loras(), weights(0.0, 0.0));
    assert!(render(&handle).await == render(&engine(0.0, 0.0).await.handle()).await);

    handle.set_loras(&weights(1.0, 0.0)).await.unwrap();
    assert!(ink == render(&handle).await);
}

#[tokio::test]
async fn a_render_under_way_ends_with_the_loras_that_it_began_with() {
    let engine = engine(1.0, 0.0).await;
    let handle = engine.handle();
    let (sender, mut events) = mpsc::channel(8);
    start(&handle, 20, &sender);
    let alone = picture(&mut events).await;

    start(&handle, 20, &sender);
    let started = events.recv().await.unwrap();
    assert!(matches!(started, Event::Started { .. }));
    let none = weights(0.0, 0.0);
    let ((), switched) = tokio::join!(
        async { assert!(alone == picture(&mut events).await) },
        handle.set_loras(&none),
    );
    switched.unwrap();
    start(&handle, 20, &sender);
    assert_ne!(alone, picture(&mut events).await);
}

#[tokio::test]
async fn a_refused_switch_leaves_everything_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ink.safetensors");
    std::fs::copy(fixture("loras/ink.safetensors"), &file).unwrap();
    let mut options = EngineOptions::new(fixture("networks/sd15"));
    options.loras = vec![LoraChoice::new(file.clone(), 1.0)];
    let engine = tokio::task::spawn_blocking(|| Engine::start(options).unwrap())
        .await
        .unwrap();
    let handle = engine.handle();
    let before = render(&handle).await;
    let ink = |weight| weights(weight, 0.0)[..1].to_vec();
    std::fs::remove_file(&file).unwrap();
    let refused = handle.set_loras(&ink(0.5)).await.unwrap_err();
    assert!(refused.to_string().contains("ink.safetensors"), "{refused}");
    let refused = handle.set_loras(&weights(1.0, 1.0)).await.unwrap_err();
    assert!(refused.to_string().contains("\"lcm\""), "{refused}");
    assert_eq!(handle.loras(), ink(1.0));
    assert!(before == render(&handle).await);

    tokio::task::spawn_blocking(|| engine.shutdown())
        .await
        .unwrap();
    let refused = handle.set_loras(&ink(1.0)).await.unwrap_err();
    assert!(refused.to_string().contains("stopped"), "{refused}");
}

struct Running {
    address: SocketAddr,
    /// The token in the link that the server would print.
    token: Option<String>,
    engine: Engine,
}

async fn serve(auth: bool) -> Running {
    let engine = engine(1.0, 0.0).await;
    let mut options = ServerOptions::new("127.0.0.1:0".parse().unwrap());
    options.auth = auth;
    let server = Server::bind(options).await.unwrap();
    let (address, switch) = (server.local_addr(), server.switch());
    tokio::spawn(server.run());
    let renderer = Arc::new(engine.handle());
    let rooms = RoomRegistry::new(
        renderer.clone(),
        RoomOptions::new(engine.handle().default_settings().clone()),
        RegistryLimits {
            create_on_join: true,
            ..RegistryLimits::default()
        },
        CancellationToken::new(),
    );
    switch.open(rooms, engine.handle().model_info().clone(), renderer);
    let url = switch.url_to_open(address).unwrap();
    Running {
        address,
        token: url.split_once("#token=").map(|(_, token)| token.to_owned()),
        engine,
    }
}

impl Running {
    async fn get(&self) -> Value {
        let url = format!("http://{}/v1/loras", self.address);
        let response = Client::new().get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    async fn put(&self, token: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let url = format!("http://{}/v1/loras", self.address);
        let mut request = Client::new().put(url).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }
}

fn listed(ink: f64, lcm: f64) -> Value {
    json!({"loras": [{"name": "ink", "weight": ink}, {"name": "lcm", "weight": lcm}]})
}

#[tokio::test]
async fn loras_are_listed_and_switched_over_http() {
    let server = serve(false).await;
    assert_eq!(server.get().await, listed(1.0, 0.0));
    let before = render(&server.engine.handle()).await;
    let body = json!({"loras": [{"name": "lcm", "weight": 0.5}]});
    let (status, answer) = server.put(None, &body).await;
    assert_eq!((status, answer), (StatusCode::OK, listed(0.0, 0.5)));
    assert_eq!(server.get().await, listed(0.0, 0.5));
    assert_ne!(before, render(&server.engine.handle()).await);

    for (body, code, names) in [
        (
            json!({"loras": [{"name": "inc", "weight": 1}]}),
            "invalid_value",
            "ink, lcm",
        ),
        (
            json!({"loras": [{"name": "ink", "weight": 1}, {"name": "ink", "weight": 1}]}),
            "invalid_value",
            "ink",
        ),
        (
            json!({"loras": [{"name": "ink"}]}),
            "malformed_message",
            "weight",
        ),
        (
            json!({"loras": [{"name": "ink", "weight": "1"}]}),
            "malformed_message",
            "weight",
        ),
        (
            json!({"loras": [{"path": "/etc/passwd", "weight": 1}]}),
            "malformed_message",
            "path",
        ),
        (json!({}), "malformed_message", "loras"),
    ] {
        let (status, answer) = server.put(None, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["error"]["code"], code, "{body}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(names), "{body}: {message}");
    }
    assert_eq!(server.get().await, listed(0.0, 0.5));
}

#[tokio::test]
async fn with_auth_only_the_operator_switches() {
    let server = serve(true).await;
    let room: Value = Client::new()
        .post(format!("http://{}/v1/rooms", server.address))
        .bearer_auth(server.token.as_deref().unwrap())
        .json(&json!({"name": "mine"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let owner_of_a_room = room["invites"]["owner"].as_str().unwrap();
    for token in [None, Some("guess"), Some(owner_of_a_room)] {
        let (status, answer) = server.put(token, &listed(0.0, 1.0)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["error"]["code"], "invalid_token");
    }
    assert_eq!(server.get().await, listed(1.0, 0.0));
    let (status, _) = server.put(server.token.as_deref(), &listed(0.0, 1.0)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.get().await, listed(0.0, 1.0));
}
