//! `POST /v1/images`: pictures without a room.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::Cursor;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use image::{ImageFormat, Rgb, RgbImage};
use impasto::server::BlockedWords;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use support::{HELD_BACK, NEVER_ENDS, TestServer, call};

/// Far longer than anything here takes: a test that hangs should say so.
const PATIENCE: Duration = Duration::from_secs(60);
const RED: Rgb<u8> = Rgb([255, 0, 0]);
/// What the test's renderer makes of red.
const GREEN: Rgb<u8> = Rgb([0, 255, 0]);

async fn ask(server: &TestServer, body: Value) -> Response {
    call(server, Method::POST, "/v1/images", None, Some(body)).await
}

async fn file(answer: Response) -> Vec<u8> {
    assert_eq!(answer.status(), StatusCode::OK);
    answer.bytes().await.unwrap().to_vec()
}

async fn refused(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.ends_with('.'), "{message}");
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

fn pixels(file: &[u8]) -> RgbImage {
    image::load_from_memory(file).unwrap().into_rgb8()
}

fn holds(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|part| part == text.as_bytes())
}

fn base64_png(picture: &RgbImage) -> String {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    STANDARD.encode(bytes.into_inner())
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers()[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_picture_is_made_of_words_and_says_with_what() {
    let server = TestServer::start().await;
    let body = json!({
        "prompt": "a harbour, by night", "negative_prompt": "people", "seed": 42, "steps": 3.0
    });
    let answer = ask(&server, body).await;
    assert_eq!(header(&answer, "content-type"), "image/png");
    assert_eq!(header(&answer, "cache-control"), "no-store");
    assert_eq!(header(&answer, "impasto-seed"), "42");
    let times = header(&answer, "server-timing");
    for stage in ["codec;dur=", "denoise;dur=", "queue;dur=", "total;dur="] {
        assert!(times.contains(stage), "{times}");
    }
    let png = file(answer).await;
    assert_eq!(
        pixels(&png).dimensions(),
        (256, 256),
        "the model's own size"
    );
    let text = "a harbour, by night\nNegative prompt: people\nSteps: 3, Sampler: LCM, \
        CFG scale: 1, Seed: 42, Size: 256x256, Model: turner, Version: Impasto ";
    assert!(holds(&png, text));
    assert!(holds(&png, "digitalsourcetype/trainedAlgorithmicMedia<"));
}

#[tokio::test]
async fn a_sketch_is_changed_where_the_mask_is_white() {
    let server = TestServer::start().await;
    let sketch = RgbImage::from_pixel(128, 64, RED);
    let mask = RgbImage::from_fn(
        128,
        64,
        |x, _| if x < 40 { Rgb([255; 3]) } else { Rgb([0; 3]) },
    );
    let body = |format: &str, mask: Option<&RgbImage>| {
        let mut body = json!({"prompt": "grass", "sketch": base64_png(&sketch), "format": format});
        if let Some(mask) = mask {
            body["mask"] = json!(format!("data:image/png;base64,{}", base64_png(mask)));
        }
        body
    };
    for format in ["png", "webp"] {
        let answer = ask(&server, body(format, Some(&mask))).await;
        assert_eq!(header(&answer, "content-type"), format!("image/{format}"));
        let file = file(answer).await;
        let expected = RgbImage::from_fn(128, 64, |x, _| if x < 40 { GREEN } else { RED });
        assert_eq!(pixels(&file), expected, "{format}");
        assert!(holds(
            &file,
            "digitalsourcetype/compositeWithTrainedAlgorithmicMedia<"
        ));
    }
    let everywhere = file(ask(&server, body("png", None)).await).await;
    assert_eq!(pixels(&everywhere), RgbImage::from_pixel(128, 64, GREEN));
    assert!(holds(&everywhere, "Denoising strength: 1"));

    let mut smaller = body("jpeg", None);
    smaller["width"] = json!(64);
    smaller["quality"] = json!(50);
    let jpeg = file(ask(&server, smaller).await).await;
    assert_eq!(image::guess_format(&jpeg).unwrap(), ImageFormat::Jpeg);
    assert_eq!(pixels(&jpeg).dimensions(), (64, 64));
}

#[tokio::test]
async fn without_a_seed_each_picture_has_one_of_its_own() {
    let server = TestServer::start().await;
    let mut seeds = Vec::new();
    for _ in 0..3 {
        let answer = ask(&server, json!({"prompt": "sea"})).await;
        seeds.push(header(&answer, "impasto-seed").parse::<u64>().unwrap());
    }
    assert!(seeds.iter().all(|seed| *seed < 1 << 53));
    assert!(seeds[0] != seeds[1] || seeds[1] != seeds[2], "{seeds:?}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_code() {
    let server = TestServer::start().await;
    let sketch = base64_png(&RgbImage::from_pixel(8, 8, RED));
    let large = base64_png(&RgbImage::from_pixel(1024, 1024, RED));
    for (body, status, code) in [
        (json!({}), 400, "malformed_message"),
        (json!([]), 400, "malformed_message"),
        (json!({"prompt": 7}), 400, "malformed_message"),
        (
            json!({"prompt": "a", "colour": "red"}),
            400,
            "malformed_message",
        ),
        (json!({"prompt": "a".repeat(1001)}), 400, "invalid_value"),
        (json!({"prompt": "a", "steps": 9}), 400, "invalid_value"),
        (json!({"prompt": "a", "strength": 0}), 400, "invalid_value"),
        (
            json!({"prompt": "a", "seed": 1u64 << 53}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "sampler": "dice"}),
            400,
            "unknown_sampler",
        ),
        (
            json!({"prompt": "a", "sigmas": "karras"}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "sigmas": "cosine"}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "timestep_spacing": "even"}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "timesteps": [999, 499]}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "timesteps": [-1]}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "timesteps": [999], "steps": 1}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "timesteps": [999], "sigmas": [14, 0]}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "finish": "crayon"}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "format": "gif"}),
            400,
            "invalid_value",
        ),
        (json!({"prompt": "a", "quality": 80}), 400, "invalid_value"),
        (
            json!({"prompt": "a", "format": "jpeg", "quality": 0}),
            400,
            "invalid_value",
        ),
        (json!({"prompt": "a", "width": 5000}), 400, "invalid_value"),
        (
            json!({"prompt": "a", "width": 1024, "height": 1024}),
            400,
            "invalid_value",
        ),
        (
            json!({"prompt": "a", "sketch": large}),
            400,
            "invalid_value",
        ),
        (json!({"prompt": "a", "mask": sketch}), 400, "invalid_value"),
        (json!({"prompt": "a", "sketch": "*"}), 400, "invalid_value"),
        (
            json!({"prompt": "a", "sketch": "aW1hZ2U="}),
            422,
            "invalid_image",
        ),
        (
            json!({"prompt": "a", "sketch": sketch, "mask": "aW1hZ2U="}),
            422,
            "invalid_image",
        ),
    ] {
        let mut told = body.to_string();
        told.truncate(80);
        let answer = refused(ask(&server, body).await).await;
        assert_eq!((answer.0, answer.1.as_str()), (status, code), "{told}");
    }
    let post = |kind: &'static str, body: Vec<u8>| {
        let request = Client::new().post(server.url("/v1/images"));
        request.header("content-type", kind).body(body).send()
    };
    let plain = post("text/plain", b"{\"prompt\":\"a\"}".to_vec())
        .await
        .unwrap();
    assert_eq!(refused(plain).await, (415, "malformed_message".to_owned()));
    let bytes = post("application/json", vec![0xff, 0xfe]).await.unwrap();
    assert_eq!(refused(bytes).await, (400, "malformed_message".to_owned()));
    let typed = post(
        "Application/JSON; charset=utf-8",
        b"{\"prompt\":\"a\"}".to_vec(),
    );
    assert_eq!(typed.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = TestServer::start_with(|options| options.limits.image_bytes = 10_000).await;
    let body = json!({"prompt": "a", "sketch": "A".repeat(200_000)});
    let answer = refused(ask(&server, body).await).await;
    assert_eq!(answer, (413, "too_large".to_owned()));
}

