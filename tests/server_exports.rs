//! Pictures leave a room as files that say what they were made with, and OpenRaster files come back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::{Cursor, Write};

use exif::{In, Tag, Value as ExifValue};
use image::codecs::jpeg::JpegDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ImageDecoder, RgbImage};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use support::{TestClient, TestServer, call, stroke};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

async fn get(server: &TestServer, path: &str, token: Option<&str>) -> Response {
    call(server, Method::GET, path, token, None).await
}

async fn file(server: &TestServer, path: &str) -> Vec<u8> {
    let response = get(server, path, None).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.bytes().await.unwrap().to_vec()
}

async fn refused(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (status, text("code"), text("message"))
}

fn pixels(file: &[u8]) -> RgbImage {
    image::load_from_memory(file).unwrap().into_rgb8()
}

fn holds(file: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    file.windows(text.len()).any(|part| part == text)
}

/// The text of PNG's parameters and its XMP.
fn png_notes(file: &[u8]) -> (Option<String>, String) {
    let reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let info = reader.info();
    let mut texts = info.uncompressed_latin1_text.iter();
    let text = texts.find(|it| it.keyword == "parameters");
    let mut packets = info.utf8_text.iter();
    let xmp = packets.find(|it| it.keyword == "XML:com.adobe.xmp");
    let text = text.map(|it| it.text.clone());
    (text, xmp.unwrap().get_text().unwrap())
}

fn comment(exif: Vec<u8>) -> String {
    let exif = exif::Reader::new().read_raw(exif).unwrap();
    let field = exif.get_field(Tag::UserComment, In::PRIMARY).unwrap();
    let ExifValue::Undefined(bytes, _) = &field.value else {
        panic!("a user comment is bytes: {:?}", field.value);
    };
    let units = bytes.strip_prefix(b"UNICODE\0").unwrap().chunks_exact(2);
    let units: Vec<u16> = units
        .map(|unit| u16::from_be_bytes([unit[0], unit[1]]))
        .collect();
    String::from_utf16(&units).unwrap()
}

/// Paints a dab and waits for what the renderer makes of it.
async fn paint(member: &mut TestClient, id: &str, at: (f64, f64)) {
    member.send(stroke(id, at.0, at.1)).await;
    let seq = member.until("ack").await["seq"].as_u64().unwrap();
    member.until_frame(seq, at.0 as u32, at.1 as u32).await;
    member.is_served().await;
}

async fn upload(server: &TestServer, path: &str, body: Vec<u8>) -> Response {
    let request = Client::new().post(server.url(path)).body(body);
    request.send().await.unwrap()
}

async fn place(member: &mut TestClient, answer: Response) {
    assert_eq!(answer.status(), StatusCode::CREATED);
    let kept: Value = answer.json().await.unwrap();
    let place = json!({"type": "place", "image": kept["image"], "mode": "plain"});
    member.send(place).await;
    member.until("ack").await;
}

/// A room with a green dab that a model made of a red one.
async fn painted(server: &TestServer, room: &str) -> TestClient {
    let mut member = server.join(room).await;
    let settings = json!({
        "type": "settings", "prompt": "a harbour, by night", "negative_prompt": "people", "seed": 42
    });
    member.send(settings).await;
    member.until("ack").await;
    paint(&mut member, "a", (100.0, 100.0)).await;
    member
}

const TEXT: &str = "a harbour, by night\nNegative prompt: people\nSteps: 2, Sampler: LCM, \
    CFG scale: 1, Seed: 42, Size: 512x512, Model: turner, Denoising strength: 1, Version: Impasto ";
const GENERATED: &str = "digitalsourcetype/trainedAlgorithmicMedia<";
const EDITED: &str = "digitalsourcetype/compositeWithTrainedAlgorithmicMedia<";

