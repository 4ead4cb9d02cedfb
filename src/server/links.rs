//! Links that people open in a browser.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};

/// The address of the web app's room, below `base` (no slash at its end).
pub fn room_url(base: &str, room: &str) -> String {
    format!(
        "{}/?room={}",
        base.trim_end_matches('/'),
        percent_encoded(room)
    )
}

/// A room's address with an invite in it: after `#`, where browsers send it to nobody.
pub fn with_token(room_url: &str, token: &str) -> String {
    format!("{room_url}#token={token}")
}

/// Where a browser on this machine reaches a server that listens on `address`.
pub fn base_of(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    if ip.is_unspecified() {
        return format!("http://localhost:{port}");
    }
    format!("http://{}", SocketAddr::new(ip, port))
}

/// Where the sender of a request reached this server: the page it came from,
/// which knows about TLS in between, or the host that it asked.
pub fn base_of_request(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN)
        .filter(|origin| origin.starts_with("http://") || origin.starts_with("https://"));
    match origin {
        Some(origin) => Some(origin.to_owned()),
        None => text(header::HOST).map(|host| format!("http://{host}")),
    }
}

/// RFC 3986: everything but unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn room_names_of_any_script_make_links() {
        assert_eq!(room_url("http://a/", "studio-1"), "http://a/?room=studio-1");
        assert_eq!(
            room_url("http://a", "zimmer_ü"),
            "http://a/?room=zimmer_%C3%BC"
        );
    }

    #[test]
    fn an_address_on_all_interfaces_is_opened_on_localhost() {
        assert_eq!(
            base_of("0.0.0.0:80".parse().unwrap()),
            "http://localhost:80"
        );
        assert_eq!(base_of("[::1]:7860".parse().unwrap()), "http://[::1]:7860");
    }

    #[test]
    fn the_page_knows_better_than_the_host() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("inner:7860"));
        assert_eq!(base_of_request(&headers).unwrap(), "http://inner:7860");
        headers.insert(
            header::ORIGIN,
            HeaderValue::from_static("https://paint.example"),
        );
        assert_eq!(base_of_request(&headers).unwrap(), "https://paint.example");
        headers.insert(header::ORIGIN, HeaderValue::from_static("null"));
        assert_eq!(base_of_request(&headers).unwrap(), "http://inner:7860");
    }
}
