//! Rooms are told of, listed, renamed, duplicated and deleted, whether they run or not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use impasto::journal::{Journal, MemoryBlobs, MemoryJournal};
use impasto::room::{RegistryLimits, Renderer, RoomOptions, RoomRegistry, RoomStore};
use impasto::server::{Rate, ServerOptions};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use support::{Event, TestClient, TestRenderer, TestServer, call, stroke};
use tokio_util::sync::CancellationToken;

/// A server's disk, without one.
struct Disk {
    journal: Arc<MemoryJournal>,
    store: RoomStore,
}

impl Disk {
    fn new() -> Self {
        let journal = Arc::new(MemoryJournal::new());
        let store = RoomStore::new(journal.clone(), Arc::new(MemoryBlobs::new()));
        Self { journal, store }
    }

    async fn server(&self) -> (TestServer, RoomRegistry) {
        self.server_with(|_| {}, |_| {}).await
    }

    async fn server_with(
        &self,
        change: impl FnOnce(&mut ServerOptions),
        change_rooms: impl FnOnce(&mut RoomOptions),
    ) -> (TestServer, RoomRegistry) {
        serve(&self.store, change, change_rooms).await
    }
}

async fn serve(
    store: &RoomStore,
    change: impl FnOnce(&mut ServerOptions),
    change_rooms: impl FnOnce(&mut RoomOptions),
) -> (TestServer, RoomRegistry) {
    let server = TestServer::start_closed(change).await;
    let renderer = Arc::new(TestRenderer::default());
    let mut options = RoomOptions::new(renderer.default_settings().clone());
    change_rooms(&mut options);
    let limits = RegistryLimits::default();
    let shutdown = CancellationToken::new();
    let store = store.clone();
    let rooms = RoomRegistry::open(renderer.clone(), options, limits, shutdown, store).unwrap();
    let model = renderer.model_info().clone();
    server.switch.open(rooms.clone(), model, renderer);
    (server, rooms)
}

/// Rooms that are out of memory soon after the last member is.
fn soon(options: &mut RoomOptions) {
    options.idle_after = Duration::from_millis(50);
}

