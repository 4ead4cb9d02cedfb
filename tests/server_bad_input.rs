//! What the websocket answers to nonsense, floods and clients that do not read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::{Value, json};
use support::{TestClient, TestServer, ops, stroke};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn bad_messages_are_refused_by_code_and_the_room_goes_on() {
    let server = TestServer::start_with(|options| options.limits.refusals = 1000).await;
    let mut watcher = server.join("bad").await;
    let mut client = server.join("bad").await;
    let brush = |fields: Value| {
        let mut message = stroke("s", 10.0, 10.0);
        for (name, value) in fields.as_object().unwrap() {
            message[name] = value.clone();
        }
        message.to_string()
    };
    let cases: Vec<(String, &str)> = vec![
        ("{".into(), "malformed_message"),
        ("".into(), "malformed_message"),
        ("[]".into(), "malformed_message"),
        ("{\"type\":7}".into(), "malformed_message"),
        ("{\"type\":\"dance\"}".into(), "unknown_type"),
        (brush(json!({"points": [], "done": false})), "invalid_value"),
        (
            brush(json!({"points": vec![json!([1, 1, 1]); 50_000]}))
                .chars()
                .take(200_000)
                .collect(),
            "malformed_message",
        ),
        (
            brush(json!({"points": vec![json!([1, 1, 1]); 5000]})),
            "invalid_value",
        ),
        (brush(json!({"points": [[null, 1, 1]]})), "invalid_value"),
        (brush(json!({"points": [[1e39, 1, 1]]})), "invalid_value"),
        (brush(json!({"points": [[1e9, 1, 1]]})), "invalid_value"),
        (brush(json!({"size": 1e9})), "invalid_value"),
        (brush(json!({"size": 0})), "invalid_value"),
        (brush(json!({"color": "red"})), "invalid_value"),
        (brush(json!({"opacity": 2})), "invalid_value"),
        (brush(json!({"tool": "knife"})), "invalid_value"),
        (
            "{\"type\":\"stroke\",\"id\":\"n\",\"points\":[[1,1,1]]}".into(),
            "unknown_stroke",
        ),
        (
            "{\"type\":\"settings\",\"steps\":0}".into(),
            "invalid_value",
        ),
        (
            "{\"type\":\"settings\",\"steps\":1000}".into(),
            "invalid_value",
        ),
        (
            "{\"type\":\"settings\",\"steps\":-1}".into(),
            "invalid_value",
        ),
        (
            "{\"type\":\"settings\",\"strength\":NaN}".into(),
            "malformed_message",
        ),
        (
            "{\"type\":\"settings\",\"sampler\":\"magic\"}".into(),
            "unknown_sampler",
        ),
        (
            "{\"type\":\"place\",\"image\":\"none\",\"mode\":\"plain\"}".into(),
            "unknown_image",
        ),
        ("{\"type\":\"undo\"}".into(), "nothing_to_undo"),
        ("{\"type\":\"render\",\"steps\":0}".into(), "invalid_value"),
    ];
    for (text, expected) in cases {
        let shown: String = text.chars().take(120).collect();
        client.send_text(text).await;
        assert_eq!(client.refusal().await, expected, "{shown}");
    }
    client
        .socket
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .unwrap();
    assert_eq!(client.refusal().await, "malformed_message");
    client.hello(json!({})).await;
    assert_eq!(client.refusal().await, "hello_expected");

    // Outside the canvas, but no nonsense: strokes may begin beside the paper.
    client.send(stroke("outside", -50.0, 700.0)).await;
    assert_eq!(client.until("ack").await["seq"], 1);
    client.send(stroke("good", 100.0, 100.0)).await;
    assert_eq!(client.until("ack").await["seq"], 2);
    let events = watcher.until_frame(2, 102, 100).await;
    let seen: Vec<u64> = ops(&events)
        .iter()
        .map(|op| op["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(
        seen,
        [1, 2],
        "the other member saw the good ops and nothing else"
    );
}

#[tokio::test]
async fn a_socket_that_does_not_say_hello_is_closed() {
    let patience = Duration::from_millis(200);
    let server = TestServer::start_with(|options| options.limits.hello_timeout = patience).await;
    let mut silent = server.connect("hello").await;
    let (messages, code) = silent.until_closed().await;
    assert_eq!(
        (messages[0]["code"].as_str(), code),
        (Some("hello_expected"), 1008)
    );

    let mut hasty = server.connect("hello").await;
    hasty.send(stroke("a", 1.0, 1.0)).await;
    let (messages, code) = hasty.until_closed().await;
    assert_eq!(
        (messages[0]["code"].as_str(), code),
        (Some("hello_expected"), 1008)
    );

    let mut future = server.connect("hello").await;
    future.hello(json!({"protocol": 2})).await;
    let (messages, code) = future.until_closed().await;
    assert_eq!(
        (messages[0]["code"].as_str(), code),
        (Some("unsupported_protocol"), 1008)
    );
}

#[tokio::test]
async fn an_oversized_message_closes_its_socket_alone() {
    let server = TestServer::start().await;
    let mut watcher = server.join("oversized").await;
    let oversized = |bytes: usize| {
        format!(
            "{{\"type\":\"ping\",\"t\":1,\"rest\":\"{}\"}}",
            "a".repeat(bytes)
        )
    };
    let mut client = server.join("oversized").await;
    client.send_text(oversized(300_000)).await;
    let (messages, code) = client.until_closed().await;
    assert_eq!(messages.last().unwrap()["code"], "too_large");
    assert_eq!(code, 1009);

    // Far too large: the server does not read it to its end, so that the
    // client may see a broken socket instead of a reason.
    let mut client = server.join("oversized").await;
    let sent = client
        .socket
        .send(Message::text(oversized(8_000_000)))
        .await;
    let (_, code) = client.until_closed().await;
    assert!(sent.is_err() || [1006, 1009].contains(&code), "{code}");
    watcher.is_served().await;
}

#[tokio::test]
async fn a_flood_is_slowed_down_and_abuse_is_cut_off() {
    let server = TestServer::start_with(|options| {
        options.limits.message_burst = 10;
        options.limits.messages_per_second = 1;
    })
    .await;
    let mut watcher = server.join("flood").await;
    let mut client = server.join("flood").await;
    for index in 0..60 {
        let message = stroke(&format!("f{index}"), 50.0, 50.0);
        if client
            .socket
            .send(Message::text(message.to_string()))
            .await
            .is_err()
        {
            break;
        }
    }
    let (messages, code) = client.until_closed().await;
    let limited: Vec<&Value> = messages
        .iter()
        .filter(|message| message["code"] == "rate_limited")
        .collect();
    assert!(limited[0]["retry_after_ms"].as_u64().unwrap() > 0);
    assert!(limited[0]["id"].as_str().unwrap().starts_with('f'));
    assert_eq!(code, 1008);
    watcher.is_served().await;
}

#[tokio::test]
async fn refusals_by_the_room_count_as_abuse_too() {
    let server = TestServer::start().await;
    let mut client = server.join("abuse").await;
    for _ in 0..40 {
        if client
            .socket
            .send(Message::text("{\"type\":\"undo\"}"))
            .await
            .is_err()
        {
            break;
        }
    }
    let (messages, code) = client.until_closed().await;
    assert!(
        messages
            .iter()
            .any(|message| message["code"] == "nothing_to_undo")
    );
    assert_eq!(code, 1008);
}

#[tokio::test]
async fn a_client_that_stops_reading_holds_up_nobody() {
    let server = TestServer::start_with(|options| {
        options.limits.write_timeout = Duration::from_millis(500);
    })
    .await;
    let mut painter = server.join("slow").await;
    let mut stuck = TestClient::connect_narrow(server.address, "slow").await;
    stuck.hello(json!({})).await;
    let joined = painter.until("member").await;
    assert_eq!(joined["event"], "joined");

    // Pictures that do not compress fill every buffer on the way to the stuck client.
    let mut noise = image::RgbImage::new(512, 512);
    let mut state = 1_u32;
    for value in noise.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 24) as u8;
    }
    let mut png = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let images = server.url("/v1/rooms/slow/images");
    let kept: Value = reqwest::Client::new()
        .post(images)
        .body(png.into_inner())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    painter
        .send(json!({"type": "place", "image": kept["image"], "mode": "plain"}))
        .await;
    painter.send(json!({"type": "render"})).await;
    let left = loop {
        let news = painter.until("member").await;
        if news["event"] == "left" {
            break news;
        }
    };
    assert_eq!(left["client"], joined["client"]);
    painter.send(stroke("after", 100.0, 100.0)).await;
    assert_eq!(painter.until("ack").await["id"], "after");
    painter.is_served().await;
}
