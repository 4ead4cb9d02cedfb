//! The samplers that a model has: what a server with it announces, takes and refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

#[path = "support/fixtures.rs"]
mod fixtures;
mod support;

use std::path::Path;
use std::sync::Arc;

use fixtures::copy_folder;
use impasto::engine::{Engine, EngineOptions};
use impasto::room::{RegistryLimits, RoomOptions, RoomRegistry};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use support::TestServer;
use tokio_util::sync::CancellationToken;

/// A server on a tiny random model; the engine keeps it alive.
async fn started(model: &str) -> (TestServer, Engine) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures");
    let options = EngineOptions::new(fixtures.join(model));
    let engine = tokio::task::spawn_blocking(|| Engine::start(options).unwrap());
    let engine = engine.await.unwrap();
    let server = TestServer::start_closed(|_| {}).await;
    let handle = Arc::new(engine.handle());
    let options = RoomOptions::new(handle.default_settings().clone());
    let info = handle.model_info().clone();
    let limits = RegistryLimits {
        create_on_join: true,
        ..RegistryLimits::default()
    };
    let shutdown = CancellationToken::new();
    let rooms = RoomRegistry::new(handle.clone(), options, limits, shutdown);
    server.switch.open(rooms, info, handle);
    (server, engine)
}

