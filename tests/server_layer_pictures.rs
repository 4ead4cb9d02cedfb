//! Pictures on layers, through sockets and HTTP calls: what others hear and see, what one undo takes back,
//! and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::{Cursor, Read};

use image::{ImageFormat, Rgba, RgbaImage};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{TestClient, TestServer, stroke};
use zip::ZipArchive;

const RED: [u8; 3] = [200, 40, 30];
const PAPER: [u8; 3] = [255; 3];

/// A picture of one colour whose right half is nothing.
fn half(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbaImage::from_fn(width, height, |x, _| match x < width / 2 {
        true => Rgba([RED[0], RED[1], RED[2], 255]),
        false => Rgba([9, 9, 9, 0]),
    });
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

async fn upload(server: &TestServer, query: &str, body: Vec<u8>) -> Response {
    let path = format!("/v1/rooms/studio/images{query}");
    let request = Client::new().post(server.url(&path)).body(body);
    request.send().await.unwrap()
}

async fn kept(server: &TestServer, query: &str, body: Vec<u8>) -> Value {
    let answer = upload(server, query, body).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{query}");
    let kept: Value = answer.json().await.unwrap();
    kept["image"].clone()
}

async fn picture(server: &TestServer, path: &str) -> RgbaImage {
    let address = server.url(&format!("/v1/rooms/studio/{path}"));
    let answer = Client::new().get(address).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let png = answer.bytes().await.unwrap();
    image::load_from_memory(&png).unwrap().into_rgba8()
}

async fn colors(server: &TestServer, layer: &str) -> [[u8; 3]; 2] {
    let picture = picture(server, &format!("image?layer={layer}")).await;
    [100, 400].map(|x| {
        let [red, green, blue, _] = picture.get_pixel(x, 256).0;
        [red, green, blue]
    })
}

/// Does something, and answers its op as the member hears it.
async fn done(member: &mut TestClient, message: Value) -> Value {
    let kind = message["type"].clone();
    member.send(message).await;
    loop {
        let told = member.until("op").await;
        if told["op"]["type"] == kind {
            return told;
        }
    }
}

async fn added(member: &mut TestClient) -> u64 {
    let told = done(member, json!({"type": "layer", "action": "add"})).await;
    told["seq"].as_u64().unwrap()
}

#[tokio::test]
async fn a_picture_on_a_new_layer_is_seen_by_all_and_one_undo_takes_both() {
    let server = TestServer::start().await;
    let (mut member, mut other) = (server.join("studio").await, server.join("studio").await);
    let image = kept(&server, "?target=layer", half(512, 512)).await;
    let layer = added(&mut member).await;
    let place = json!({"type": "place", "image": image, "mode": "plain", "layer": layer,
        "continues": true});
    let told = done(&mut member, place.clone()).await;
    assert_eq!(told["op"], place);
    while other.until("op").await["op"] != place {}
    for shown in ["result", "sketch"] {
        assert_eq!(colors(&server, shown).await, [RED, PAPER], "{shown}");
    }
    let mask = picture(&server, "image?layer=mask").await;
    assert!(
        mask.pixels().all(|pixel| pixel.0[0] == 0),
        "nothing is masked"
    );
    let own = picture(&server, &format!("layers/{layer}")).await;
    assert_eq!(own.get_pixel(100, 256).0, [RED[0], RED[1], RED[2], 255]);
    assert_eq!(own.get_pixel(400, 256).0, [0; 4]);

    let undone = done(&mut member, json!({"type": "undo"})).await;
    assert_eq!(undone["layers"].as_array().unwrap().len(), 1);
    assert_eq!(colors(&server, "result").await, [PAPER, PAPER]);
    let redone = done(&mut member, json!({"type": "redo"})).await;
    assert_eq!(redone["layers"].as_array().unwrap().len(), 2);
    assert_eq!(colors(&server, "result").await, [RED, PAPER]);
}

#[tokio::test]
async fn a_picture_keeps_its_shape_and_lies_where_the_whole_says() {
    let server = TestServer::start().await;
    let mut member = server.join("studio").await;
    // Twice as wide as high: a quarter of the canvas is free above and below it.
    let image = kept(&server, "?target=layer", half(64, 32)).await;
    let wide = json!({"type": "place", "image": image, "mode": "plain", "layer": 0});
    done(&mut member, wide).await;
    let seen = picture(&server, "image?layer=sketch").await;
    let at = |x, y| seen.get_pixel(x, y).0[1];
    assert_eq!(
        [at(100, 120), at(100, 140), at(100, 380), at(100, 400)],
        [255, 40, 40, 255]
    );
    done(&mut member, json!({"type": "undo"})).await;

    // The lower right quarter of a whole that is as large as the canvas, to the byte.
    let part = "?target=layer&x=256&y=256&width=512&height=512";
    let image = kept(&server, part, half(256, 256)).await;
    let layer = added(&mut member).await;
    let place = json!({"type": "place", "image": image, "mode": "plain", "layer": layer});
    done(&mut member, place).await;
    let own = picture(&server, &format!("layers/{layer}")).await;
    for (x, y, pixel) in own.enumerate_pixels() {
        let is_red = (256..384).contains(&x) && y >= 256;
        let expected = if is_red {
            [RED[0], RED[1], RED[2], 255]
        } else {
            [0; 4]
        };
        assert_eq!(pixel.0, expected, "{x}, {y}");
    }
}

#[tokio::test]
async fn a_layer_that_is_locked_or_gone_takes_no_picture() {
    let server = TestServer::start().await;
    let mut member = server.join("studio").await;
    let image = kept(&server, "?target=layer", half(64, 64)).await;
    let layer = added(&mut member).await;
    let lock = json!({"type": "layer", "action": "set", "layer": layer, "locked": true});
    done(&mut member, lock).await;
    for (fields, expected) in [
        (json!({"layer": layer}), "layer_locked"),
        (json!({"layer": 99}), "unknown_layer"),
        (json!({"layer": 0, "mode": "invert"}), "invalid_value"),
        (json!({"layer": 0, "image": "nobody"}), "unknown_image"),
        (json!({"layer": "top"}), "malformed_message"),
    ] {
        let mut place = json!({"type": "place", "image": image, "mode": "plain"});
        place
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        member.send(place).await;
        assert_eq!(member.refusal().await, expected, "{fields}");
    }
    assert_eq!(colors(&server, "result").await, [PAPER, PAPER]);
    member.is_served().await;
}

#[tokio::test]
async fn an_upload_that_makes_no_sense_is_refused() {
    let server = TestServer::start().await;
    let _member = server.join("studio").await;
    for query in [
        "?x=4",
        "?width=100&height=100",
        "?target=base&y=1",
        "?target=sky",
        "?target=layer&width=0",
        "?target=layer&width=64&height=5000",
        "?target=layer&x=left",
        "?target=layer&layer=photo",
    ] {
        let answer = upload(&server, query, half(8, 8)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["code"], "invalid_value", "{query}");
    }
}

#[tokio::test]
async fn a_picture_with_transparency_is_a_base_as_before() {
    let server = TestServer::start().await;
    let mut member = server.join("studio").await;
    let image = kept(&server, "", half(512, 512)).await;
    let place = json!({"type": "place", "image": image, "mode": "plain"});
    let told = done(&mut member, place.clone()).await;
    assert_eq!(told["op"], place, "what older clients read");
    assert_eq!(colors(&server, "result").await, [RED, PAPER]);
    let mut dab = stroke("a", 100.0, 256.0);
    dab["tool"] = json!("erase");
    member.send(dab).await;
    while member.until("ack").await["id"] != "a" {}
    assert_eq!(
        colors(&server, "sketch").await,
        [RED, PAPER],
        "it is the base"
    );
}

/// An attribute of a line of `stack.xml`.
fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
    let begin = line.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    let end = begin + line[begin..].find('"').unwrap();
    &line[begin..end]
}

