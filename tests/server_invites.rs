//! Who is who, who may come in, and until when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use support::{TestServer, call, stroke};

async fn auth_server() -> TestServer {
    TestServer::start_with(|options| options.auth = true).await
}

async fn code(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.ends_with('.') && message.contains(": "), "{body}");
    body["error"]["code"].as_str().unwrap().to_owned()
}

fn token(room: &Value, role: &str) -> String {
    room["invites"][role].as_str().unwrap().to_owned()
}

async fn mint(server: &TestServer, room: &str, owner: &str, body: Value) -> Value {
    let path = format!("/v1/rooms/{room}/invites");
    let response = call(server, Method::POST, &path, Some(owner), Some(body)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

/// The code and the close code with which a hello is refused.
async fn refused(server: &TestServer, room: &str, token: &str) -> (String, u16) {
    let mut client = server.connect(room).await;
    client.hello(json!({"token": token})).await;
    let (messages, close) = client.until_closed().await;
    let code = messages[0]["code"].as_str().unwrap().to_owned();
    assert!(messages[0]["message"].as_str().unwrap().ends_with('.'));
    (code, close)
}

#[tokio::test]
async fn the_id_that_others_see_opens_nothing() {
    let server = auth_server().await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    let mut owner = server.connect("atelier").await;
    owner.hello(json!({"token": token(&room, "owner")})).await;
    owner.until("welcome").await;
    assert_ne!(owner.id, owner.secret);
    owner.send(stroke("mine", 50.0, 50.0)).await;
    assert_eq!(owner.until("ack").await["seq"], 1);

    let mut viewer = server.connect("atelier").await;
    viewer.secret = owner.id;
    viewer.hello(json!({"token": token(&room, "viewer")})).await;
    let welcome = viewer.until("welcome").await;
    assert_eq!(welcome["role"], "viewer");
    assert_eq!(welcome["members"].as_array().unwrap().len(), 2);
    let said = welcome.to_string();
    assert!(said.contains(&owner.id.to_string()));
    assert!(!said.contains(&owner.secret.to_string()));
    assert_ne!(viewer.id, owner.id);
    viewer.send(json!({"type": "undo"})).await;
    assert_eq!(viewer.refusal().await, "forbidden");
    owner.is_served().await;

    let mut editor = server.connect("atelier").await;
    editor.secret = owner.id;
    editor.hello(json!({"token": token(&room, "editor")})).await;
    editor.until("welcome").await;
    editor.send(json!({"type": "undo"})).await;
    assert_eq!(editor.refusal().await, "nothing_to_undo");
    owner.is_served().await;
}

#[tokio::test]
async fn names_are_shown_without_what_nobody_sees() {
    let server = TestServer::start().await;
    let mut ada = server.join("names").await;
    let mut bob = server.connect("names").await;
    bob.hello(json!({"name": "\u{202e}Bob\u{7}\u{2066}"})).await;
    assert_eq!(ada.until("member").await["name"], "Bob");
}

#[tokio::test]
async fn with_auth_only_the_operator_makes_rooms() {
    let server = auth_server().await;
    let first = server.make_room(json!({"name": "first"})).await;
    let owner = token(&first, "owner");
    for token in [None, Some(""), Some("guess"), Some(owner.as_str())] {
        let made = call(&server, Method::POST, "/v1/rooms", token, Some(json!({}))).await;
        assert_eq!(made.status(), StatusCode::UNAUTHORIZED, "{token:?}");
        assert_eq!(made.headers()["www-authenticate"], "Bearer");
        assert_eq!(code(made).await, "invalid_token");
    }
    // The operator comes in everywhere.
    let mut operator = server.connect("first").await;
    operator.hello(json!({"token": server.operator()})).await;
    assert_eq!(operator.until("welcome").await["role"], "owner");
}

#[tokio::test]
async fn an_address_that_tries_many_tokens_has_to_wait() {
    let server = auth_server().await;
    server.make_room(json!({"name": "atelier"})).await;
    let mut codes = Vec::new();
    for attempt in 0..60 {
        let guess = format!("guess-{attempt}");
        let path = "/v1/rooms/atelier/image";
        let answer = call(&server, Method::GET, path, Some(&guess), None).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers().contains_key("retry-after"));
        }
        codes.push(code(answer).await);
    }
    assert_eq!(codes[0], "invalid_token");
    assert_eq!(codes[59], "rate_limited");
}

