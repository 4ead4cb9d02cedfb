//! The HTTP calls of the protocol, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use image::ImageFormat;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{TestServer, stroke};

async fn get(server: &TestServer, path: &str) -> Response {
    Client::new().get(server.url(path)).send().await.unwrap()
}

async fn make_room(server: &TestServer, body: Value) -> Response {
    Client::new()
        .post(server.url("/v1/rooms"))
        .json(&body)
        .send()
        .await
        .unwrap()
}

async fn code(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    assert!(
        body["error"]["message"].as_str().unwrap().ends_with('.'),
        "{body}"
    );
    body["error"]["code"].as_str().unwrap().to_owned()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([10, 20, 30]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn a_server_is_alive_before_it_is_ready() {
    let server = TestServer::start_closed(|_| {}).await;
    assert_eq!(get(&server, "/healthz").await.status(), StatusCode::OK);
    for path in ["/readyz", "/v1/model", "/v1/rooms/a/image?layer=result"] {
        let response = get(&server, path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(response.headers().contains_key("retry-after"), "{path}");
        assert_eq!(code(response).await, "unavailable");
    }
    server.open();
    assert_eq!(get(&server, "/readyz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_model_is_described_as_the_protocol_says() {
    let server = TestServer::start().await;
    let model: Value = get(&server, "/v1/model").await.json().await.unwrap();
    assert_eq!(
        model,
        json!({
            "id": "turner", "family": "test", "native_size": 256, "largest_zoom": 1,
            "device": "cpu", "dtype": "f32", "max_steps": 8, "guidance_free": false,
            "samplers": ["lcm", "ddim"],
            "defaults": {
                "sampler": "lcm", "steps": 2, "guidance_scale": 1.0, "strength": 1.0,
                "variation": 0.0, "finish": "none", "finish_strength": 1.0,
                "photo": {"guidance_scale": 3.0, "strength": 0.7, "finish": "none"}
            }
        })
    );
}

#[tokio::test]
async fn metrics_have_the_names_of_the_protocol() {
    let server = TestServer::start().await;
    let _member = server.join("metrics").await;
    let response = get(&server, "/metrics").await;
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let text = response.text().await.unwrap();
    for line in [
        "# TYPE impasto_stage_seconds histogram",
        "# TYPE impasto_stroke_to_pixel_seconds histogram",
        "# TYPE impasto_text_encoder_runs_total counter",
        "# TYPE impasto_text_cache_hits_total counter",
        "# TYPE impasto_renders_total counter",
        "impasto_renders_total{state=\"superseded\"}",
        "impasto_stage_seconds_bucket{stage=\"denoise\",le=\"0.5\"}",
        "impasto_stroke_to_pixel_seconds_bucket{le=\"0.25\"}",
        "# TYPE impasto_rooms gauge",
        "# TYPE impasto_members gauge",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_room_is_made_with_its_size_and_three_invites() {
    let server = TestServer::start().await;
    let response = make_room(
        &server,
        json!({"name": "wide", "width": 1024, "height": 256}),
    )
    .await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let room: Value = response.json().await.unwrap();
    assert_eq!(room["room"], "wide");
    assert_eq!(room["url"], format!("http://{}/?room=wide", server.address));
    let invites = room["invites"].as_object().unwrap();
    assert_eq!(invites.len(), 3);
    let mut client = server.connect("wide").await;
    client.hello(json!({"token": invites["viewer"]})).await;
    let welcome = client.until("welcome").await;
    assert_eq!(welcome["canvas"], json!({"width": 1024, "height": 256}));
    assert_eq!(welcome["role"], "viewer");

    let nameless: Value = make_room(&server, json!({})).await.json().await.unwrap();
    assert!(nameless["room"].as_str().unwrap().len() > 8);
}

#[tokio::test]
async fn rooms_that_cannot_be_are_refused() {
    let server = TestServer::start().await;
    for (body, status, expected) in [
        (json!({"width": 0}), 400, "invalid_value"),
        (json!({"width": 100_000}), 400, "invalid_value"),
        (json!({"name": "a/b"}), 400, "invalid_value"),
        (json!({"name": ""}), 400, "invalid_value"),
        (json!({"width": -64}), 400, "malformed_message"),
        (json!({"colour": "red"}), 400, "malformed_message"),
        (json!([]), 400, "malformed_message"),
    ] {
        let response = make_room(&server, body.clone()).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        assert_eq!(code(response).await, expected, "{body}");
    }
    make_room(&server, json!({"name": "twice"})).await;
    let second = make_room(&server, json!({"name": "twice"})).await;
    assert_eq!(second.status(), StatusCode::CONFLICT);
    assert_eq!(code(second).await, "room_exists");

    let plain = Client::new()
        .post(server.url("/v1/rooms"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn the_picture_comes_as_png_by_layer() {
    let server = TestServer::start().await;
    let mut member = server.join("picture").await;
    member.send(stroke("a", 100.0, 100.0)).await;
    member.until("ack").await;
    let response = get(&server, "/v1/rooms/picture/image?layer=sketch").await;
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let sketch = image::load_from_memory(&response.bytes().await.unwrap())
        .unwrap()
        .into_rgb8();
    assert_eq!(sketch.dimensions(), (512, 512));
    assert_eq!(sketch.get_pixel(102, 100).0, [255, 0, 0]);
    assert_eq!(sketch.get_pixel(300, 300).0, [255, 255, 255]);

    assert_eq!(
        get(&server, "/v1/rooms/picture/image").await.status(),
        StatusCode::OK
    );
    let response = get(&server, "/v1/rooms/picture/image?layer=mask").await;
    let mask = image::load_from_memory(&response.bytes().await.unwrap())
        .unwrap()
        .into_rgb8();
    assert_eq!(mask.get_pixel(102, 100).0, [255; 3]);
    assert_eq!(mask.get_pixel(300, 300).0, [0; 3]);
    let wrong = get(&server, "/v1/rooms/picture/image?layer=depth").await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert_eq!(code(wrong).await, "invalid_value");
    let nowhere = get(&server, "/v1/rooms/nowhere/image?layer=result").await;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert_eq!(code(nowhere).await, "unknown_room");
}

#[tokio::test]
async fn an_uploaded_image_can_be_placed() {
    let server = TestServer::start().await;
    let mut member = server.join("upload").await;
    let url = server.url("/v1/rooms/upload/images");
    let response = Client::new()
        .post(&url)
        .body(png(80, 40))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let kept: Value = response.json().await.unwrap();
    assert_eq!((&kept["width"], &kept["height"]), (&json!(80), &json!(40)));
    member
        .send(json!({"type": "place", "image": kept["image"], "mode": "plain"}))
        .await;
    member.until("ack").await;
    let response = get(&server, "/v1/rooms/upload/image?layer=sketch").await;
    let sketch = image::load_from_memory(&response.bytes().await.unwrap())
        .unwrap()
        .into_rgb8();
    assert_eq!(sketch.get_pixel(256, 256).0, [10, 20, 30]);
}

#[tokio::test]
async fn uploads_that_are_no_image_or_too_large_are_refused() {
    let server = TestServer::start_with(|options| options.limits.image_bytes = 10_000).await;
    server.join("upload").await;
    let url = server.url("/v1/rooms/upload/images");
    let post = |body: Vec<u8>| Client::new().post(&url).body(body).send();

    for body in [
        b"not an image".to_vec(),
        Vec::new(),
        png(80, 40)[..60].to_vec(),
    ] {
        let response = post(body).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(code(response).await, "invalid_image");
    }
    // Small in bytes, huge in pixels: refused by its header.
    let huge = {
        let mut bytes = png(8, 8);
        bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        bytes
    };
    let response = post(huge).await.unwrap();
    assert_ne!(response.status(), StatusCode::CREATED);
    let response = post(vec![0; 200_000]).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(code(response).await, "too_large");
}

#[tokio::test]
async fn with_auth_rooms_open_to_their_invites_alone() {
    let server = TestServer::start_with(|options| options.auth = true).await;
    let room = server.make_room(json!({"name": "private"})).await;
    let picture = server.url("/v1/rooms/private/image?layer=result");
    let images = server.url("/v1/rooms/private/images");
    let token = |role: &str| room["invites"][role].as_str().unwrap().to_owned();

    let bare = Client::new().get(&picture).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(code(bare).await, "invalid_token");
    let viewer = Client::new()
        .get(&picture)
        .bearer_auth(token("viewer"))
        .send()
        .await
        .unwrap();
    assert_eq!(viewer.status(), StatusCode::OK);

    let post = |token: String| {
        Client::new()
            .post(&images)
            .bearer_auth(token)
            .body(png(8, 8))
            .send()
    };
    let viewer = post(token("viewer")).await.unwrap();
    assert_eq!(viewer.status(), StatusCode::FORBIDDEN);
    assert_eq!(code(viewer).await, "forbidden");
    assert_eq!(
        post(token("editor")).await.unwrap().status(),
        StatusCode::CREATED
    );
    assert_eq!(
        post("guess".to_owned()).await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );

    let unknown = get(&server, "/v1/rooms/nowhere/image").await;
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(code(unknown).await, "invalid_token");
}

#[tokio::test]
async fn other_websites_stay_outside_a_server_without_auth() {
    let server = TestServer::start().await;
    let ask = |origin: &'static str| {
        Client::new()
            .get(server.url("/v1/model"))
            .header("origin", origin)
            .send()
    };
    let foreign = ask("https://evil.example").await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert_eq!(code(foreign).await, "foreign_origin");
    assert_eq!(
        ask("http://localhost:5173").await.unwrap().status(),
        StatusCode::OK
    );
    let rebound = Client::new()
        .get(server.url("/v1/model"))
        .header("host", "evil.example")
        .send();
    assert_eq!(rebound.await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_page_is_served_with_headers_that_keep_it_safe() {
    let server = TestServer::start().await;
    let page = get(&server, "/").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        page.headers()["cache-control"]
            .to_str()
            .unwrap()
            .starts_with("no-")
    );
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert!(page.text().await.unwrap().contains("Impasto"));
}

#[tokio::test]
async fn only_pages_that_are_allowed_show_it_in_a_frame() {
    let policy = |response: &Response| {
        let policy = response.headers()["content-security-policy"].to_str();
        policy.unwrap().to_owned()
    };
    let closed = TestServer::start().await;
    let page = get(&closed, "/").await;
    assert!(policy(&page).ends_with("; frame-ancestors 'none'"));
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let allowed = ["https://paint.example", "http://localhost:8080"];
    let open = TestServer::start_with(|options| {
        options.allowed_origins = allowed.map(str::to_owned).to_vec();
    })
    .await;
    let page = get(&open, "/").await;
    let ancestors = "; frame-ancestors https://paint.example http://localhost:8080";
    assert!(policy(&page).ends_with(ancestors), "{}", policy(&page));
    assert!(!page.headers().contains_key("x-frame-options"));
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_answer_in_json() {
    let server = TestServer::start().await;
    for path in ["/v1", "/v1/nothing", "/nothing", "/assets/nothing.js"] {
        let response = get(&server, path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(code(response).await, "not_found", "{path}");
    }
    let room = get(&server, "/v1/rooms/a").await;
    assert_eq!(room.status(), StatusCode::NOT_FOUND);
    assert_eq!(code(room).await, "unknown_room");
    for path in ["/healthz", "/v1/model", "/"] {
        let response = Client::new().delete(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(code(response).await, "method_not_allowed", "{path}");
    }
    let plain = get(&server, "/v1/rooms/a/ws").await;
    assert!(plain.status().is_client_error());
    assert_eq!(code(plain).await, "upgrade_required");
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let server = TestServer::start().await;
    let options = impasto::server::ServerOptions::new(server.address);
    let error = impasto::server::Server::bind(options)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("in use") && error.contains("--listen"),
        "{error}"
    );
}
