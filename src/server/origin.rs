//! Which pages may speak to a server that asks for no token.
//!
//! A browser lets any website open websockets to `localhost` and send it
//! forms, and a website may point its own name at 127.0.0.1. So a server
//! without auth looks at the names that the browser sends along.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::error::{ApiError, HttpOnlyCode};

/// Says which seed a picture was made with.
pub const SEED_HEADER: HeaderName = HeaderName::from_static("impasto-seed");
/// Says how long its stages took (Server Timing, W3C).
pub const TIMING_HEADER: HeaderName = HeaderName::from_static("server-timing");

/// How long a browser may remember what it was told.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// The pages and host names that a server answers.
#[derive(Clone, Debug)]
pub struct OriginRules {
    /// Only loopback names may stand in `Host` and `Origin`.
    loopback: bool,
    /// Origins allowed besides, with the host names that they contain.
    allowed: Vec<(String, String)>,
}

impl OriginRules {
    /// Rules for a server on a loopback address or on an outer one, with
    /// `allowed` origins (`https://paint.example`) besides.
    ///
    /// # Errors
    /// One sentence, when an allowed origin is not `scheme://host[:port]`.
    pub fn new(loopback: bool, allowed: &[String]) -> Result<Self, String> {
        let allowed = allowed
            .iter()
            .map(|origin| {
                let origin = origin.trim_end_matches('/').to_ascii_lowercase();
                host_of_origin(&origin)
                    .map(|host| (origin.clone(), host))
                    .ok_or_else(|| {
                        format!("`{origin}` is not an origin: write it like https://paint.example")
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { loopback, allowed })
    }

    /// What browsers are told of pages of other origins: those that are allowed may call the API
    /// and read what it answers (Fetch standard, CORS). Pages of the server's own need no such word.
    pub fn cors(&self) -> CorsLayer {
        let allowed: Vec<_> = self
            .allowed
            .iter()
            .map(|(origin, _)| origin.clone())
            .collect();
        let is_allowed = move |origin: &HeaderValue, _: &Parts| {
            let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            allowed.contains(&origin)
        };
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(is_allowed))
            .allow_methods([
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("impasto-client"),
            ])
            .expose_headers([header::RETRY_AFTER, SEED_HEADER, TIMING_HEADER])
            .max_age(PREFLIGHT)
    }

    /// The pages that may show this server's in a frame, as a content security policy names them; none
    /// where there are none.
    pub fn frame_ancestors(&self) -> Option<String> {
        let allowed: Vec<_> = self
            .allowed
            .iter()
            .map(|(origin, _)| origin.as_str())
            .collect();
        (!allowed.is_empty()).then(|| allowed.join(" "))
    }

    /// Holds a request to the rules. Programs that are not browsers send no
    /// `Origin` and pass.
    ///
    /// # Errors
    /// 403 `foreign_origin`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = host_of_request(headers)?;
        if self.loopback {
            let known = host.as_deref().is_none_or(|host| {
                is_loopback(host) || self.allowed.iter().any(|(_, allowed)| allowed == host)
            });
            if !known {
                return Err(foreign("this server answers to localhost only"));
            }
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        if self.allowed.iter().any(|(allowed, _)| *allowed == origin) {
            return Ok(());
        }
        let same = host_of_origin(&origin).is_some_and(|origin_host| {
            if self.loopback {
                is_loopback(&origin_host)
            } else {
                Some(origin_host) == host
            }
        });
        if same {
            Ok(())
        } else {
            Err(foreign("this page is not one of the server's own"))
        }
    }
}

fn foreign(what: &str) -> ApiError {
    let message = format!("{what}: start it with --allow-origin to let another page in");
    ApiError::http(StatusCode::FORBIDDEN, HttpOnlyCode::ForeignOrigin, message)
}

/// The one name in `Host`; `None` where there is no such header, as programs may do.
fn host_of_request(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        return Ok(None);
    };
    let one_name = host
        .to_str()
        .ok()
        .filter(|host| hosts.next().is_none() && !host.contains('@'))
        .and_then(|host| host.parse::<Authority>().ok());
    match one_name {
        Some(authority) => Ok(Some(authority.host().to_ascii_lowercase())),
        None => {
            let message = "`Host` is not one name: send the one that this server is reached by";
            let status = StatusCode::FORBIDDEN;
            Err(ApiError::http(status, HttpOnlyCode::ForeignOrigin, message))
        }
    }
}

fn host_of_origin(origin: &str) -> Option<String> {
    let uri: Uri = origin.parse().ok()?;
    uri.scheme()?;
    uri.host().map(str::to_ascii_lowercase)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(rules: &OriginRules, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        rules.check(&headers).is_ok()
    }

    #[test]
    fn a_loopback_server_answers_its_own_pages_and_programs() {
        let rules = OriginRules::new(true, &[]).unwrap();
        assert!(passes(&rules, "127.0.0.1:7860", None));
        assert!(passes(
            &rules,
            "localhost:7860",
            Some("http://localhost:7860")
        ));
        assert!(passes(
            &rules,
            "127.0.0.1:7860",
            Some("http://localhost:5173")
        ));
        assert!(passes(&rules, "[::1]:7860", Some("http://[::1]:7860")));
    }

    #[test]
    fn a_loopback_server_refuses_other_websites_and_their_names() {
        let rules = OriginRules::new(true, &[]).unwrap();
        assert!(!passes(
            &rules,
            "127.0.0.1:7860",
            Some("https://evil.example")
        ));
        assert!(!passes(&rules, "127.0.0.1:7860", Some("null")));
        assert!(!passes(
            &rules,
            "localhost:7860",
            Some("http://localhost.evil.example")
        ));
        assert!(!passes(&rules, "rebound.evil.example:7860", None));
        assert!(!passes(
            &rules,
            "rebound.evil.example",
            Some("http://rebound.evil.example")
        ));
    }

    #[test]
    fn a_host_that_is_not_one_name_is_refused() {
        for loopback in [true, false] {
            let rules = OriginRules::new(loopback, &[]).unwrap();
            for host in ["127.0.0.1, evil.example", "evil.example@127.0.0.1", ""] {
                assert!(!passes(&rules, host, None), "{host}");
            }
            let mut headers = HeaderMap::new();
            assert!(rules.check(&headers).is_ok());
            for host in ["127.0.0.1", "evil.example"] {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            assert!(rules.check(&headers).is_err());
        }
    }

    #[test]
    fn an_outer_server_answers_pages_of_its_own_name() {
        let rules = OriginRules::new(false, &[]).unwrap();
        assert!(passes(
            &rules,
            "paint.example:7860",
            Some("http://paint.example:7860")
        ));
        assert!(!passes(
            &rules,
            "paint.example:7860",
            Some("https://evil.example")
        ));
    }

    #[test]
    fn an_allowed_origin_passes_behind_a_proxy() {
        let rules = OriginRules::new(true, &["https://Paint.example/".to_owned()]).unwrap();
        assert!(passes(
            &rules,
            "paint.example",
            Some("https://paint.example")
        ));
        assert!(!passes(
            &rules,
            "paint.example",
            Some("https://evil.example")
        ));
        assert!(OriginRules::new(true, &["paint".to_owned()]).is_err());
    }
}