#[tokio::test]
async fn every_format_says_what_it_was_made_with() {
    let server = TestServer::start().await;
    let _member = painted(&server, "studio").await;
    let shown = pixels(&file(&server, "/v1/rooms/studio/image").await);

    let response = get(&server, "/v1/rooms/studio/export?format=png", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"studio.png\""
    );
    let png = response.bytes().await.unwrap();
    let (text, xmp) = png_notes(&png);
    assert!(text.unwrap().starts_with(TEXT));
    assert!(xmp.contains(GENERATED), "{xmp}");
    assert_eq!(pixels(&png), shown);

    let jpeg = file(&server, "/v1/rooms/studio/export?format=jpeg&quality=80").await;
    let mut decoder = JpegDecoder::new(Cursor::new(&jpeg)).unwrap();
    assert!(comment(decoder.exif_metadata().unwrap().unwrap()).starts_with(TEXT));
    let xmp = decoder.xmp_metadata().unwrap().unwrap();
    assert!(holds(&xmp, GENERATED));
    assert_eq!(pixels(&jpeg).dimensions(), (512, 512));
    let smaller = file(&server, "/v1/rooms/studio/export?format=jpeg&quality=10").await;
    assert!(smaller.len() < jpeg.len());

    let webp = file(&server, "/v1/rooms/studio/export?format=webp").await;
    let mut decoder = WebPDecoder::new(Cursor::new(&webp)).unwrap();
    assert!(comment(decoder.exif_metadata().unwrap().unwrap()).starts_with(TEXT));
    assert!(holds(&decoder.xmp_metadata().unwrap().unwrap(), GENERATED));
    assert_eq!(pixels(&webp), shown);

    let silent = file(
        &server,
        "/v1/rooms/studio/export?format=png&settings=false&scale=2",
    )
    .await;
    let (text, xmp) = png_notes(&silent);
    assert_eq!(text, None);
    assert!(xmp.contains(GENERATED), "that it is a model's stays said");
    let enlarged = pixels(&silent);
    assert_eq!(enlarged.dimensions(), (1024, 1024));
    assert_eq!(enlarged.get_pixel(204, 200), shown.get_pixel(102, 100));

    let sketch = file(&server, "/v1/rooms/studio/export?format=png&layer=sketch").await;
    let (text, xmp) = png_notes(&sketch);
    assert_eq!(text, None, "no model made the sketch");
    assert!(!xmp.contains("DigitalSourceType"), "{xmp}");
    let painted = file(&server, "/v1/rooms/studio/image?layer=sketch").await;
    assert_eq!(pixels(&sketch), pixels(&painted));
}

#[tokio::test]
async fn a_photo_is_no_models_work_until_a_part_of_it_is() {
    let server = TestServer::start().await;
    let mut member = server.join("photo").await;
    let photo = RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, 2 * y as u8, 30]));
    let mut bytes = Cursor::new(Vec::new());
    photo.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let answer = upload(&server, "/v1/rooms/photo/images", bytes.into_inner()).await;
    place(&mut member, answer).await;
    for format in ["png", "jpeg", "webp", "ora"] {
        let path = format!("/v1/rooms/photo/export?format={format}");
        let file = file(&server, &path).await;
        assert!(!holds(&file, "DigitalSourceType"), "{format}");
        assert!(!holds(&file, "Steps: "), "{format}");
    }
    let placed = pixels(&file(&server, "/v1/rooms/photo/image").await);
    paint(&mut member, "a", (300.0, 300.0)).await;
    for format in ["png", "jpeg", "webp", "ora"] {
        let path = format!("/v1/rooms/photo/export?format={format}");
        assert!(holds(&file(&server, &path).await, EDITED), "{format}");
    }
    let ora = file(&server, "/v1/rooms/photo/export?format=ora").await;
    let answer = upload(&server, "/v1/rooms/photo/images?layer=photo", ora).await;
    place(&mut member, answer).await;
    let back = pixels(&file(&server, "/v1/rooms/photo/image").await);
    assert_eq!(back, placed, "the photo comes back as it was");
}

