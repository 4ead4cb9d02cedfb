//! The few HTTP requests that a bench makes.

use std::io;
use std::time::Duration;

use tokio::task::spawn_blocking;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer of the calls made here.
const MOST_BYTES: u64 = 1024 * 1024;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What is posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The invite to post it with.
    pub token: Option<String>,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Gets `path` from `authority` (`host:port`); any status is an answer.
///
/// # Errors
/// When nobody answers in time, or not in HTTP.
pub async fn get(authority: &str, path: &str) -> io::Result<Answer> {
    let url = format!("http://{authority}{path}");
    exchange(move |agent| agent.get(url).call()).await
}

/// Posts to `path` of `authority` (`host:port`); any status is an answer.
///
/// # Errors
/// When nobody answers in time, or not in HTTP.
pub async fn post(authority: &str, path: &str, posted: Posted) -> io::Result<Answer> {
    let url = format!("http://{authority}{path}");
    exchange(move |agent| {
        let mut request = agent.post(url).content_type(posted.content_type);
        if let Some(token) = posted.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.send(posted.body)
    })
    .await
}

async fn exchange(
    send: impl FnOnce(Agent) -> Result<Response<Body>, ureq::Error> + Send + 'static,
) -> io::Result<Answer> {
    let exchange = move || {
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // The websocket beside it goes through none either.
            .proxy(None)
            .build()
            .new_agent();
        let mut answer = send(agent)?;
        let body = answer.body_mut().with_config().limit(MOST_BYTES);
        let body = body.read_to_vec()?;
        let status = answer.status().as_u16();
        Ok::<_, ureq::Error>(Answer { status, body })
    };
    let answer = spawn_blocking(exchange).await.map_err(io::Error::other)?;
    answer.map_err(ureq::Error::into_io)
}