async fn until_none_runs(rooms: &RoomRegistry) {
    while rooms.counts().rooms > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn stop(server: TestServer) {
    server.switch.drain();
    server.running.await.unwrap().unwrap();
}

async fn get(server: &TestServer, path: &str, token: Option<&str>) -> Response {
    call(server, Method::GET, path, token, None).await
}

async fn refused(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.ends_with('.'), "{body}");
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

async fn facts(server: &TestServer, room: &str) -> Value {
    let response = get(server, &format!("/v1/rooms/{room}"), None).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

fn token(room: &Value, role: &str) -> String {
    room["invites"][role].as_str().unwrap().to_owned()
}

/// Paints a dab and waits for what the renderer makes of it.
async fn paint(member: &mut TestClient, id: &str, at: (f64, f64)) {
    member.send(stroke(id, at.0, at.1)).await;
    let seq = member.until("ack").await["seq"].as_u64().unwrap();
    member.until_frame(seq, at.0 as u32, at.1 as u32).await;
    member.is_served().await;
}

async fn prompt(member: &mut TestClient, prompt: &str) {
    member
        .send(json!({"type": "settings", "prompt": prompt}))
        .await;
    member.until("ack").await;
}

async fn picture(server: &TestServer, path: &str) -> image::RgbImage {
    let response = get(server, path, None).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let bytes = response.bytes().await.unwrap();
    image::load_from_memory(&bytes).unwrap().into_rgb8()
}

/// What the renderer of the tests makes of a red stroke.
fn is_green([red, green, blue]: [u8; 3]) -> bool {
    green > 150 && red < 120 && blue < 120
}

#[tokio::test]
async fn a_room_is_called_by_its_prompt_until_it_gets_a_title() {
    let disk = Disk::new();
    let (server, rooms) = disk.server().await;
    let mut member = server.join("studio").await;
    let nameless = facts(&server, "studio").await;
    assert_eq!(nameless.get("title"), None);
    assert_eq!(nameless["canvas"], json!({"width": 512, "height": 512}));
    assert_eq!(
        (&nameless["members"], &nameless["kept"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(nameless["role"], "owner");
    assert_eq!(nameless["makes_rooms"], true);
    assert_eq!(nameless["auth"], false);
    assert!(nameless["changed_at"].as_u64().unwrap() > 1_700_000_000);
    prompt(&mut member, "  a red boat\nat dusk ").await;
    assert_eq!(
        facts(&server, "studio").await["title"],
        "a red boat at dusk"
    );

    // Undone prompts count as well, on disk too.
    prompt(&mut member, "a blue whale").await;
    member.send(json!({"type": "undo"})).await;
    member.until("ack").await;
    assert_eq!(
        facts(&server, "studio").await["title"],
        "a red boat at dusk"
    );

    let rename = |body: Value| call(&server, Method::PATCH, "/v1/rooms/studio", None, Some(body));
    let renamed = rename(json!({"title": " My\u{202e} boat "})).await;
    assert_eq!(renamed.status(), StatusCode::OK);
    let renamed: Value = renamed.json().await.unwrap();
    assert_eq!(renamed["title"], "My boat");
    let long = rename(json!({"title": "x".repeat(81)})).await;
    assert_eq!(refused(long).await, (400, "invalid_value".to_owned()));
    let none = rename(json!({})).await;
    assert_eq!(refused(none).await, (400, "malformed_message".to_owned()));
    drop(rooms);
    stop(server).await;

    // The title is there after a restart, and so is the prompt; nobody is in the room for it.
    let (server, rooms) = disk.server().await;
    assert_eq!(facts(&server, "studio").await["title"], "My boat");
    let untitled = json!({"title": ""});
    call(
        &server,
        Method::PATCH,
        "/v1/rooms/studio",
        None,
        Some(untitled),
    )
    .await;
    let told = facts(&server, "studio").await;
    assert_eq!(told["title"], "a red boat at dusk");
    assert_eq!(told["members"], 0);
    assert_eq!(rooms.counts().rooms, 0);
    let nowhere = get(&server, "/v1/rooms/nowhere", None).await;
    assert_eq!(refused(nowhere).await, (404, "unknown_room".to_owned()));
}

#[tokio::test]
async fn a_server_without_a_disk_knows_titles_too() {
    let server = TestServer::start().await;
    let _member = server.join("studio").await;
    let title = json!({"title": "For now"});
    call(
        &server,
        Method::PATCH,
        "/v1/rooms/studio",
        None,
        Some(title),
    )
    .await;
    let told = facts(&server, "studio").await;
    assert_eq!(
        (&told["title"], &told["kept"]),
        (&json!("For now"), &json!(false))
    );
    let copied = call(
        &server,
        Method::POST,
        "/v1/rooms/studio/duplicate",
        None,
        Some(json!({})),
    );
    assert_eq!(refused(copied.await).await, (409, "not_kept".to_owned()));
    let gone = call(&server, Method::DELETE, "/v1/rooms/studio", None, None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn only_the_operator_is_told_of_every_room() {
    let disk = Disk::new();
    let (server, _rooms) = disk
        .server_with(|options| options.auth = true, |_| {})
        .await;
    let made = server.make_room(json!({"name": "private"})).await;
    let mut owner = server.connect("private").await;
    owner.hello(json!({"token": token(&made, "owner")})).await;
    owner.until("welcome").await;
    for stranger in [None, Some(token(&made, "owner"))] {
        let list = get(&server, "/v1/rooms", stranger.as_deref()).await;
        assert_eq!(refused(list).await, (401, "invalid_token".to_owned()));
    }
    let operator = server.operator();
    let list: Value = get(&server, "/v1/rooms", Some(&operator))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["rooms"][0]["room"], "private");
    assert!(list["rooms"][0]["changed_at"].is_u64());

    // Without auth this machine's people are trusted, and others have no list.
    let disk = Disk::new();
    let (server, _rooms) = disk.server().await;
    let mut first = server.join("first").await;
    server.join("second").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    paint(&mut first, "a", (100.0, 100.0)).await;
    let list: Value = get(&server, "/v1/rooms", None).await.json().await.unwrap();
    let names: Vec<_> = list["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["room"])
        .collect();
    assert_eq!(names, ["first", "second"], "what changed last comes first");
    let public =
        |options: &mut ServerOptions| options.public_url = Some("https://a.example".into());
    let (server, _rooms) = Disk::new().server_with(public, |_| {}).await;
    let list = get(&server, "/v1/rooms", None).await;
    assert_eq!(refused(list).await, (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn each_role_may_do_its_part() {
    let disk = Disk::new();
    let (server, rooms) = disk
        .server_with(|options| options.auth = true, |_| {})
        .await;
    let made = server
        .make_room(json!({"name": "ours", "width": 256, "height": 128}))
        .await;
    let other = server.make_room(json!({"name": "theirs"})).await;
    let path = "/v1/rooms/ours";
    let duplicate = "/v1/rooms/ours/duplicate";
    let title = Some(json!({"title": "Ours"}));
    for role in ["viewer", "editor"] {
        let role = token(&made, role);
        let looks = get(&server, path, Some(&role)).await;
        assert_eq!(looks.status(), StatusCode::OK);
        let looks: Value = looks.json().await.unwrap();
        assert_eq!(
            looks["canvas"],
            json!({"width": 256, "height": 128}),
            "nobody was in it yet"
        );
        assert_eq!(looks["makes_rooms"], false);
        assert_eq!(looks["auth"], true);
        let sees = get(&server, "/v1/rooms/ours/thumbnail", Some(&role)).await;
        assert_eq!(sees.status(), StatusCode::OK);
        let forbidden = (403, "forbidden".to_owned());
        let renamed = call(&server, Method::PATCH, path, Some(&role), title.clone()).await;
        assert_eq!(refused(renamed).await, forbidden);
        let deleted = call(&server, Method::DELETE, path, Some(&role), None).await;
        assert_eq!(refused(deleted).await, forbidden);
    }
    for stranger in [None, Some(token(&other, "owner"))] {
        let stranger = stranger.as_deref();
        for (method, path) in [
            (Method::GET, path),
            (Method::PATCH, path),
            (Method::DELETE, path),
            (Method::GET, "/v1/rooms/ours/thumbnail"),
            (Method::POST, duplicate),
        ] {
            let answer = call(&server, method, path, stranger, title.clone()).await;
            assert_eq!(
                refused(answer).await,
                (401, "invalid_token".to_owned()),
                "{path}"
            );
        }
    }
    assert_eq!(rooms.counts().rooms, 0, "none of that let anybody in");
    let owner = token(&made, "owner");
    let copied = call(
        &server,
        Method::POST,
        duplicate,
        Some(&owner),
        Some(json!({})),
    )
    .await;
    assert_eq!(
        refused(copied).await,
        (401, "invalid_token".to_owned()),
        "only the operator makes rooms"
    );
    let renamed = call(&server, Method::PATCH, path, Some(&owner), title).await;
    assert_eq!(renamed.status(), StatusCode::OK);
    let operator = server.operator();
    let copied = call(
        &server,
        Method::POST,
        duplicate,
        Some(&operator),
        Some(json!({})),
    )
    .await;
    assert_eq!(copied.status(), StatusCode::CREATED);
    let copied: Value = copied.json().await.unwrap();
    let copy = format!("/v1/rooms/{}", copied["room"].as_str().unwrap());
    let told = get(&server, &copy, Some(&token(&copied, "viewer"))).await;
    let told: Value = told.json().await.unwrap();
    assert_eq!(
        (&told["title"], &told["role"]),
        (&json!("Copy of Ours"), &json!("viewer"))
    );
    let deleted = call(&server, Method::DELETE, path, Some(&owner), None).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_thumbnail_needs_nobody_in_the_room() {
    let disk = Disk::new();
    let (server, rooms) = disk.server_with(|_| {}, soon).await;
    let mut member = server.join("studio").await;
    paint(&mut member, "a", (100.0, 100.0)).await;
    let path = "/v1/rooms/studio/thumbnail";
    let small = picture(&server, path).await;
    assert_eq!(small.dimensions(), (384, 384));
    assert!(
        is_green(small.get_pixel(76, 75).0),
        "{:?}",
        small.get_pixel(76, 75)
    );
    drop(member);
    until_none_runs(&rooms).await;
    // From the snapshot that the room left.
    assert!(is_green(picture(&server, path).await.get_pixel(76, 75).0));
    let first = get(&server, path, None).await;
    assert_eq!(first.headers()["content-type"], "image/jpeg");
    assert_eq!(first.headers()["cache-control"], "private, no-cache");
    let tag = first.headers()["etag"].clone();
    let again = |tag| {
        Client::new()
            .get(server.url(path))
            .header("if-none-match", tag)
            .send()
    };
    let same = again(tag.clone()).await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(rooms.counts().rooms, 0, "no room came back for it");

    // From the records of a room that was stopped before it left one.
    let mut member = server.join("studio").await;
    paint(&mut member, "b", (300.0, 300.0)).await;
    assert_eq!(again(tag).await.unwrap().status(), StatusCode::OK);
    stop(server).await;
    let (server, rooms) = disk.server().await;
    let small = picture(&server, path).await;
    assert!(is_green(small.get_pixel(76, 75).0) && is_green(small.get_pixel(226, 225).0));
    assert_eq!(rooms.counts().rooms, 0);
    let nowhere = get(&server, "/v1/rooms/nowhere/thumbnail", None).await;
    assert_eq!(refused(nowhere).await, (404, "unknown_room".to_owned()));
}

#[tokio::test]
async fn a_duplicate_goes_its_own_way() {
    let disk = Disk::new();
    let (server, _rooms) = disk.server().await;
    let mut member = server.join("studio").await;
    prompt(&mut member, "a red boat").await;
    paint(&mut member, "a", (100.0, 100.0)).await;
    let duplicate = |body: Value| {
        call(
            &server,
            Method::POST,
            "/v1/rooms/studio/duplicate",
            None,
            Some(body),
        )
    };
    let copied = duplicate(json!({})).await;
    assert_eq!(copied.status(), StatusCode::CREATED);
    let copied: Value = copied.json().await.unwrap();
    let copy = copied["room"].as_str().unwrap().to_owned();
    assert_eq!(
        copied["url"],
        format!("http://{}/?room={copy}", server.address)
    );
    let told = facts(&server, &copy).await;
    assert_eq!(told["title"], "Copy of a red boat");
    assert_eq!(told["canvas"], json!({"width": 512, "height": 512}));

    // Both have the picture, and only one has what comes after.
    let mut other = server.join(&copy).await;
    let image = |room: &str| format!("/v1/rooms/{room}/image?layer=result");
    assert_eq!(
        picture(&server, &image(&copy)).await,
        picture(&server, &image("studio")).await
    );
    paint(&mut other, "b", (300.0, 300.0)).await;
    let changed = picture(&server, &image(&copy)).await;
    assert_ne!(changed, picture(&server, &image("studio")).await);
    stop(server).await;

    // Neither runs now: a copy of the copy is as it was, and it is there after one more restart.
    let (server, rooms) = disk.server().await;
    let path = format!("/v1/rooms/{copy}/duplicate");
    let body = Some(json!({"title": "Third"}));
    let third = call(&server, Method::POST, &path, None, body).await;
    let third: Value = third.json().await.unwrap();
    let third = third["room"].as_str().unwrap().to_owned();
    assert_eq!(rooms.counts().rooms, 0);
    stop(server).await;
    let (server, _rooms) = disk.server().await;
    assert_eq!(facts(&server, &third).await["title"], "Third");
    server.join(&third).await;
    assert_eq!(picture(&server, &image(&third)).await, changed);
}

#[tokio::test]
async fn a_copy_of_a_room_that_left_memory_lasts_on_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = RoomStore::open(folder.path()).unwrap();
    let (server, rooms) = serve(&store, |_| {}, soon).await;
    let mut member = server.join("studio").await;
    paint(&mut member, "a", (100.0, 100.0)).await;
    drop(member);
    until_none_runs(&rooms).await;
    // The room left a snapshot, and has records after it.
    let mut member = server.join("studio").await;
    paint(&mut member, "b", (300.0, 300.0)).await;
    let image = |room: &str| format!("/v1/rooms/{room}/image?layer=result");
    let whole = picture(&server, &image("studio")).await;
    let path = "/v1/rooms/studio/duplicate";
    let copied = call(&server, Method::POST, path, None, Some(json!({}))).await;
    let copied: Value = copied.json().await.unwrap();
    let copy = copied["room"].as_str().unwrap().to_owned();
    let deleted = call(&server, Method::DELETE, "/v1/rooms/studio", None, None).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    rooms.sweep();
    let mut other = server.join(&copy).await;
    assert_eq!(picture(&server, &image(&copy)).await, whole);
    paint(&mut other, "c", (200.0, 400.0)).await;
    let changed = picture(&server, &image(&copy)).await;
    drop(other);
    until_none_runs(&rooms).await;
    stop(server).await;
    drop((rooms, store));

    // Another server may take the folder once the last task of this one has let go of it.
    let store = loop {
        match RoomStore::open(folder.path()) {
            Ok(store) => break store,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let (server, rooms) = serve(&store, |_| {}, soon).await;
    assert!(rooms.exists(&copy) && !rooms.exists("studio"));
    server.join(&copy).await;
    assert_eq!(picture(&server, &image(&copy)).await, changed);
}

#[tokio::test]
async fn duplicates_count_as_rooms_that_are_made() {
    let rare = |options: &mut ServerOptions| {
        options.limits.room_rate = Rate {
            burst: NonZeroU32::new(2).unwrap(),
            every: Duration::from_secs(3600),
        };
    };
    let (server, _rooms) = Disk::new().server_with(rare, |_| {}).await;
    server.join("studio").await;
    let duplicate = || {
        let path = "/v1/rooms/studio/duplicate";
        call(&server, Method::POST, path, None, Some(json!({})))
    };
    assert_eq!(duplicate().await.status(), StatusCode::CREATED);
    let many = duplicate().await;
    assert!(many.headers().contains_key("retry-after"));
    assert_eq!(refused(many).await, (429, "rate_limited".to_owned()));
}

#[tokio::test]
async fn who_is_in_a_deleted_room_is_told_and_let_go() {
    let disk = Disk::new();
    let (server, rooms) = disk.server().await;
    let mut member = server.join("studio").await;
    paint(&mut member, "a", (100.0, 100.0)).await;
    server.join("resting").await;
    let deleted = call(&server, Method::DELETE, "/v1/rooms/studio", None, None).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let (messages, close) = member.until_closed().await;
    let last = messages.last().unwrap();
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("error"), &json!("room_deleted"))
    );
    assert_eq!(close, 1008);
    assert!(!rooms.exists("studio"));
    assert_eq!(
        disk.journal.rooms().unwrap().len(),
        1,
        "its records are gone"
    );

    // Who comes back with unsent strokes makes no new room of it.
    for _ in 0..2 {
        let mut late = server.connect("studio").await;
        late.hello(json!({"last_seq": 1})).await;
        let (messages, close) = late.until_closed().await;
        assert_eq!(
            (&messages[0]["code"], close),
            (&json!("room_deleted"), 1008)
        );
    }
    let gone = (410, "room_deleted".to_owned());
    for (method, path) in [
        (Method::GET, "/v1/rooms/studio"),
        (Method::GET, "/v1/rooms/studio/thumbnail"),
        (Method::GET, "/v1/rooms/studio/image"),
        (Method::DELETE, "/v1/rooms/studio"),
    ] {
        let answer = call(&server, method, path, None, None).await;
        assert_eq!(refused(answer).await, gone, "{path}");
    }
    let again = json!({"name": "studio"});
    let made = call(&server, Method::POST, "/v1/rooms", None, Some(again)).await;
    assert_eq!(
        made.status(),
        StatusCode::CREATED,
        "who asks for the name by itself gets it"
    );
    let mut anew = server.join("studio").await;
    assert!(matches!(anew.next().await, Event::Frame(..)));
    stop(server).await;

    let (server, rooms) = disk.server().await;
    let deleted = call(&server, Method::DELETE, "/v1/rooms/resting", None, None).await;
    assert_eq!(
        deleted.status(),
        StatusCode::NO_CONTENT,
        "a room that does not run"
    );
    assert!(!rooms.exists("resting"));
    assert_eq!(disk.journal.rooms().unwrap().len(), 1);
    let nowhere = call(&server, Method::DELETE, "/v1/rooms/nowhere", None, None).await;
    assert_eq!(refused(nowhere).await, (404, "unknown_room".to_owned()));
}

#[tokio::test]
async fn invites_of_a_deleted_room_open_nothing_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let in_folder = |options: &mut ServerOptions| {
        options.auth = true;
        options.data = Some(folder.path().to_owned());
    };
    let (server, _rooms) = disk.server_with(in_folder, |_| {}).await;
    let made = server.make_room(json!({"name": "private"})).await;
    let owner = token(&made, "owner");
    let path = "/v1/rooms/private";
    let deleted = call(&server, Method::DELETE, path, Some(&owner), None).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    stop(server).await;

    let (server, rooms) = disk.server_with(in_folder, |_| {}).await;
    let gone = (410, "room_deleted".to_owned());
    assert_eq!(refused(get(&server, path, Some(&owner)).await).await, gone);
    let mut late = server.connect("private").await;
    late.hello(json!({"token": token(&made, "editor")})).await;
    let (messages, _) = late.until_closed().await;
    assert_eq!(messages[0]["code"], "room_deleted");
    let operator = server.operator();
    let again = Some(json!({"name": "private"}));
    let again = call(&server, Method::POST, "/v1/rooms", Some(&operator), again).await;
    assert_eq!(
        refused(again).await,
        (409, "room_exists".to_owned()),
        "its old links would open it"
    );
    let mut bearer = server.connect("private").await;
    bearer.hello(json!({"token": operator})).await;
    let (messages, _) = bearer.until_closed().await;
    assert_eq!(
        messages[0]["code"], "room_deleted",
        "nor does the operator make it by coming in"
    );
    assert!(!rooms.exists("private"));

    // The operator's link leads to the start page where the first room is gone.
    let deleted = call(
        &server,
        Method::DELETE,
        "/v1/rooms/studio",
        Some(&operator),
        None,
    )
    .await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let url = server.switch.url_to_open(server.address).unwrap();
    assert_eq!(url, format!("http://{}/#token={operator}", server.address));
}