/// Checks the names that a model has, that pictures come of each, and that another is refused.
async fn check(model: &str, has: &[&str], has_not: &str) {
    let (server, engine) = started(model).await;
    let url = server.url("/v1/model");
    let info: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(info["samplers"], json!(has), "{model}");
    for name in has {
        let request = json!({
            "prompt": "a boat", "sampler": name, "steps": 4, "width": 64, "height": 64,
        });
        let url = server.url("/v1/images");
        let made = Client::new().post(url).json(&request).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::OK, "{model} {name}");
    }

    let mut client = server.connect("samplers").await;
    client.hello(json!({})).await;
    let welcome = client.until("welcome").await;
    assert_eq!(welcome["model"]["samplers"], json!(has), "{model}");
    for name in has.iter().rev() {
        client
            .send(json!({"type": "settings", "sampler": name}))
            .await;
        let op = client.until("op").await;
        assert!(op.to_string().contains(name), "{op}");
    }
    let request = json!({"type": "settings", "sampler": has_not});
    client.send(request).await;
    let refusal = client.until("error").await;
    assert_eq!(refusal["code"], "unknown_sampler");
    let message = refusal["message"].as_str().unwrap();
    for name in has {
        assert!(message.contains(name), "{message}");
    }
    drop(client);
    tokio::task::spawn_blocking(|| engine.shutdown())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_model_has_those_that_follow_a_flow() {
    let has = [
        "flow-euler",
        "dpm-solver++",
        "dpm-solver++-sde",
        "dpm-solver++-3m",
        "unipc",
        "deis",
    ];
    check("flow-models/sd3", &has, "ddim").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_edm_has_those_of_edm() {
    let has = ["edm-dpm-solver++", "edm-euler"];
    check("pipelines/playground", &has, "dpm-solver++").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stable_diffusion_has_all_but_those_of_edm() {
    let has = [
        "ddim",
        "lcm",
        "ddpm",
        "euler",
        "euler-ancestral",
        "dpm-solver++",
        "dpm-solver++-sde",
        "dpm-solver++-3m",
        "unipc",
        "deis",
        "pndm",
        "tcd",
        "turbo",
        "flow-euler",
    ];
    check("pipelines/sd15", &has, "edm-euler").await;
}

async fn made(server: &TestServer, request: Value) -> (StatusCode, Vec<u8>) {
    let url = server.url("/v1/images");
    let made = Client::new().post(url).json(&request).send().await.unwrap();
    let status = made.status();
    (status, made.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_has_the_schedule_that_is_asked_for_where_its_sampler_can() {
    let (server, engine) = started("pipelines/sd15").await;
    let url = server.url("/v1/model");
    let info: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let schedules = &info["schedules"];
    let all_sigmas = json!(["karras", "exponential", "beta"]);
    assert_eq!(schedules["euler"]["sigmas"], all_sigmas);
    assert_eq!(schedules["euler"]["largest_timestep"], 999);
    let spacings = json!(["leading", "linspace", "trailing"]);
    assert_eq!(schedules["ddim"]["timestep_spacing"], spacings);
    assert_eq!(schedules["ddim"]["sigmas"], json!([]));
    assert_eq!(schedules["turbo"], Value::Null);

    let request = |sampler: &str, asked: Value| {
        let mut request = json!({
            "prompt": "a boat", "sampler": sampler, "width": 64, "height": 64, "seed": 3,
        });
        for (field, value) in asked.as_object().unwrap() {
            request[field] = value.clone();
        }
        request
    };
    let mut pictures = Vec::new();
    for asked in [
        json!({"steps": 4}),
        json!({"steps": 4, "sigmas": "karras"}),
        json!({"steps": 4, "timestep_spacing": "trailing"}),
        json!({"timesteps": [999, 600, 300, 100]}),
        json!({"sigmas": [14.6, 5, 2, 0.5, 0]}),
    ] {
        let (status, picture) = made(&server, request("euler", asked.clone())).await;
        assert_eq!(status, StatusCode::OK, "{asked}");
        assert!(!pictures.contains(&picture), "{asked} is another picture");
        pictures.push(picture);
    }
    let same = request("euler", json!({"steps": 4, "sigmas": "default"}));
    assert_eq!(made(&server, same).await.1, pictures[0]);

    for (sampler, asked, parts) in [
        ("lcm", json!({"sigmas": "karras"}), ["`sigmas`", "lcm"]),
        (
            "ddim",
            json!({"timesteps": [999, 499]}),
            ["`timesteps`", "ddim"],
        ),
        (
            "euler",
            json!({"timesteps": [1000, 499]}),
            ["`timesteps`", "999 or less"],
        ),
        (
            "euler",
            json!({"timesteps": []}),
            ["`timesteps`", "999 or less"],
        ),
        (
            "euler",
            json!({"sigmas": [14.6, 5]}),
            ["`sigmas`", "the last being 0"],
        ),
        (
            "dpm-solver++",
            json!({"sigmas": [14.6, 0]}),
            ["`sigmas`", "dpm-solver++"],
        ),
    ] {
        let (status, body) = made(&server, request(sampler, asked.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{sampler} {asked}");
        let body: Value = serde_json::from_slice(&body).unwrap();
        let error = &body["error"];
        assert_eq!(error["code"], "invalid_value", "{body}");
        let message = error["message"].as_str().unwrap();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
    tokio::task::spawn_blocking(|| engine.shutdown())
        .await
        .unwrap();
}

/// What its `impasto.json` says is the schedule of rooms and pictures until somebody asks for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_says_the_schedule_of_its_sampler() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures");
    copy_folder(&fixtures.join("pipelines/sd15"), &folder);
    let wants = r#"{"sampler": "euler", "timestep_spacing": "trailing", "sigmas": "karras"}"#;
    std::fs::write(folder.join("impasto.json"), wants).unwrap();
    let (server, engine) = started(folder.to_str().unwrap()).await;

    let mut client = server.connect("schedule").await;
    client.hello(json!({})).await;
    let welcome = client.until("welcome").await;
    for told in [&welcome["model"]["defaults"], &welcome["settings"]] {
        let schedule = [&told["sampler"], &told["timestep_spacing"], &told["sigmas"]];
        assert_eq!(schedule, ["euler", "trailing", "karras"], "{welcome}");
    }

    let picture = async |asked: Value| {
        let mut request = json!({
            "prompt": "a boat", "width": 64, "height": 64, "seed": 3, "format": "png",
        });
        for (field, value) in asked.as_object().unwrap() {
            request[field] = value.clone();
        }
        let (status, picture) = made(&server, request).await;
        assert_eq!(status, StatusCode::OK, "{asked}");
        picture
    };
    let unasked = picture(json!({"steps": 4})).await;
    let asked =
        json!({"steps": 4, "sampler": "euler", "timestep_spacing": "trailing", "sigmas": "karras"});
    assert!(unasked == picture(asked).await);
    let own = json!({"steps": 4, "timestep_spacing": "default", "sigmas": "default"});
    assert!(unasked != picture(own).await);
    // Both could be had with this sampler, but were not meant for it.
    let other = json!({"steps": 4, "sampler": "deis"});
    let others_own =
        json!({"steps": 4, "sampler": "deis", "timestep_spacing": "default", "sigmas": "default"});
    let both =
        json!({"steps": 4, "sampler": "deis", "timestep_spacing": "trailing", "sigmas": "karras"});
    let other = picture(other).await;
    assert!(other == picture(others_own).await);
    assert!(other != picture(both).await);
    // Of a list nobody spaces the sigmas, and the file says none.
    let listed = picture(json!({"sampler": "euler", "timesteps": [999, 600, 300, 100]})).await;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    assert!(!listed.to_lowercase().contains("karras"));
    assert!(
        String::from_utf8_lossy(&unasked)
            .to_lowercase()
            .contains("karras")
    );

    drop(client);
    tokio::task::spawn_blocking(|| engine.shutdown())
        .await
        .unwrap();
}