/// Brings the layers of an OpenRaster file into a room one by one, the lowest first, without those that
/// are named.
async fn bring_in(server: &TestServer, member: &mut TestClient, ora: &[u8], without: &[&str]) {
    let mut archive = ZipArchive::new(Cursor::new(ora)).unwrap();
    let stack = std::io::read_to_string(archive.by_name("stack.xml").unwrap()).unwrap();
    let lines: Vec<&str> = stack
        .lines()
        .filter(|line| line.contains("<layer"))
        .collect();
    for line in lines.iter().rev() {
        let name = attribute(line, "name");
        if without.contains(&name) {
            continue;
        }
        let mut png = Vec::new();
        let mut part = archive.by_name(attribute(line, "src")).unwrap();
        part.read_to_end(&mut png).unwrap();
        drop(part);
        let query = "?target=layer&x=0&y=0&width=512&height=512";
        let image = kept(server, query, png).await;
        let add = json!({"type": "layer", "action": "add", "name": name});
        let layer = done(member, add).await["seq"].clone();
        let blend = attribute(line, "composite-op")
            .trim_start_matches("svg:")
            .replace("src-over", "normal");
        let look = json!({"type": "layer", "action": "set", "layer": layer, "blend": blend,
            "opacity": attribute(line, "opacity").parse::<f64>().unwrap(),
            "visible": attribute(line, "visibility") == "visible"});
        done(member, look).await;
        let place = json!({"type": "place", "image": image, "mode": "plain", "layer": layer});
        done(member, place).await;
    }
}

#[tokio::test]
async fn layers_that_left_as_a_file_come_back_to_the_byte() {
    let server = TestServer::start().await;
    let mut member = server.join("studio").await;
    for (id, layered, looks) in [
        ("a", false, json!({"opacity": 0.7})),
        ("b", true, json!({"blend": "multiply", "opacity": 0.35})),
        ("c", true, json!({"blend": "soft-light"})),
        ("d", true, json!({"visible": false})),
    ] {
        let layer = if layered { added(&mut member).await } else { 0 };
        let mut dab = stroke(id, 200.0, 220.0);
        for (field, value) in [
            ("layer", json!(layer)),
            ("size", json!(180)),
            ("hardness", json!(0.2)),
            ("opacity", json!(0.6)),
        ] {
            dab[field] = value;
        }
        member.send(dab).await;
        while member.until("ack").await["id"] != id {}
        let mut look = json!({"type": "layer", "action": "set", "layer": layer});
        look.as_object_mut()
            .unwrap()
            .extend(looks.as_object().unwrap().clone());
        done(&mut member, look).await;
    }
    let address = server.url("/v1/rooms/studio/export?format=ora");
    let ora = Client::new().get(address).send().await.unwrap();
    let ora = ora.bytes().await.unwrap().to_vec();
    let wanted = picture(&server, "image?layer=sketch").await;

    // An empty room: what was painted is taken back, and what is undone counts for nothing.
    for _ in 0..11 {
        done(&mut member, json!({"type": "undo"})).await;
    }
    assert_eq!(colors(&server, "sketch").await, [PAPER, PAPER]);
    bring_in(&server, &mut member, &ora, &["Result", "Sketch"]).await;
    let back = picture(&server, "image?layer=sketch").await;
    assert!(back == wanted, "the layers come to the same picture");
    assert!(
        picture(&server, "image?layer=result").await == wanted,
        "nothing is masked"
    );
}
