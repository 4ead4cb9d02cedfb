//! What owners decide about people, and what people say, over websockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use serde_json::{Value, json};
use support::{TestClient, TestServer, stroke};

/// A server with auth and a room, with its invites.
async fn atelier() -> (TestServer, Value) {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    (server, room["invites"].clone())
}

async fn join(server: &TestServer, token: &Value) -> (TestClient, Value) {
    let mut client = server.connect("atelier").await;
    client.hello(json!({"token": token})).await;
    let welcome = client.until("welcome").await;
    (client, welcome)
}

/// The next news of a kind, after others.
async fn news(client: &mut TestClient, event: &str) -> Value {
    loop {
        let news = client.until("member").await;
        if news["event"] == event {
            return news;
        }
    }
}

/// What a client hears that is not let in.
async fn refused(server: &TestServer, like: &TestClient, token: &Value) -> (String, u16) {
    let mut client = server.connect("atelier").await;
    client.secret = like.secret;
    client.hello(json!({"token": token})).await;
    let (messages, close) = client.until_closed().await;
    (messages[0]["code"].as_str().unwrap().to_owned(), close)
}

#[tokio::test]
async fn who_is_removed_is_told_and_cannot_come_back_before_an_owner_says_so() {
    let (server, invites) = atelier().await;
    let (mut owner, _) = join(&server, &invites["owner"]).await;
    let (mut guest, _) = join(&server, &invites["editor"]).await;
    let (mut viewer, _) = join(&server, &invites["viewer"]).await;
    // Not everybody may.
    guest
        .send(json!({"type": "remove", "client": viewer.id}))
        .await;
    assert_eq!(guest.refusal().await, "forbidden");
    owner
        .send(json!({"type": "remove", "client": guest.id}))
        .await;
    let (messages, close) = guest.until_closed().await;
    let last = messages.last().unwrap();
    assert_eq!((&last["code"], close), (&json!("removed"), 1008));
    assert!(last["message"].as_str().unwrap().ends_with('.'));
    for witness in [&mut owner, &mut viewer] {
        let left = news(witness, "left").await;
        assert_eq!(left["client"], guest.id.to_string());
        let room = witness.until("room").await;
        assert_eq!(room["removed"][0]["client"], guest.id.to_string());
    }
    for token in ["editor", "owner"] {
        let again = refused(&server, &guest, &invites[token]).await;
        assert_eq!(again, ("removed".to_owned(), 1008));
    }
    // The invite that it came by lets in nobody new: that might be the same person.
    let stranger = server.connect("atelier").await;
    let closed = refused(&server, &stranger, &invites["editor"]).await;
    assert_eq!(closed, ("invite_revoked".to_owned(), 1008));
    // The others hold, and so does this one for those who came by it.
    let (other, welcome) = join(&server, &invites["viewer"]).await;
    assert_eq!(welcome["removed"][0]["name"], "Guest");
    drop(other);

    owner
        .send(json!({"type": "admit", "client": guest.id}))
        .await;
    let room = owner.until("room").await;
    assert_eq!(room["removed"], json!([]));
    let mut back = server.connect("atelier").await;
    back.secret = guest.secret;
    back.hello(json!({"token": invites["editor"]})).await;
    assert_eq!(back.until("welcome").await["role"], "editor");
    back.is_served().await;
}

