//! The websocket, with real clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use futures_util::SinkExt;
use impasto::protocol::Layer;
use serde_json::{Value, json};
use support::{Event, TestClient, TestServer, stroke};
use tokio_tungstenite::tungstenite::Message;

/// Reads until a result frame covers the point at that revision or a later one; everything on the way.
async fn until_frame(client: &mut TestClient, rev: u64, x: u32, y: u32) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = client.next().await;
        let found = matches!(&event, Event::Frame(header, _)
            if header.layer == Layer::Result && header.rev >= rev && header.step > 0
                && header.rect.x <= x && x < header.rect.right()
                && header.rect.y <= y && y < header.rect.bottom());
        assert!(
            !matches!(event, Event::Closed(_)),
            "closed while waiting for a frame"
        );
        events.push(event);
        if found {
            return events;
        }
    }
}

fn ops(events: &[Event]) -> Vec<Value> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Json(message) if message["type"] == "op" => Some(message.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_member_is_welcomed_and_shown_the_picture() {
    let server = TestServer::start().await;
    let mut client = server.connect("studio").await;
    client.hello(json!({"name": "Ada"})).await;
    let Event::Json(welcome) = client.next().await else {
        panic!("no welcome first")
    };
    assert_eq!(welcome["type"], "welcome");
    assert_eq!(welcome["protocol"], 1);
    assert_eq!(welcome["room"], "studio");
    assert_eq!(welcome["client"], client.id.to_string());
    assert_eq!(welcome["role"], "owner");
    assert_eq!(welcome["seq"], 0);
    assert_eq!(welcome["canvas"], json!({"width": 512, "height": 512}));
    assert_eq!(welcome["model"]["id"], "turner");
    assert_eq!(welcome["members"][0]["name"], "Ada");
    loop {
        if let Event::Frame(header, image) = client.next().await {
            assert_eq!(header.rev, 0);
            assert!(!image.is_empty());
            break;
        }
    }
}

#[tokio::test]
async fn two_members_see_the_same_ops_in_the_same_order_and_the_result() {
    let server = TestServer::start().await;
    let mut ada = server.join("pair").await;
    let mut bob = server.join("pair").await;
    for index in 0..5 {
        let at = 60.0 + 40.0 * f64::from(index);
        ada.send(stroke(&format!("a{index}"), at, 100.0)).await;
        bob.send(stroke(&format!("b{index}"), at, 300.0)).await;
    }
    ada.send(json!({"type": "settings", "prompt": "a boat"}))
        .await;
    let all = |ops: &[Value]| ops.len() == 11;
    let mut heard = Vec::new();
    for client in [&mut ada, &mut bob] {
        let mut ops = Vec::new();
        let mut acks = Vec::new();
        while !all(&ops) {
            match client.next().await {
                Event::Json(message) if message["type"] == "op" => ops.push(message),
                Event::Json(message) if message["type"] == "ack" => {
                    acks.push(message["seq"].as_u64().unwrap());
                }
                Event::Closed(code) => panic!("closed with {code}"),
                _ => {}
            }
        }
        let own: Vec<u64> = ops
            .iter()
            .filter(|op| op["client"] == client.id.to_string())
            .map(|op| op["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(acks, own, "every own op is acknowledged, in order");
        heard.push(ops);
    }
    assert_eq!(heard[0], heard[1]);
    let order: Vec<u64> = heard[0]
        .iter()
        .map(|op| op["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(order, (1..=11).collect::<Vec<u64>>());

    bob.send(stroke("last", 250.0, 200.0)).await;
    let rev = bob.until("ack").await["seq"].as_u64().unwrap();
    for client in [&mut ada, &mut bob] {
        let events = until_frame(client, rev, 252, 200).await;
        let Some(Event::Frame(header, image)) = events.last() else {
            panic!("no frame")
        };
        let picture = image::load_from_memory(image).unwrap().into_rgb8();
        let pixel = picture
            .get_pixel(252 - header.rect.x, 200 - header.rect.y)
            .0;
        // The test's renderer turns red into green; JPEG may be off by a little.
        assert!(pixel[1] > 200 && pixel[0] < 60, "{pixel:?}");
    }
}

#[tokio::test]
async fn renders_are_announced_to_everybody() {
    let server = TestServer::start().await;
    let mut ada = server.join("renders").await;
    let mut bob = server.join("renders").await;
    ada.send(stroke("a", 100.0, 100.0)).await;
    for client in [&mut ada, &mut bob] {
        loop {
            let render = client.until("render").await;
            if render["state"] == "done" {
                assert!(render["rev"].as_u64().unwrap() >= 1);
                assert_eq!(render["rect"].as_array().unwrap().len(), 4);
                assert!(render["timings_ms"]["total"].is_number());
                break;
            }
        }
    }
}

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
    let events = until_frame(&mut watcher, 2, 102, 100).await;
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
async fn a_viewer_sees_and_cannot_paint() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room: Value = reqwest::Client::new()
        .post(server.url("/v1/rooms"))
        .json(&json!({"name": "gallery"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut viewer = server.connect("gallery").await;
    viewer
        .hello(json!({"token": room["invites"]["viewer"]}))
        .await;
    assert_eq!(viewer.until("welcome").await["role"], "viewer");
    viewer.send(stroke("v", 10.0, 10.0)).await;
    let error = viewer.until("error").await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("forbidden"), &json!("v"))
    );

    let mut editor = server.connect("gallery").await;
    editor
        .hello(json!({"token": room["invites"]["editor"]}))
        .await;
    editor.send(stroke("e", 10.0, 10.0)).await;
    assert_eq!(editor.until("ack").await["id"], "e");
    assert_eq!(viewer.until("op").await["op"]["id"], "e");
}

#[tokio::test]
async fn with_auth_nobody_enters_without_an_invite() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    for (room, fields, expected) in [
        ("nowhere", json!({}), "unknown_room"),
        ("nowhere", json!({"token": "guess"}), "unknown_room"),
    ] {
        let mut client = server.connect(room).await;
        client.hello(fields).await;
        let (messages, code) = client.until_closed().await;
        assert_eq!((messages[0]["code"].as_str(), code), (Some(expected), 1008));
    }
    let door = server.switch.door(server.address).unwrap();
    let (room, token) = door
        .split_once("?room=")
        .unwrap()
        .1
        .split_once("#token=")
        .unwrap();
    let mut stranger = server.connect(room).await;
    stranger.hello(json!({"token": "guess"})).await;
    let (messages, code) = stranger.until_closed().await;
    assert_eq!(
        (messages[0]["code"].as_str(), code),
        (Some("invalid_token"), 1008)
    );
    let mut owner = server.connect(room).await;
    owner.hello(json!({"token": token})).await;
    assert_eq!(owner.until("welcome").await["role"], "owner");
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
    assert_eq!(joined["client"], stuck.id.to_string());

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
    assert_eq!(left["client"], stuck.id.to_string());
    painter.send(stroke("after", 100.0, 100.0)).await;
    assert_eq!(painter.until("ack").await["id"], "after");
    painter.is_served().await;
}

#[tokio::test]
async fn a_member_who_comes_back_hears_what_it_missed() {
    let server = TestServer::start().await;
    let mut ada = server.join("back").await;
    let mut bob = server.join("back").await;
    ada.send(stroke("one", 50.0, 50.0)).await;
    assert_eq!(bob.until("op").await["seq"], 1);
    let id = bob.id;
    bob.socket.close(None).await.unwrap();
    ada.until("member").await;
    for name in ["two", "three"] {
        ada.send(stroke(name, 90.0, 90.0)).await;
    }
    while ada.until("ack").await["seq"] != 3 {}

    let mut again = server.connect("back").await;
    again.id = id;
    again.hello(json!({"last_seq": 1})).await;
    assert_eq!(again.until("welcome").await["seq"], 3);
    let missed = [again.until("op").await, again.until("op").await];
    assert_eq!(missed[0]["op"]["id"], "two");
    assert_eq!(missed[1]["op"]["id"], "three");
}

#[tokio::test]
async fn a_client_that_comes_in_twice_leaves_its_first_socket() {
    let server = TestServer::start().await;
    let mut first = server.join("twice").await;
    let mut second = server.connect("twice").await;
    second.id = first.id;
    second.hello(json!({})).await;
    assert_eq!(
        second.until("welcome").await["members"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let (messages, _) = first.until_closed().await;
    assert!(messages.iter().any(|message| message["type"] == "goaway"));
    second.is_served().await;
}

#[tokio::test]
async fn a_full_room_says_so() {
    let server = TestServer::start().await;
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(server.join("full").await);
    }
    let mut fifth = server.connect("full").await;
    fifth.hello(json!({})).await;
    let (messages, code) = fifth.until_closed().await;
    assert_eq!(
        (messages[0]["code"].as_str(), code),
        (Some("room_full"), 1013)
    );
}

#[tokio::test]
async fn presence_reaches_the_others_only() {
    let server = TestServer::start().await;
    let mut ada = server.join("presence").await;
    let mut bob = server.join("presence").await;
    ada.until("member").await;
    ada.send(json!({"type": "presence", "x": 12.5, "y": 7, "tool": "brush"}))
        .await;
    let news = bob.until("member").await;
    assert_eq!(news["event"], "presence");
    assert_eq!((&news["x"], &news["tool"]), (&json!(12.5), &json!("brush")));
    assert_eq!(news["client"], ada.id.to_string());
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_ends() {
    let server = TestServer::start().await;
    let mut member = server.join("shutdown").await;
    let mut waiting = server.connect("shutdown").await;
    server.switch.drain();
    for client in [&mut member, &mut waiting] {
        let (messages, code) = client.until_closed().await;
        let goaway = messages
            .iter()
            .find(|message| message["type"] == "goaway")
            .unwrap();
        assert!(goaway["retry_after_ms"].is_number());
        assert_eq!(code, 1001);
    }
    server.running.await.unwrap().unwrap();
}