#[tokio::test]
async fn an_owner_makes_lists_and_revokes_invites() {
    let server = auth_server().await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    let owner = token(&room, "owner");
    let path = "/v1/rooms/atelier/invites";
    let made = mint(&server, "atelier", &owner, json!({"role": "editor"})).await;
    assert_eq!(made["role"], "editor");
    let invite = made["token"].as_str().unwrap();
    let url = format!("http://{}/?room=atelier#token={invite}", server.address);
    assert_eq!(made["url"], url);

    for role in ["editor", "viewer"] {
        for (method, body) in [
            (Method::POST, Some(json!({"role": "owner"}))),
            (Method::GET, None),
        ] {
            let token = token(&room, role);
            let answer = call(&server, method, path, Some(&token), body).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN);
            assert_eq!(code(answer).await, "forbidden");
        }
    }
    for body in [
        json!({"role": "operator"}),
        json!({}),
        json!({"role": "editor", "uses": -1}),
        json!({"role": "editor", "colour": 1}),
    ] {
        let answer = call(&server, Method::POST, path, Some(&owner), Some(body)).await;
        assert_eq!(code(answer).await, "malformed_message");
    }
    for body in [
        json!({"role": "editor", "uses": 0}),
        json!({"role": "editor", "uses": 1_000_000}),
        json!({"role": "editor", "expires_in_seconds": 0}),
        json!({"role": "editor", "expires_in_seconds": u64::MAX}),
    ] {
        let answer = call(&server, Method::POST, path, Some(&owner), Some(body)).await;
        assert_eq!(code(answer).await, "invalid_value");
    }

    let mut editor = server.connect("atelier").await;
    editor.hello(json!({"token": invite})).await;
    assert_eq!(editor.until("welcome").await["role"], "editor");
    let mut other = server.connect("atelier").await;
    other.hello(json!({"token": token(&room, "editor")})).await;
    other.until("welcome").await;

    let listed: Value = call(&server, Method::GET, path, Some(&owner), None)
        .await
        .json()
        .await
        .unwrap();
    let listed = listed["invites"].as_array().unwrap();
    assert_eq!(listed.len(), 4);
    assert_eq!(listed[3]["id"], made["id"]);
    assert_eq!(listed[3]["revoked"], false);
    assert!(!listed[3].to_string().contains(invite));

    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let stranger = token(&room, "editor");
    let answer = call(&server, Method::DELETE, &one, Some(&stranger), None).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let answer = call(&server, Method::DELETE, &one, Some(&owner), None).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let (messages, close) = editor.until_closed().await;
    let last = messages.last().unwrap();
    assert_eq!((&last["code"], close), (&json!("invite_revoked"), 1008));
    let again = refused(&server, "atelier", invite).await;
    assert_eq!(again, ("invite_revoked".to_owned(), 1008));
    let image = "/v1/rooms/atelier/image";
    let answer = call(&server, Method::GET, image, Some(invite), None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(code(answer).await, "invite_revoked");
    other.is_served().await;

    let nothing = format!("{path}/{}", uuid::Uuid::new_v4());
    for gone in [nothing, format!("{path}/7")] {
        let answer = call(&server, Method::DELETE, &gone, Some(&owner), None).await;
        assert_eq!(code(answer).await, "not_found");
    }
}

#[tokio::test]
async fn an_invite_that_ends_lets_its_members_go() {
    let server = auth_server().await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    let owner = token(&room, "owner");
    let body = json!({"role": "editor", "expires_in_seconds": 1});
    let made = mint(&server, "atelier", &owner, body).await;
    assert!(made["expires_at"].as_u64().unwrap() > 1_700_000_000);
    let invite = made["token"].as_str().unwrap();
    let mut guest = server.connect("atelier").await;
    guest.hello(json!({"token": invite})).await;
    // Let in and let go, or too late already: the end is the same.
    let (messages, close) = guest.until_closed().await;
    let last = messages.last().unwrap();
    assert_eq!((&last["code"], close), (&json!("invite_expired"), 1008));
    let again = refused(&server, "atelier", invite).await;
    assert_eq!(again, ("invite_expired".to_owned(), 1008));
}

