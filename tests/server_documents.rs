//! The API's documents are those of the calls that the server really answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs;
use std::path::Path;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use support::TestServer;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn document(server: &TestServer, path: &str) -> Value {
    let answer = Client::new().get(server.url(path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    answer.json().await.unwrap()
}

async fn try_call(server: &TestServer, method: &str, path: &str) -> Response {
    let method: Method = method.to_ascii_uppercase().parse().unwrap();
    let path = path
        .replace("{room}", "nowhere")
        .replace("{invite}", "none");
    let request = Client::new().request(method, server.url(&path));
    let request = request
        .header("content-type", "application/json")
        .body("{}");
    request.send().await.unwrap()
}

#[tokio::test]
async fn every_call_of_the_document_is_answered_and_no_other_method_is() {
    let server = TestServer::start().await;
    let document = document(&server, "/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 12, "{:?}", paths.keys());
    for (path, operations) in paths {
        for method in METHODS {
            let answer = try_call(&server, method, path).await;
            let status = answer.status();
            let text = answer.text().await.unwrap();
            if operations.get(method).is_some() {
                assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                assert!(!text.contains("nothing at this path"), "{method} {path}");
            } else {
                assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                assert!(
                    text.contains("method_not_allowed"),
                    "{method} {path}: {text}"
                );
            }
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.push((
                path.file_name().unwrap().to_string_lossy().into_owned(),
                text,
            ));
        }
    }
}

#[test]
fn the_router_has_no_route_beside_the_table_of_calls() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let mut found = Vec::new();
    sources(&folder, &mut found);
    let routes = found
        .iter()
        .filter(|(_, text)| text.contains(".route(") || text.contains(".route_service("))
        .map(|(name, text)| (name.as_str(), text.matches(".route(").count()));
    // One for those below /v1 and one for the others, both of the table.
    assert_eq!(routes.collect::<Vec<_>>(), [("routes.rs", 2)]);
}

#[tokio::test]
async fn the_socket_is_described_beside_the_calls() {
    let server = TestServer::start_closed(|_| {}).await;
    let document = document(&server, "/asyncapi.json").await;
    assert_eq!(document["asyncapi"], "3.0.0");
    let channel = &document["channels"]["room"];
    assert_eq!(channel["address"], "/v1/rooms/{room}/ws");
    let messages = channel["messages"].as_object().unwrap();
    for name in [
        "client-hello",
        "client-render",
        "server-render",
        "server-frame",
    ] {
        assert!(messages.contains_key(name), "{name}");
    }
}
