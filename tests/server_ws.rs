//! The websocket, with real clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use serde_json::{Value, json};
use support::{Event, TestServer, stroke};

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
    assert_eq!(welcome["members"][0]["client"], welcome["client"]);
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
        let events = client.until_frame(rev, 252, 200).await;
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
async fn a_viewer_sees_and_cannot_paint() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room = server.make_room(json!({"name": "gallery"})).await;
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
        // The same as for a room that there is: nobody finds out which there are.
        ("nowhere", json!({}), "invalid_token"),
        ("nowhere", json!({"token": "guess"}), "invalid_token"),
    ] {
        let mut client = server.connect(room).await;
        client.hello(fields).await;
        let (messages, code) = client.until_closed().await;
        assert_eq!((messages[0]["code"].as_str(), code), (Some(expected), 1008));
    }
    let url = server.switch.url_to_open(server.address).unwrap();
    let (room, token) = url
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
async fn a_member_who_comes_back_hears_what_it_missed() {
    let server = TestServer::start().await;
    let mut ada = server.join("back").await;
    let mut bob = server.join("back").await;
    ada.send(stroke("one", 50.0, 50.0)).await;
    assert_eq!(bob.until("op").await["seq"], 1);
    let secret = bob.secret;
    bob.socket.close(None).await.unwrap();
    ada.until("member").await;
    for name in ["two", "three"] {
        ada.send(stroke(name, 90.0, 90.0)).await;
    }
    while ada.until("ack").await["seq"] != 3 {}

    let mut again = server.connect("back").await;
    again.secret = secret;
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
    second.secret = first.secret;
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