#[tokio::test]
async fn forged_invites_are_refused_as_any_other_text() {
    let server = auth_server().await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    let viewer = token(&room, "viewer");
    let (claims, signature) = viewer.split_once('.').unwrap();
    let (owner_claims, _) = room["invites"]["owner"]
        .as_str()
        .unwrap()
        .split_once('.')
        .unwrap();
    let elsewhere = auth_server()
        .await
        .make_room(json!({"name": "atelier"}))
        .await;
    for forged in [
        format!("{owner_claims}.{signature}"),
        format!("{claims}.{}", "A".repeat(signature.len())),
        format!("{claims}."),
        token(&elsewhere, "owner"),
    ] {
        let refusal = refused(&server, "atelier", &forged).await;
        assert_eq!(refusal, ("invalid_token".to_owned(), 1008), "{forged}");
    }
}

#[tokio::test]
async fn uses_count_clients_and_hold_over_http_too() {
    let server = auth_server().await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    let owner = token(&room, "owner");
    let made = mint(
        &server,
        "atelier",
        &owner,
        json!({"role": "viewer", "uses": 1}),
    )
    .await;
    let invite = made["token"].as_str().unwrap();
    let picture = |client: Option<uuid::Uuid>| {
        let url = server.url("/v1/rooms/atelier/image");
        let mut request = Client::new().get(url).bearer_auth(invite);
        if let Some(client) = client {
            request = request.header("impasto-client", client.to_string());
        }
        async { request.send().await.unwrap().status() }
    };
    assert_eq!(picture(None).await, StatusCode::UNAUTHORIZED);
    let mut first = server.connect("atelier").await;
    first.hello(json!({"token": invite})).await;
    first.until("welcome").await;
    assert_eq!(picture(Some(first.secret)).await, StatusCode::OK);
    assert_eq!(picture(Some(first.id)).await, StatusCode::UNAUTHORIZED);
    let second = refused(&server, "atelier", invite).await;
    assert_eq!(second, ("invite_used_up".to_owned(), 1008));

    let mut again = server.connect("atelier").await;
    again.secret = first.secret;
    again.hello(json!({"token": invite})).await;
    again.until("welcome").await;
}

#[tokio::test]
async fn links_outlive_the_process_where_there_is_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let start = || async {
        TestServer::start_with(|options| {
            options.auth = true;
            options.data = Some(folder.path().to_owned());
        })
        .await
    };
    let server = start().await;
    let room = server
        .make_room(json!({"name": "kept", "width": 1024, "height": 256}))
        .await;
    let (owner, operator) = (token(&room, "owner"), server.operator());
    let made = mint(&server, "kept", &owner, json!({"role": "editor"})).await;
    let one = format!("/v1/rooms/kept/invites/{}", made["id"].as_str().unwrap());
    call(&server, Method::DELETE, &one, Some(&owner), None).await;
    server.switch.drain();
    server.running.await.unwrap().unwrap();

    let server = start().await;
    assert_eq!(server.operator(), operator);
    let mut back = server.connect("kept").await;
    back.hello(json!({"token": owner})).await;
    let welcome = back.until("welcome").await;
    assert_eq!(welcome["canvas"], json!({"width": 1024, "height": 256}));
    let refusal = refused(&server, "kept", made["token"].as_str().unwrap()).await;
    assert_eq!(refusal, ("invite_revoked".to_owned(), 1008));
}

#[tokio::test]
async fn metrics_are_the_operators_where_there_is_one() {
    let server = auth_server().await;
    let answer = call(&server, Method::GET, "/metrics", None, None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let operator = server.operator();
    let answer = call(&server, Method::GET, "/metrics", Some(&operator), None).await;
    assert!(answer.text().await.unwrap().contains("impasto_rooms"));
    let open = TestServer::start().await;
    let rebound = Client::new()
        .get(open.url("/metrics"))
        .header("host", "evil.example");
    assert_eq!(
        rebound.send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
}
