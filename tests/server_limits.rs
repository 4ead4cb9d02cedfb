//! What strangers can take from a server, and that it goes on answering meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use image::ImageFormat;
use impasto::journal::{MemoryBlobs, MemoryJournal};
use impasto::room::RoomStore;
use impasto::server::{Rate, ServerError};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{BREAKS_THE_ROOM, Event, TestServer, stroke};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than anything here takes: a test that hangs should say so.
const PATIENCE: Duration = Duration::from_secs(60);

async fn get(server: &TestServer, path: &str) -> Response {
    Client::new().get(server.url(path)).send().await.unwrap()
}

/// Checks a refusal that says when to come back, and answers its code.
async fn put_off(response: Response) -> String {
    assert!(response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.unwrap();
    body["error"]["code"].as_str().unwrap().to_owned()
}

async fn make_room(server: &TestServer, body: Value) -> Response {
    let request = Client::new().post(server.url("/v1/rooms")).json(&body);
    request.send().await.unwrap()
}

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// Everything up to the end of a connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = read.expect("the connection stays open");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A picture that does not compress.
fn noise(side: u32) -> Vec<u8> {
    let mut picture = image::RgbImage::new(side, side);
    let mut state = 1_u32;
    for value in picture.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 24) as u8;
    }
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

#[tokio::test]
async fn silence_keeps_nobody_out() {
    let server = TestServer::start_with(|options| {
        options.limits.connections = 16;
        options.limits.waiting_connections = 4;
    })
    .await;
    let mut silent = Vec::new();
    for index in 0..60 {
        let mut stream = connect(&server).await;
        if index % 2 == 0 {
            let head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: ";
            // It may have made place already.
            let _ = stream.write_all(head).await;
        }
        silent.push(stream);
    }
    assert_eq!(get(&server, "/healthz").await.status(), StatusCode::OK);
    let mut member = server.join("polite").await;
    member.is_served().await;
    for stream in &mut silent[..50] {
        assert_eq!(rest(stream).await, "");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let server = TestServer::start_with(|options| {
        options.limits.header_timeout = Duration::from_millis(300);
    })
    .await;
    for sent in ["", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: "] {
        let mut stream = connect(&server).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        rest(&mut stream).await;
    }
    assert_eq!(get(&server, "/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_server_without_a_place_is_still_seen_to_live() {
    let server = TestServer::start_with(|options| options.limits.connections = 16).await;
    let mut members = Vec::new();
    for index in 0..16 {
        members.push(server.join(&format!("room-{}", index / 4)).await);
    }
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(connect(&server).await);
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&server, path).await.status(), StatusCode::OK, "{path}");
    }
    let refused = get(&server, "/v1/model").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(put_off(refused).await, "unavailable");
    for member in &mut members {
        member.is_served().await;
    }
    drop(members.pop());
    let is_served = async { while get(&server, "/v1/model").await.status() != StatusCode::OK {} };
    timeout(PATIENCE, is_served)
        .await
        .expect("no place is free again");
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let server = TestServer::start_with(|options| {
        options.limits.connections_per_address = 2;
    })
    .await;
    let _members = [server.join("a").await, server.join("a").await];
    let refused = get(&server, "/v1/model").await;
    assert_eq!(put_off(refused).await, "unavailable");
    assert_eq!(get(&server, "/healthz").await.status(), StatusCode::OK);

    let behind_a_proxy = TestServer::start_with(|options| {
        options.limits.connections_per_address = 2;
        options.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let _members = [
        behind_a_proxy.join("a").await,
        behind_a_proxy.join("a").await,
    ];
    let answer = get(&behind_a_proxy, "/v1/model").await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn sockets_without_hello_make_place_for_those_who_say_it() {
    let server = TestServer::start_with(|options| {
        options.limits.waiting_connections = 4;
        options.limits.hello_timeout = Duration::from_secs(600);
    })
    .await;
    let mut squatters = Vec::new();
    for _ in 0..20 {
        squatters.push(server.connect("studio").await);
    }
    let mut polite = server.join("studio").await;
    let (messages, code) = squatters[0].until_closed().await;
    assert_eq!((&messages[0]["code"], code), (&json!("unavailable"), 1013));
    polite.is_served().await;
}

#[tokio::test]
async fn uploads_that_send_nothing_hold_no_place() {
    let server = TestServer::start().await;
    server.join("studio").await;
    let head = "POST /v1/rooms/studio/images HTTP/1.1\r\nHost: 127.0.0.1\r\n\
        Content-Length: 100000\r\n\r\na";
    let mut slow = Vec::new();
    for _ in 0..24 {
        let mut stream = connect(&server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let url = server.url("/v1/rooms/studio/images");
    let kept = Client::new()
        .post(url)
        .body(noise(64))
        .send()
        .await
        .unwrap();
    assert_eq!(kept.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_that_rests_ends() {
    let server = TestServer::start_with(|options| {
        options.limits.upload_stall = Duration::from_millis(200);
        options.limits.upload_timeout = Duration::from_secs(600);
    })
    .await;
    server.join("studio").await;
    let mut stream = connect(&server).await;
    let head = "POST /v1/rooms/studio/images HTTP/1.1\r\nHost: 127.0.0.1\r\n\
        Connection: close\r\nContent-Length: 100000\r\n\r\na";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("too_large"), "{answer}");
}

#[tokio::test]
async fn uploads_over_the_budget_are_put_off() {
    let server = TestServer::start_with(|options| options.limits.upload_bytes = 10_000).await;
    server.join("studio").await;
    let url = server.url("/v1/rooms/studio/images");
    let post = |body| Client::new().post(&url).body(body).send();
    let refused = post(noise(64)).await.unwrap();
    assert_eq!(put_off(refused).await, "unavailable");
    let small = post(noise(8)).await.unwrap();
    assert_eq!(small.status(), StatusCode::CREATED);
}

/// A room whose picture does not compress.
async fn noisy_room(server: &TestServer) {
    let mut member = server.join("studio").await;
    let url = server.url("/v1/rooms/studio/images");
    let kept = Client::new().post(url).body(noise(512)).send().await;
    let kept: Value = kept.unwrap().json().await.unwrap();
    let place = json!({"type": "place", "image": kept["image"], "mode": "plain"});
    member.send(place).await;
    member.until("ack").await;
}

#[tokio::test]
async fn pictures_that_nobody_reads_are_in_nobodys_way() {
    let server = TestServer::start().await;
    noisy_room(&server).await;
    let mut unread = Vec::new();
    for _ in 0..60 {
        let mut stream = connect(&server).await;
        let head = "GET /v1/rooms/studio/image?layer=sketch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        unread.push(stream);
    }
    let url = server.url("/v1/rooms/studio/images");
    let kept = Client::new()
        .post(url)
        .body(noise(64))
        .send()
        .await
        .unwrap();
    assert_eq!(kept.status(), StatusCode::CREATED);
    let pictures = (0..20).map(|_| get(&server, "/v1/rooms/studio/image?layer=sketch"));
    for picture in join_all(pictures).await {
        let png = picture.bytes().await.unwrap();
        let picture = image::load_from_memory(&png).unwrap();
        assert_eq!(picture.width(), 512);
    }
}

#[tokio::test]
async fn a_picture_that_is_not_read_ends_with_its_connection() {
    let server = TestServer::start_with(|options| {
        options.limits.write_window = Duration::from_millis(300);
        options.limits.picture_rate = 1 << 40;
    })
    .await;
    noisy_room(&server).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    // More than the buffers on the way hold: the answers to many questions at once.
    let head = "GET /v1/rooms/studio/image?layer=sketch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    stream.write_all(head.repeat(8).as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = read.expect("the connection stays open");
    assert!(bytes.len() < 8 * 512 * 512 * 3, "all of them came");
}

#[tokio::test]
async fn pictures_over_the_budget_are_put_off() {
    let server = TestServer::start_with(|options| options.limits.picture_bytes = 1000).await;
    server.join("studio").await;
    let refused = get(&server, "/v1/rooms/studio/image").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(put_off(refused).await, "unavailable");
}

#[tokio::test]
async fn rooms_are_limited_and_say_when_to_come_back() {
    let server = TestServer::start_with(|options| options.limits.rooms = 2).await;
    let _members = [server.join("one").await, server.join("two").await];
    let mut third = server.connect("three").await;
    third.hello(json!({})).await;
    let (messages, code) = third.until_closed().await;
    assert_eq!((&messages[0]["code"], code), (&json!("unavailable"), 1013));
    assert!(messages[0]["retry_after_ms"].as_u64().unwrap() > 0);
    let refused = make_room(&server, json!({})).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(put_off(refused).await, "unavailable");
    server.join("one").await;
}

/// Waits until the server has noticed that nobody is in a room.
async fn left(server: &TestServer, room: &str) {
    loop {
        let facts = get(server, &format!("/v1/rooms/{room}")).await;
        let facts: Value = facts.json().await.unwrap();
        if facts["members"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn kept_rooms_that_nobody_is_in_leave_memory_for_others_and_come_back() {
    // Two canvases of 512 × 512 have room, at 27 bytes a pixel.
    let two = 2 * 27 * 512 * 512;
    let server = TestServer::start_closed(|options| options.limits.room_bytes = two).await;
    let (journal, blobs) = (MemoryJournal::new(), MemoryBlobs::new());
    server.open_kept(RoomStore::new(Arc::new(journal), Arc::new(blobs)));
    let mut members = Vec::new();
    for room in ["one", "two"] {
        let mut member = server.join(room).await;
        member.send(stroke(room, 100.0, 100.0)).await;
        assert_eq!(member.until("ack").await["seq"], 1);
        members.push(member);
    }
    let mut third = server.connect("three").await;
    third.hello(json!({})).await;
    let (messages, code) = third.until_closed().await;
    assert_eq!((&messages[0]["code"], code), (&json!("unavailable"), 1013));
    for member in &mut members {
        member.is_served().await;
    }

    // The first that was left goes first.
    drop(members.remove(0));
    left(&server, "one").await;
    drop(members.remove(0));
    left(&server, "two").await;
    let _third = server.join("three").await;
    let mut back = server.connect("two").await;
    back.hello(json!({})).await;
    assert_eq!(back.until("welcome").await["seq"], 1, "it had not left");
    drop(back);
    left(&server, "two").await;
    let mut back = server.connect("one").await;
    back.hello(json!({})).await;
    assert_eq!(back.until("welcome").await["seq"], 1, "nothing is lost");

    let metrics = get(&server, "/metrics").await.text().await.unwrap();
    for name in [
        "impasto_room_bytes ",
        "impasto_room_bytes_budget ",
        "impasto_rooms_rested_total ",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
}

#[tokio::test]
async fn nobody_is_sent_out_for_a_room_that_cannot_come_in_all_the_same() {
    let one = 27 * 512 * 512;
    let server = TestServer::start_closed(|options| options.limits.room_bytes = one).await;
    let (journal, blobs) = (MemoryJournal::new(), MemoryBlobs::new());
    let store = RoomStore::new(Arc::new(journal), Arc::new(blobs));
    server.open_kept(store);
    drop(server.join("one").await);
    left(&server, "one").await;
    let refused = make_room(&server, json!({"width": 1024, "height": 1024})).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let made = make_room(&server, json!({"name": "two"})).await;
    assert_eq!(made.status(), StatusCode::CREATED, "one could leave for it");
    server.join("two").await.is_served().await;
}

#[tokio::test]
async fn rooms_that_nobody_is_in_are_limited_too() {
    let server = TestServer::start_with(|options| options.limits.empty_rooms = 2).await;
    // A room that is made and not entered takes nothing.
    for _ in 0..10 {
        let made = make_room(&server, json!({})).await;
        assert_eq!(made.status(), StatusCode::CREATED);
    }
    let mut member = server.join("keeper").await;
    for room in ["one", "two"] {
        server.join(room).await;
    }
    // Those who left are noticed a little later.
    let mut refusal = String::new();
    for attempt in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut client = server.connect(&format!("three-{attempt}")).await;
        client.hello(json!({})).await;
        let Event::Json(message) = client.next().await else {
            panic!("neither a welcome nor a refusal")
        };
        if message["type"] == "error" {
            assert_eq!(message["code"], "unavailable");
            refusal = message["message"].to_string();
            break;
        }
    }
    assert!(refusal.contains("nobody is in"), "{refusal}");
    member.is_served().await;
}

#[tokio::test]
async fn canvases_have_a_budget() {
    let server = TestServer::start_with(|options| options.limits.room_bytes = 100 << 20).await;
    let huge = make_room(&server, json!({"width": 4096, "height": 4096})).await;
    assert_eq!(put_off(huge).await, "unavailable");
    let small = make_room(&server, json!({"width": 1024, "height": 1024})).await;
    assert_eq!(small.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_address_makes_so_many_rooms_and_then_waits() {
    let server = TestServer::start_with(|options| {
        options.limits.room_rate = Rate {
            burst: NonZeroU32::new(2).unwrap(),
            every: Duration::from_secs(3600),
        };
    })
    .await;
    server.join("one").await;
    let made: Value = make_room(&server, json!({})).await.json().await.unwrap();
    let refused = make_room(&server, json!({})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(put_off(refused).await, "rate_limited");
    let mut third = server.connect("three").await;
    third.hello(json!({})).await;
    let (messages, code) = third.until_closed().await;
    assert_eq!((&messages[0]["code"], code), (&json!("rate_limited"), 1013));
    // Rooms that there are stay open.
    server.join("one").await;
    server.join(made["room"].as_str().unwrap()).await;
}

#[tokio::test]
async fn the_operators_room_is_always_admitted() {
    let server = TestServer::start_with(|options| {
        options.auth = true;
        options.limits.rooms = 1;
        options.limits.room_bytes = 0;
    })
    .await;
    let room = server.make_room(json!({"name": "other"})).await;
    let mut owner = server.connect("other").await;
    owner
        .hello(json!({"token": room["invites"]["owner"]}))
        .await;
    let (messages, code) = owner.until_closed().await;
    assert_eq!((&messages[0]["code"], code), (&json!("unavailable"), 1013));
    for name in ["studio", "other"] {
        let mut operator = server.connect(name).await;
        operator.hello(json!({"token": server.operator()})).await;
        operator.until("welcome").await;
    }
}

#[tokio::test]
async fn a_room_that_panics_tells_its_members_and_gives_its_place_back() {
    let server = TestServer::start_with(|options| options.limits.rooms = 2).await;
    let mut neighbour = server.join("other").await;
    let mut ada = server.join("broken").await;
    let mut bob = server.join("broken").await;
    let mut breaking = stroke("s", 50.0, 50.0);
    breaking["prompt"] = json!(BREAKS_THE_ROOM);
    let settings = json!({"type": "settings", "prompt": BREAKS_THE_ROOM});
    ada.send(settings).await;
    ada.send(breaking).await;
    for member in [&mut ada, &mut bob] {
        let (messages, code) = member.until_closed().await;
        assert_eq!(code, 1011);
        let goaway = messages.last().unwrap();
        assert_eq!(goaway["type"], "goaway");
    }
    neighbour.is_served().await;
    let mut again = server.join("broken").await;
    again.is_served().await;
}

#[tokio::test]
async fn without_its_device_a_server_ends_with_an_error() {
    let server = TestServer::start().await;
    let mut member = server.join("studio").await;
    server.switch.fail();
    let (_, code) = member.until_closed().await;
    assert_eq!(code, 1001);
    let ended = server.running.await.unwrap();
    assert!(
        matches!(ended, Err(ServerError::DeviceStopped)),
        "{ended:?}"
    );
}

/// Opens a websocket by hand, sends bytes after it, and answers the close code.
async fn closed_after(server: &TestServer, bytes: &[u8]) -> u16 {
    let mut stream = connect(server).await;
    let head = "GET /v1/rooms/studio/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(bytes).await.unwrap();
    loop {
        let first = stream.read_u8().await.unwrap();
        let length = match stream.read_u8().await.unwrap() {
            126 => u64::from(stream.read_u16().await.unwrap()),
            127 => stream.read_u64().await.unwrap(),
            length => u64::from(length),
        };
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if first & 15 == 8 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[tokio::test]
async fn broken_frames_are_answered_with_the_codes_of_the_rfc() {
    let server = TestServer::start().await;
    for (what, bytes, code) in [
        ("not UTF-8", &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe][..], 1007),
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0], 1002),
        ("no mask", &[0x81, 0x01, b'a'], 1002),
        ("a reserved bit", &[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (
            "too long",
            &[0x81, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0],
            1009,
        ),
    ] {
        assert_eq!(closed_after(&server, bytes).await, code, "{what}");
    }
    server.join("studio").await.is_served().await;
}

#[tokio::test]
async fn an_allowed_page_may_call_and_read_and_others_may_not() {
    let page = "https://paint.example";
    let server = TestServer::start_with(|options| {
        options.allowed_origins = vec![page.to_owned()];
    })
    .await;
    server.join("studio").await;
    let preflight = |origin: &'static str| {
        Client::new()
            .request(
                reqwest::Method::OPTIONS,
                server.url("/v1/rooms/studio/images"),
            )
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .send()
    };
    let answer = preflight(page).await.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(answer.headers()["access-control-allow-origin"], page);
    let allowed = answer.headers()["access-control-allow-headers"].to_str();
    assert!(allowed.unwrap().contains("authorization"));
    let answer = preflight("https://evil.example").await.unwrap();
    let headers = answer.headers();
    assert!(!headers.contains_key("access-control-allow-origin"));

    for path in ["/v1/model", "/v1/rooms/studio/image"] {
        let request = Client::new().get(server.url(path)).header("origin", page);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["access-control-allow-origin"], page);
    }
    // A refusal can be read too.
    let request = Client::new()
        .get(server.url("/v1/rooms/nowhere/image"))
        .header("origin", page);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()["access-control-allow-origin"], page);
}
