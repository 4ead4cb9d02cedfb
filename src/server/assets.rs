//! The web app, compiled into the binary.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::{ApiError, HttpOnlyCode};

/// The files of `web/dist`; none when the web app was not built.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct WebApp;

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<title>Impasto</title><h1>The web app is not in this build</h1>\
<p>The server works; its calls are in <code>docs/protocol.md</code>. To have the web app too, \
install Node 20 or newer and run:</p>\
<pre>(cd web &amp;&amp; npm ci &amp;&amp; npm run build) &amp;&amp; cargo run --release</pre></html>";

/// Answers every path that the protocol does not have: the web app's files, or 404.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let file = if path == "v1" || path.starts_with("v1/") {
        None
    } else {
        WebApp::get(name)
    };
    if file.is_none() && name != "index.html" {
        return ApiError::not_found().into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return method_not_allowed().await.into_response();
    }
    match file {
        Some(file) => file_response(name, file, &headers),
        None => html_not_built(),
    }
}

/// 405 for a path that does not know the method.
pub async fn method_not_allowed() -> ApiError {
    ApiError::http(
        StatusCode::METHOD_NOT_ALLOWED,
        HttpOnlyCode::MethodNotAllowed,
        "this path does not know that method: docs/protocol.md lists the calls",
    )
}

fn html_not_built() -> Response {
    let mut response = NOT_BUILT.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn file_response(name: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let tag = entity_tag(&file.metadata.sha256_hash());
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().trim_start_matches("W/") == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut mime = file.metadata.mimetype().to_owned();
        if mime.starts_with("text/") {
            mime.push_str("; charset=utf-8");
        }
        let mut response = Response::new(Body::from(bytes_of(file.data)));
        if let Ok(mime) = HeaderValue::from_str(&mime) {
            response.headers_mut().insert(header::CONTENT_TYPE, mime);
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, cache_control(name));
    response
}

fn bytes_of(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}

/// Vite puts a hash of the content into the names under `assets/`.
fn cache_control(name: &str) -> HeaderValue {
    if name.starts_with("assets/") {
        HeaderValue::from_static("public, max-age=31536000, immutable")
    } else {
        HeaderValue::from_static("no-cache")
    }
}

fn entity_tag(hash: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in hash.iter().take(16) {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_are_cached_for_good() {
        assert!(
            cache_control("assets/index-B3x.js")
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        assert_eq!(cache_control("index.html"), "no-cache");
    }

    #[tokio::test]
    async fn paths_outside_the_app_are_not_found() {
        for path in [
            "/v1",
            "/v1/nothing",
            "/../Cargo.toml",
            "/assets/../../Cargo.toml",
        ] {
            let response = serve(Method::GET, path.parse().unwrap(), HeaderMap::new()).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
