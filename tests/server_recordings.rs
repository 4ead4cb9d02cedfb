//! Recordings and time-lapses over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::Cursor;
use std::sync::Arc;

use image::AnimationDecoder;
use image::codecs::png::PngDecoder;
use impasto::journal::{MemoryBlobs, MemoryJournal};
use impasto::room::RoomStore;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{TestClient, TestServer, call, stroke};

async fn kept_server(auth: bool) -> TestServer {
    let server = TestServer::start_closed(|options| options.auth = auth).await;
    let store = RoomStore::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryBlobs::new()));
    server.open_kept(store);
    server
}

async fn get(server: &TestServer, path: &str, token: Option<&str>) -> Response {
    call(server, Method::GET, path, token, None).await
}

async fn refused(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap()).to_owned()
}

/// Paints a dab and waits for what the renderer makes of it.
async fn paint(member: &mut TestClient, id: &str, at: (f64, f64)) {
    member.send(stroke(id, at.0, at.1)).await;
    let seq = member.until("ack").await["seq"].as_u64().unwrap();
    member.until_frame(seq, at.0 as u32, at.1 as u32).await;
    member.is_served().await;
}

/// What a recording's body holds: the header and the picture of each.
fn pictures_of(body: &[u8]) -> Vec<(Value, image::RgbImage)> {
    let (mut rest, mut pictures) = (body, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (header, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        let header: Value = serde_json::from_slice(header).unwrap();
        let (file, after) = after.split_at(header["bytes"].as_u64().unwrap() as usize);
        let picture = image::load_from_memory(file).unwrap().into_rgb8();
        pictures.push((header, picture));
        rest = after;
    }
    pictures
}

/// What the renderer of the tests makes of a red stroke.
fn is_green([red, green, blue]: [u8; 3]) -> bool {
    green > 130 && red < 140 && blue < 140
}

/// A room of two pictures at least: with one dab, and with both.
async fn painted(server: &TestServer) -> TestClient {
    let mut member = server.join("studio").await;
    paint(&mut member, "a", (100.0, 100.0)).await;
    loop {
        // Until the first is on disk.
        let response = get(server, "/v1/rooms/studio/recording", None).await;
        let body = response.bytes().await.unwrap();
        let pictures = pictures_of(&body);
        let (_, last) = pictures.last().unwrap();
        if pictures.len() == 1 && is_green(last.get_pixel(101, 100).0) {
            // It may be the picture as it is now: the disk has it soon after.
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    paint(&mut member, "b", (300.0, 400.0)).await;
    member
}

#[tokio::test]
async fn a_recording_is_sent_picture_by_picture() {
    let server = kept_server(false).await;
    let _member = painted(&server).await;
    let response = get(&server, "/v1/rooms/studio/recording", None).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        header(&response, "content-type"),
        "application/octet-stream"
    );
    assert_eq!(header(&response, "cache-control"), "no-store");
    let frames: usize = header(&response, "impasto-frames").parse().unwrap();
    let pictures = pictures_of(&response.bytes().await.unwrap());
    assert_eq!(pictures.len(), frames);
    let (first, last) = (&pictures[0], &pictures[frames - 1]);
    assert!(frames >= 2 && first.0["seq"] == 1 && last.0["seq"] == 2);
    assert!(first.0["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(last.1.dimensions(), (512, 512));
    assert!(is_green(last.1.get_pixel(302, 400).0));
    assert!(is_green(last.1.get_pixel(102, 100).0));
    assert!(!is_green(first.1.get_pixel(302, 400).0));
}

#[tokio::test]
async fn a_time_lapse_is_an_animation_of_its_length_and_size() {
    let server = kept_server(false).await;
    let _member = painted(&server).await;
    let path = "/v1/rooms/studio/timelapse?format=apng&seconds=3&side=256";
    let response = get(&server, path, None).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "image/apng");
    let name = header(&response, "content-disposition");
    assert_eq!(name, "attachment; filename=\"studio-timelapse.png\"");
    let count: usize = header(&response, "impasto-frames").parse().unwrap();
    let file = response.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&file);
    assert!(text.contains("digitalsourcetype/trainedAlgorithmicMedia<"));
    let decoder = PngDecoder::new(Cursor::new(&file)).unwrap();
    let frames = decoder.apng().unwrap().into_frames();
    let frames: Vec<image::Frame> = frames.map(Result::unwrap).collect();
    assert_eq!(frames.len(), count);
    let length: u64 = frames
        .iter()
        .map(|frame| {
            let (numerator, denominator) = frame.delay().numer_denom_ms();
            u64::from(numerator / denominator)
        })
        .sum();
    // Three seconds, and the rest on the last picture.
    assert!((4490..=4500).contains(&length), "{length}");
    let pixel = |frame: &image::Frame, x, y| {
        let [red, green, blue, _] = frame.buffer().get_pixel(x, y).0;
        [red, green, blue]
    };
    let (first, last) = (&frames[0], &frames[count - 1]);
    assert_eq!(last.buffer().dimensions(), (256, 256));
    assert!(is_green(pixel(last, 151, 200)) && is_green(pixel(last, 51, 50)));
    assert!(!is_green(pixel(first, 151, 200)) && is_green(pixel(first, 51, 50)));
}

#[tokio::test]
async fn who_goes_away_ends_it_and_the_server_goes_on() {
    let server = kept_server(false).await;
    let mut member = painted(&server).await;
    for _ in 0..20 {
        let response = get(&server, "/v1/rooms/studio/timelapse?seconds=60", None).await;
        assert_eq!(response.status(), 200);
        drop(response);
    }
    let whole = get(&server, "/v1/rooms/studio/timelapse", None).await;
    assert!(!whole.bytes().await.unwrap().is_empty());
    member.is_served().await;
}

#[tokio::test]
async fn what_makes_no_sense_and_what_is_not_there_is_refused() {
    let server = kept_server(false).await;
    let _member = server.join("studio").await;
    for query in [
        "format=webm",
        "seconds=0",
        "seconds=61",
        "side=63",
        "side=513",
        "side=big",
        "frames=3",
    ] {
        let path = format!("/v1/rooms/studio/timelapse?{query}");
        let answer = refused(get(&server, &path, None).await).await;
        assert_eq!(answer, (400, "invalid_value".to_owned()), "{query}");
    }
    for path in ["/v1/rooms/nowhere/timelapse", "/v1/rooms/nowhere/recording"] {
        let answer = refused(get(&server, path, None).await).await;
        assert_eq!(answer, (404, "unknown_room".to_owned()), "{path}");
    }
    let forgetful = TestServer::start().await;
    let _member = forgetful.join("studio").await;
    let answer = get(&forgetful, "/v1/rooms/studio/recording", None).await;
    assert_eq!(refused(answer).await, (409, "not_kept".to_owned()));
}

#[tokio::test]
async fn viewers_may_see_it_and_strangers_may_not() {
    let server = kept_server(true).await;
    let room = server.make_room(json!({"name": "atelier"})).await;
    let viewer = room["invites"]["viewer"].as_str().unwrap();
    let mut member = server.connect("atelier").await;
    member.hello(json!({"token": viewer})).await;
    member.until("welcome").await;
    for call in ["recording", "timelapse"] {
        let path = format!("/v1/rooms/atelier/{call}");
        let stranger = refused(get(&server, &path, None).await).await;
        assert_eq!(stranger, (401, "invalid_token".to_owned()), "{call}");
        let seen = get(&server, &path, Some(viewer)).await;
        assert_eq!(seen.status(), 200, "{call}");
        assert!(!seen.bytes().await.unwrap().is_empty());
    }
}