#[tokio::test]
async fn painted_layers_are_layers_of_the_file_and_pictures_of_their_own() {
    let server = TestServer::start().await;
    let mut member = painted(&server, "here").await;
    let add = json!({"type": "layer", "action": "add", "name": "Ink & light"});
    member.send(add).await;
    let layer = loop {
        let told = member.until("op").await;
        if let Some(layers) = told["layers"].as_array() {
            break layers[1]["id"].as_u64().unwrap();
        }
    };
    member
        .send(
            json!({"type": "layer", "action": "set", "layer": layer, "blend": "multiply",
            "opacity": 0.5, "visible": false}),
        )
        .await;
    let mut dab = stroke("above", 40.0, 40.0);
    dab["layer"] = json!(layer);
    member.send(dab).await;
    while member.until("ack").await["id"] != "above" {}
    let ora = file(&server, "/v1/rooms/here/export?format=ora").await;
    let mut archive = ZipArchive::new(Cursor::new(&ora)).unwrap();
    let stack = std::io::read_to_string(archive.by_name("stack.xml").unwrap()).unwrap();
    let line = stack.lines().find(|line| line.contains("Ink &amp; light"));
    let line = line.unwrap();
    for said in [
        "opacity=\"0.5\"",
        "visibility=\"hidden\"",
        "composite-op=\"svg:multiply\"",
    ] {
        assert!(line.contains(said), "{line}");
    }
    let png = file(&server, &format!("/v1/rooms/here/layers/{layer}")).await;
    let picture = image::load_from_memory(&png).unwrap().into_rgba8();
    assert_eq!(picture.get_pixel(40, 40).0, [255, 0, 0, 255]);
    assert_eq!(picture.get_pixel(2, 2).0, [0; 4]);
    let lowest = file(&server, "/v1/rooms/here/layers/0").await;
    assert!(
        !image::load_from_memory(&lowest)
            .unwrap()
            .color()
            .has_alpha()
    );
    let gone = get(&server, "/v1/rooms/here/layers/99", None).await;
    let (status, code, _) = refused(gone).await;
    assert_eq!((status, code.as_str()), (404, "unknown_layer"));
}

#[tokio::test]
async fn layers_go_to_another_program_and_back() {
    let server = TestServer::start().await;
    let _member = painted(&server, "here").await;
    let response = get(&server, "/v1/rooms/here/export?format=ora", None).await;
    assert_eq!(response.headers()["content-type"], "image/openraster");
    let ora = response.bytes().await.unwrap().to_vec();
    let mut archive = ZipArchive::new(Cursor::new(&ora)).unwrap();
    let mut names: Vec<String> = archive.file_names().map(|it| it.unwrap().into()).collect();
    assert_eq!(names.remove(0), "mimetype");
    names.sort();
    let expected = [
        "Thumbnails/thumbnail.png",
        "data/result.png",
        "data/sketch.png",
        "mergedimage.png",
        "stack.xml",
    ];
    assert_eq!(names, expected);
    let stack = std::io::read_to_string(archive.by_name("stack.xml").unwrap()).unwrap();
    assert!(stack.find("Result").unwrap() < stack.find("Sketch").unwrap());

    let mut member = server.join("there").await;
    let layers = [
        ("", "result"),
        ("?layer=result", "result"),
        ("?layer=sketch", "sketch"),
    ];
    for (query, layer) in layers {
        let path = format!("/v1/rooms/there/images{query}");
        let answer = upload(&server, &path, ora.clone()).await;
        place(&mut member, answer).await;
        let expected = file(&server, &format!("/v1/rooms/here/image?layer={layer}")).await;
        let placed = file(&server, "/v1/rooms/there/image").await;
        assert_eq!(pixels(&placed), pixels(&expected), "{query}");
    }
    let path = "/v1/rooms/there/images?layer=photo";
    let (status, code, message) = refused(upload(&server, path, ora).await).await;
    assert_eq!((status, code.as_str()), (422, "invalid_image"));
    assert!(message.contains("no layer named Photo"), "{message}");
    let png = file(&server, "/v1/rooms/here/image").await;
    let (status, code, message) = refused(upload(&server, path, png).await).await;
    assert_eq!((status, code.as_str()), (400, "invalid_value"));
    assert!(message.contains("Only an OpenRaster file"), "{message}");
}

fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in parts {
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[tokio::test]
async fn hostile_archives_are_refused_and_the_room_is_unharmed() {
    let server = TestServer::start().await;
    let mut member = painted(&server, "bad").await;
    let before = file(&server, "/v1/rooms/bad/image").await;
    let mimetype = ("mimetype", &b"image/openraster"[..]);
    let bomb = vec![0; 64 << 20];
    let names: Vec<String> = (0..1000).map(|layer| format!("data/{layer}.png")).collect();
    let mut many = vec![mimetype];
    many.extend(names.iter().map(|name| (name.as_str(), &b"x"[..])));
    let cases = [
        (
            "a document",
            archive(&[("word.xml", b"<w/>")]),
            422,
            "invalid_image",
        ),
        ("nothing merged", archive(&[mimetype]), 422, "invalid_image"),
        (
            "a bomb",
            archive(&[mimetype, ("mergedimage.png", &bomb)]),
            413,
            "too_large",
        ),
        ("many layers", archive(&many), 413, "too_large"),
        (
            "a way out",
            archive(&[mimetype, ("../mergedimage.png", b"x")]),
            422,
            "invalid_image",
        ),
        (
            "cut off",
            archive(&[mimetype])[..40].to_vec(),
            422,
            "invalid_image",
        ),
    ];
    for (name, body, status, code) in cases {
        let answer = refused(upload(&server, "/v1/rooms/bad/images", body).await).await;
        assert_eq!((answer.0, answer.1.as_str()), (status, code), "{name}");
        assert!(answer.2.ends_with('.'), "{name}: {}", answer.2);
    }
    assert_eq!(file(&server, "/v1/rooms/bad/image").await, before);
    member.is_served().await;
}

#[tokio::test]
async fn viewers_may_export_and_strangers_may_not() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room = server.make_room(json!({"name": "mine"})).await;
    let other = server.make_room(json!({"name": "other"})).await;
    let token = |room: &Value, role: &str| room["invites"][role].as_str().unwrap().to_owned();
    let path = "/v1/rooms/mine/export?format=png";
    for role in ["viewer", "editor", "owner"] {
        let answer = get(&server, path, Some(&token(&room, role))).await;
        assert_eq!(answer.status(), StatusCode::OK, "{role}");
    }
    for bearer in [None, Some(token(&other, "owner"))] {
        let (status, code, _) = refused(get(&server, path, bearer.as_deref()).await).await;
        assert_eq!((status, code.as_str()), (401, "invalid_token"));
    }
}

#[tokio::test]
async fn an_export_that_makes_no_sense_is_refused() {
    let server = TestServer::start().await;
    let _member = server.join("studio").await;
    for query in [
        "",
        "format=gif",
        "format=png&scale=5",
        "format=png&scale=0",
        "format=png&quality=90",
        "format=jpeg&quality=0",
        "format=jpeg&quality=101",
        "format=ora&scale=2",
        "format=ora&layer=sketch",
        "format=png&settings=maybe",
        "format=png&sise=2",
    ] {
        let path = format!("/v1/rooms/studio/export?{query}");
        let (status, code, message) = refused(get(&server, &path, None).await).await;
        assert_eq!((status, code.as_str()), (400, "invalid_value"), "{query}");
        assert!(message.ends_with('.'), "{query}: {message}");
    }
    let (status, code, _) =
        refused(get(&server, "/v1/rooms/none/export?format=png", None).await).await;
    assert_eq!((status, code.as_str()), (404, "unknown_room"));
}