#[tokio::test]
async fn with_auth_it_is_the_operators_call() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room = server.make_room(json!({"name": "mine"})).await;
    let owner = room["invites"]["owner"].as_str().unwrap();
    for token in [None, Some(owner), Some("guess")] {
        let body = Some(json!({"prompt": "sea"}));
        let answer = call(&server, Method::POST, "/v1/images", token, body).await;
        let (status, code) = refused(answer).await;
        assert_eq!((status, code.as_str()), (401, "invalid_token"), "{token:?}");
    }
    let operator = server.operator();
    let body = Some(json!({"prompt": "sea"}));
    let answer = call(&server, Method::POST, "/v1/images", Some(&operator), body).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn other_websites_make_no_pictures_on_a_server_without_auth() {
    let server = TestServer::start().await;
    let answer = Client::new()
        .post(server.url("/v1/images"))
        .header("origin", "https://evil.example")
        .json(&json!({"prompt": "sea"}))
        .send()
        .await
        .unwrap();
    assert_eq!(refused(answer).await, (403, "foreign_origin".to_owned()));
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back_and_who_leaves_makes_place() {
    let server = TestServer::start().await;
    let endless = || ask(&server, json!({"prompt": NEVER_ENDS}));
    let mut waiting: FuturesUnordered<_> = (0..9).map(|_| endless()).collect();
    // Eight are held; the ninth is the only one that is ever answered.
    let ninth = waiting.next().await.unwrap();
    assert_eq!(header(&ninth, "retry-after"), "5");
    assert_eq!(refused(ninth).await, (503, "unavailable".to_owned()));
    drop(waiting);
    // The first of them was with the renderer, the others were not yet.
    let answered = async {
        loop {
            let answer = ask(&server, json!({"prompt": "sea"})).await;
            if answer.status() == StatusCode::OK {
                return;
            }
            // The server has not yet seen that all of them have gone.
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            tokio::task::yield_now().await;
        }
    };
    let answered = tokio::time::timeout(PATIENCE, answered).await;
    answered.expect("who leaves takes the picture back");
}

#[tokio::test]
async fn before_the_model_is_loaded_there_are_no_pictures() {
    let server = TestServer::start_closed(|_| {}).await;
    let answer = ask(&server, json!({"prompt": "sea"})).await;
    assert_eq!(refused(answer).await, (503, "unavailable".to_owned()));
}

#[tokio::test]
async fn a_picture_that_may_not_be_shown_is_nowhere_and_that_is_told() {
    let server = TestServer::start().await;
    let answer = ask(&server, json!({"prompt": HELD_BACK})).await;
    assert_eq!(refused(answer).await, (403, "picture_held_back".to_owned()));
    let mut member = server.join("checked").await;
    member
        .send(json!({"type": "settings", "prompt": HELD_BACK}))
        .await;
    let stroke = json!({"type": "stroke", "id": "s", "tool": "brush", "size": 40, "hardness": 1,
        "opacity": 1, "color": "#ff0000", "points": [[40, 40, 1]], "done": true});
    member.send(stroke).await;
    let news = loop {
        let news = member.until("render").await;
        assert_ne!(news["state"], "done", "{news}");
        if news["state"] == "failed" {
            break news;
        }
    };
    assert_eq!(news["held_back"], true);
    assert_eq!(news["message"], "the picture is held back");
    // What was painted is there, and nothing that was made of it.
    let path = "/v1/rooms/checked/image?layer=result";
    let result = file(call(&server, Method::GET, path, None, None).await).await;
    assert_eq!(*pixels(&result).get_pixel(40, 40), RED);
}

#[tokio::test]
async fn what_the_operator_does_not_allow_is_held_back_everywhere() {
    let server = TestServer::start_with(|options| {
        options.blocked_words = BlockedWords::parse("gore\nred cross").unwrap();
    })
    .await;
    let answer = ask(&server, json!({"prompt": "a red-cross tent"})).await;
    assert_eq!(refused(answer).await, (403, "prompt_blocked".to_owned()));
    let answer = ask(
        &server,
        json!({"prompt": "a red tent", "negative_prompt": "gore"}),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut member = server.join("held-back").await;
    // More often than abuse would be borne: whoever types on breaks no rule.
    for _ in 0..40 {
        member
            .send(json!({"type": "settings", "prompt": "Gore!"}))
            .await;
        let error = member.until("error").await;
        assert_eq!(error["code"], "prompt_blocked");
    }
    let stroke = json!({"type": "stroke", "id": "s", "tool": "brush", "size": 20, "hardness": 1,
        "opacity": 1, "color": "#102030", "prompt": "gore", "points": [[9, 9, 1]], "done": true});
    member.send(stroke).await;
    let error = member.until("error").await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("prompt_blocked"), &json!("s"))
    );
    member
        .send(json!({"type": "settings", "prompt": "a meadow"}))
        .await;
    member.until("ack").await;
}