/// What a call about the room is answered, with an invite and a client's secret.
async fn called(
    server: &TestServer,
    path: &str,
    token: &Value,
    client: Option<&TestClient>,
) -> (u16, String) {
    let url = server.url(&format!("/v1/rooms/atelier{path}"));
    let mut request = reqwest::Client::new().get(url);
    if let Some(token) = token.as_str() {
        request = request.bearer_auth(token);
    }
    if let Some(client) = client {
        request = request.header("impasto-client", client.secret.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap_or_default();
    (
        status,
        body["error"]["code"].as_str().unwrap_or("").to_owned(),
    )
}

#[tokio::test]
async fn who_was_removed_sees_nothing_over_http_and_friends_who_share_the_link_do() {
    let (server, invites) = atelier().await;
    let (mut owner, _) = join(&server, &invites["owner"]).await;
    let (guest, _) = join(&server, &invites["editor"]).await;
    let (friend, _) = join(&server, &invites["editor"]).await;
    let editor = &invites["editor"];
    let seen = (200, String::new());
    assert_eq!(called(&server, "/image", editor, None).await, seen);
    owner
        .send(json!({"type": "remove", "client": guest.id}))
        .await;
    owner.until("room").await;
    let removed = (403, "removed".to_owned());
    let anonymous = (401, "invalid_token".to_owned());
    for path in ["/image", "/thumbnail", "/export?format=png", ""] {
        for invite in ["editor", "viewer"] {
            let answer = called(&server, path, &invites[invite], Some(&guest)).await;
            assert_eq!(answer, removed, "{path}, {invite}");
        }
        let unnamed = called(&server, path, editor, None).await;
        assert_eq!(unnamed, anonymous, "{path}");
        let unknown = server.connect("atelier").await;
        let unknown = called(&server, path, editor, Some(&unknown)).await;
        assert_eq!(unknown, anonymous, "{path}");
        assert_eq!(called(&server, path, editor, Some(&friend)).await, seen);
        assert_eq!(called(&server, path, &invites["owner"], None).await, seen);
    }
    owner
        .send(json!({"type": "admit", "client": guest.id}))
        .await;
    owner.until("room").await;
    assert_eq!(called(&server, "/image", editor, Some(&guest)).await, seen);
    assert_eq!(called(&server, "/image", editor, None).await, seen);
}

#[tokio::test]
async fn roles_and_the_lock_hold_at_once_and_for_newcomers() {
    let (server, invites) = atelier().await;
    let (mut owner, _) = join(&server, &invites["owner"]).await;
    let (mut bea, welcome) = join(&server, &invites["editor"]).await;
    assert_eq!(welcome["locked"], false);
    let role = |client: &TestClient, role: &str| {
        json!({"type": "role",
            "client": client.id, "role": role})
    };
    owner.send(role(&bea, "viewer")).await;
    let told = news(&mut bea, "role").await;
    assert_eq!(
        (&told["role"], &told["by"]),
        (&json!("viewer"), &json!(owner.id.to_string()))
    );
    bea.send(stroke("no", 20.0, 20.0)).await;
    assert_eq!(bea.refusal().await, "forbidden");
    bea.send(json!({"type": "layer", "action": "add"})).await;
    assert_eq!(bea.refusal().await, "forbidden");
    owner.send(role(&bea, "editor")).await;
    news(&mut bea, "role").await;
    bea.send(stroke("yes", 20.0, 20.0)).await;
    assert_eq!(bea.until("ack").await["id"], "yes");

    owner.send(json!({"type": "lock", "locked": true})).await;
    assert_eq!(bea.until("room").await["locked"], true);
    bea.send(stroke("late", 20.0, 20.0)).await;
    let error = bea.until("error").await;
    assert_eq!(
        (&error["code"], &error["id"]),
        (&json!("room_locked"), &json!("late"))
    );
    // Far more than is abuse otherwise: a hand that goes on breaks no rule.
    for _ in 0..40 {
        bea.send(stroke("late", 20.0, 20.0)).await;
        assert_eq!(bea.refusal().await, "room_locked");
    }
    let (mut cleo, welcome) = join(&server, &invites["editor"]).await;
    assert_eq!(
        (&welcome["role"], &welcome["locked"]),
        (&json!("editor"), &json!(true))
    );
    cleo.send(json!({"type": "undo"})).await;
    assert_eq!(cleo.refusal().await, "room_locked");
    cleo.send(json!({"type": "lock", "locked": false})).await;
    assert_eq!(cleo.refusal().await, "forbidden");
    owner.send(stroke("owner", 60.0, 60.0)).await;
    assert_eq!(owner.until("ack").await["id"], "owner");
    owner.send(json!({"type": "lock", "locked": false})).await;
    assert_eq!(cleo.until("room").await["locked"], false);
    cleo.send(stroke("free", 90.0, 60.0)).await;
    assert_eq!(cleo.until("ack").await["id"], "free");
}

#[tokio::test]
async fn the_operator_stays_an_owner() {
    let (server, invites) = atelier().await;
    let (mut owner, _) = join(&server, &invites["owner"]).await;
    let (mut operator, _) = join(&server, &json!(server.operator())).await;
    for message in [
        json!({"type": "role", "client": operator.id, "role": "viewer"}),
        json!({"type": "remove", "client": operator.id}),
    ] {
        owner.send(message).await;
        assert_eq!(owner.refusal().await, "forbidden");
    }
    operator
        .send(json!({"type": "role", "client": owner.id, "role": "editor"}))
        .await;
    assert_eq!(news(&mut owner, "role").await["role"], "editor");
}

#[tokio::test]
async fn what_is_said_is_clean_and_colours_are_the_same_for_all() {
    let server = TestServer::start().await;
    let mut ada = server.connect("talk").await;
    ada.hello(json!({"name": "Ada"})).await;
    let own = ada.until("welcome").await["members"][0].clone();
    let mut bea = server.connect("talk").await;
    bea.hello(json!({})).await;
    let seen = bea.until("welcome").await["members"].clone();
    let seen = seen.as_array().unwrap().iter();
    let ada_seen = seen.clone().find(|one| one["name"] == "Ada").unwrap();
    assert_eq!(*ada_seen, own);
    assert!(own["hue"].as_u64().unwrap() < 360);

    ada.send(json!({"type": "chat", "text": " Hi\u{202e} there\n!\u{7}"}))
        .await;
    let line = bea.until("chat").await;
    assert_eq!(
        (&line["text"], &line["name"]),
        (&json!("Hi there!"), &json!("Ada"))
    );
    assert_eq!(line["hue"], own["hue"]);
    assert_eq!(ada.until("chat").await["number"], line["number"]);
    ada.send(json!({"type": "chat", "text": "\u{200b}\u{202e}"}))
        .await;
    assert_eq!(ada.refusal().await, "invalid_value");
    let cleo = server.join("talk").await;
    drop(cleo);
    let mut late = server.connect("talk").await;
    late.hello(json!({})).await;
    let welcome = late.until("welcome").await;
    assert_eq!(welcome["chat"][0]["text"], "Hi there!");
    assert_eq!(welcome["chat"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_chats_without_end_has_to_wait_and_can_still_paint() {
    let server = TestServer::start_with(|options| {
        options.limits.message_burst = 130;
        options.limits.messages_per_second = 1;
    })
    .await;
    let mut ada = server.join("flood").await;
    for text in ["one", "two"] {
        ada.send(json!({"type": "chat", "text": text})).await;
        assert_eq!(ada.until("chat").await["text"], text);
    }
    ada.send(json!({"type": "chat", "text": "three"})).await;
    let error = ada.until("error").await;
    assert_eq!(error["code"], "rate_limited");
    assert!(error["retry_after_ms"].as_u64().unwrap() > 0);
    ada.send(stroke("s", 20.0, 20.0)).await;
    assert_eq!(ada.until("ack").await["id"], "s");
}

#[tokio::test]
async fn the_others_see_what_a_member_looks_at_and_whose_render_runs() {
    let server = TestServer::start().await;
    let mut ada = server.join("views").await;
    let mut bea = server.join("views").await;
    ada.send(json!({"type": "presence", "x": 5, "y": 6, "view": [-20, 0, 640, 480]}))
        .await;
    let seen = news(&mut bea, "presence").await;
    assert_eq!(seen["view"], json!([-20, 0, 640, 480]));
    ada.send(stroke("s", 20.0, 20.0)).await;
    assert_eq!(bea.until("render").await["client"], ada.id.to_string());
}
