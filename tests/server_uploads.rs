//! Photos over HTTP, and files that only look like photos: each gets its answer, and the room and
//! the server notice nothing. The fixtures are from `tests/parity/photos.py`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::path::Path;

use image::RgbImage;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{TestClient, TestServer, stroke};

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/photos");
    std::fs::read(Path::new(folder).join(name)).unwrap()
}

async fn post(server: &TestServer, room: &str, body: Vec<u8>) -> Response {
    let path = format!("/v1/rooms/{room}/images");
    let request = Client::new().post(server.url(&path)).body(body);
    request.send().await.unwrap()
}

/// The code and the sentence of a refusal.
async fn refusal(response: Response) -> (String, String) {
    let body: Value = response.json().await.unwrap();
    let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// Uploads, places, and answers the sketch as the server serves it.
async fn placed(server: &TestServer, member: &mut TestClient, room: &str, name: &str) -> Vec<u8> {
    let response = post(server, room, fixture(name)).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{name}");
    let kept: Value = response.json().await.unwrap();
    let place = json!({"type": "place", "image": kept["image"], "mode": "plain"});
    member.send(place).await;
    member.until("ack").await;
    served(server, room).await
}

async fn served(server: &TestServer, room: &str) -> Vec<u8> {
    let path = format!("/v1/rooms/{room}/image?layer=sketch");
    let response = Client::new().get(server.url(&path)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.bytes().await.unwrap().to_vec()
}

fn pixels(png: &[u8]) -> RgbImage {
    image::load_from_memory(png).unwrap().into_rgb8()
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// The kinds of a PNG's chunks.
fn chunks(png: &[u8]) -> Vec<String> {
    let mut kinds = Vec::new();
    let mut rest = &png[8..];
    while let [a, b, c, d, kind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        kinds.push(String::from_utf8(kind[..4].to_vec()).unwrap());
        rest = &kind[4 + length + 4..];
    }
    kinds
}

#[tokio::test]
async fn a_phones_photo_is_placed_upright_and_nothing_but_its_pixels_is_served() {
    let server = TestServer::start().await;
    let mut member = server.join("camera").await;
    for name in ["camera.jpg", "camera.webp"] {
        let original = fixture(name);
        let secret = b"48 deg 51' N, 2 deg 17' E";
        let holds = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert!(
            holds(&original, secret),
            "the fixture has something to lose"
        );
        let png = placed(&server, &mut member, "camera", name).await;
        assert!(
            chunks(&png)
                .iter()
                .all(|kind| ["IHDR", "IDAT", "IEND"].contains(&kind.as_str()))
        );
        for text in [
            &secret[..],
            b"Exif",
            b"xmpmeta",
            b"impasto fixture",
            b"ICC_PROFILE",
        ] {
            assert!(!holds(&png, text), "{name} gives away {text:?}");
        }
        // The corners tell how it is turned; the middle of each patch is flat.
        let expected = pixels(&fixture("camera.srgb.png"));
        let canvas = pixels(&png);
        // 48 × 32 on a square: the height fits, the sides are cut off.
        let scale = 512.0 / 32.0;
        for (x, y) in [(12, 4), (36, 4), (12, 28), (36, 28), (20, 12)] {
            let at = |side: u32, middle: f64| ((f64::from(side) - middle) * scale + 256.0) as u32;
            let shown = canvas.get_pixel(at(x, 24.0), at(y, 16.0)).0;
            let wanted = expected.get_pixel(x, y).0;
            for (a, b) in shown.iter().zip(wanted) {
                assert!(
                    a.abs_diff(b) <= 6,
                    "{name} at {x},{y}: {shown:?}, not {wanted:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn every_odd_photo_is_a_picture() {
    let server = TestServer::start().await;
    let mut member = server.join("odd").await;
    for name in [
        "animated.png",
        "animated.webp",
        "cmyk.jpg",
        "cmyk-profile.jpg",
        "ycck-profile.jpg",
        "grey.png",
        "lossy.webp",
        "progressive.jpg",
        "orientation-6.webp",
    ] {
        let png = placed(&server, &mut member, "odd", name).await;
        let white = image::Rgb([255; 3]);
        assert!(pixels(&png).pixels().any(|pixel| *pixel != white), "{name}");
    }
    let dot = png(&RgbImage::from_pixel(1, 1, image::Rgb([7, 8, 9])));
    let response = post(&server, "odd", dot).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let kept: Value = response.json().await.unwrap();
    assert_eq!((&kept["width"], &kept["height"]), (&json!(1), &json!(1)));
    let place = json!({"type": "place", "image": kept["image"], "mode": "plain"});
    member.send(place).await;
    member.until("ack").await;
    let canvas = pixels(&served(&server, "odd").await);
    assert!(canvas.pixels().all(|pixel| pixel.0 == [7, 8, 9]));
}

/// The most memory that this process has held, in MiB; `None` where `/proc` is not.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024)
}

#[tokio::test]
async fn bad_files_are_refused_and_the_room_is_unharmed() {
    let server = TestServer::start().await;
    let mut member = server.join("bad").await;
    member.send(stroke("a", 100.0, 100.0)).await;
    member.until("ack").await;
    let before = served(&server, "bad").await;

    let camera = fixture("camera.jpg");
    let mut wrong_magic = fixture("p3-png.png");
    wrong_magic[1] = b'Q';
    let wide = png(&RgbImage::new(4097, 1));
    // A header of 8000 × 5000 pixels, which are not there; the small picture inside has one too.
    let mut huge_jpeg = camera.clone();
    let frame = huge_jpeg
        .windows(4)
        .rposition(|bytes| bytes == [0xff, 0xc0, 0, 17])
        .unwrap();
    huge_jpeg[frame + 5..frame + 9].copy_from_slice(&[0x13, 0x88, 0x1f, 0x40]);
    // A frame of 16383 × 16383 inside a picture of 10 × 10.
    let hollow_webp = {
        let mut bytes = b"RIFF\x2c\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x09\0\0\x09\0\0".to_vec();
        bytes.extend(b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\xff\x3f\xff\x3f");
        bytes
    };
    let cases: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        (
            "empty",
            Vec::new(),
            422,
            "invalid_image",
            "PNG, JPEG or WebP.",
        ),
        (
            "text",
            b"dear diary".to_vec(),
            422,
            "invalid_image",
            "PNG, JPEG or WebP.",
        ),
        (
            "svg",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            422,
            "invalid_image",
            "PNG, JPEG or WebP.",
        ),
        (
            "gif",
            b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
            422,
            "invalid_image",
            "PNG, JPEG or WebP.",
        ),
        (
            "wrong magic",
            wrong_magic,
            422,
            "invalid_image",
            "PNG, JPEG or WebP.",
        ),
        (
            "cut off",
            camera[..camera.len() * 3 / 4].to_vec(),
            422,
            "invalid_image",
            "export it again.",
        ),
        (
            "hollow",
            hollow_webp,
            422,
            "invalid_image",
            "export it again.",
        ),
        (
            "too wide",
            wide,
            413,
            "too_large",
            "at most 4096 a side and 16777216 in all.",
        ),
        (
            "40 megapixels",
            huge_jpeg,
            413,
            "too_large",
            "at most 4096 a side and 16777216 in all.",
        ),
        (
            "16 MiB and one",
            vec![0x89; (16 << 20) + 1],
            413,
            "too_large",
            "make it smaller.",
        ),
    ];
    for (name, body, status, code, ending) in cases {
        let response = post(&server, "bad", body).await;
        assert_eq!(response.status().as_u16(), status, "{name}");
        let (told, message) = refusal(response).await;
        assert_eq!(told, code, "{name}");
        assert!(message.ends_with(ending), "{name}: {message}");
    }
    // Pixels beyond the last row, a profile that inflates without end: pictures of 16 × 16 all the same.
    for name in ["bomb-pixels.png", "bomb-profile.png"] {
        let response = post(&server, "bad", fixture(name)).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{name}");
    }
    if let Some(peak) = peak_memory() {
        assert!(peak < 300, "{peak} MiB were held");
    }

    assert_eq!(
        served(&server, "bad").await,
        before,
        "the room is as it was"
    );
    member.send(stroke("b", 200.0, 200.0)).await;
    assert_eq!(member.until("ack").await["seq"], 2);
    member.is_served().await;
}

#[tokio::test]
async fn uploads_want_an_editor_and_are_refused_before_they_are_read() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room = server.make_room(json!({"name": "mine"})).await;
    let other = server.make_room(json!({"name": "other"})).await;
    let token = |room: &Value, role: &str| room["invites"][role].as_str().unwrap().to_owned();
    let url = server.url("/v1/rooms/mine/images");
    for (bearer, status, code) in [
        (None, 401, "invalid_token"),
        (Some("guess".to_owned()), 401, "invalid_token"),
        (Some(token(&other, "owner")), 401, "invalid_token"),
        (Some(token(&room, "viewer")), 403, "forbidden"),
    ] {
        // Nonsense would be a 422: the role is looked at first.
        let mut request = Client::new().post(&url).body("no picture");
        if let Some(bearer) = &bearer {
            request = request.bearer_auth(bearer);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{bearer:?}");
        let (told, message) = refusal(response).await;
        assert_eq!(told, code, "{bearer:?}");
        assert!(
            message.ends_with('.') && message.contains(": "),
            "{message}"
        );
    }
    for role in ["editor", "owner"] {
        let request = Client::new().post(&url).bearer_auth(token(&room, role));
        let response = request.body(fixture("grey.png")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED, "{role}");
    }
}

#[tokio::test]
async fn more_uploads_than_there_is_room_for_wait_their_turn() {
    let server = TestServer::start().await;
    server.join("many").await;
    let uploads = (0..40).map(|_| post(&server, "many", fixture("camera.jpg")));
    for response in futures_util::future::join_all(uploads).await {
        assert_eq!(response.status(), StatusCode::CREATED);
    }
}
