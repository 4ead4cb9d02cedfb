//! Connections from their first byte to their last: limits of time and number around hyper.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connections::ConnectionPlace;
use super::error::ApiError;
use super::options::ServerOptions;
use super::pace::PacedStream;
use super::state::AppState;

/// How long the listener rests when the system gives it no connection: no file descriptors, as a
/// rule, and asking again at once would only take time.
const REST: Duration = Duration::from_millis(50);
/// Bytes of a request's head, and of what is buffered of a response.
const BUFFER_BYTES: usize = 64 * 1024;
/// Seconds after which a client that found no place may come back.
const RETRY_SECONDS: u32 = 5;

/// Who sent a request: an extension of every request.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address, also behind a proxy that is trusted.
    pub address: IpAddr,
    /// Its connection.
    pub place: Arc<ConnectionPlace>,
}

/// Accepts and serves connections until the server drains and all of them have ended.
pub async fn serve(listener: TcpListener, router: Router, state: AppState) {
    let tasks = TaskTracker::new();
    let end = CancellationToken::new();
    // Whoever stops waiting for this function cuts what is left.
    let _guard = end.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            () = state.draining().cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, state, end) = (router.clone(), state.clone(), end.clone());
                tasks.spawn(serve_connection(stream, peer, router, state, end));
            }
            Err(cause) if is_of_the_connection(&cause) => {}
            Err(cause) => {
                tracing::warn!(%cause, "no connection can be accepted for a moment");
                sleep(REST).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// It ended before it was accepted.
fn is_of_the_connection(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    state: AppState,
    end: CancellationToken,
) {
    // A frame goes out when it is there, not when a packet is full.
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "TCP_NODELAY is not set");
    }
    let limits = &state.options().limits;
    let peer = peer.ip().to_canonical();
    let counted = (!state.options().trusted_proxies.contains(&peer)).then_some(peer);
    let place = Arc::new(state.connections().admit(counted));
    let stream = PacedStream::new(stream, place.clone(), limits.write_window);
    let service = service_fn(|request: Request<Incoming>| {
        answer(
            request,
            peer,
            place.clone(),
            router.clone(),
            state.options(),
        )
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER_BYTES)
        .keep_alive(!place.is_overflow());
    let serving = http
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let mut is_draining = false;
    loop {
        tokio::select! {
            served = serving.as_mut() => {
                if let Err(cause) = served {
                    tracing::debug!(%peer, %cause, "a connection broke");
                }
                return;
            }
            () = place.cut().cancelled() => {
                tracing::debug!(%peer, "a connection made place for others");
                return;
            }
            () = end.cancelled() => return,
            () = state.draining().cancelled(), if !is_draining => {
                if place.is_waiting() {
                    return;
                }
                is_draining = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: IpAddr,
    place: Arc<ConnectionPlace>,
    router: Router,
    options: &ServerOptions,
) -> Result<Response, Infallible> {
    let path = request.uri().path();
    if place.is_overflow() && path != "/healthz" && path != "/readyz" {
        let message = "the server has no place for another connection: try again soon";
        let mut response = ApiError::unavailable(message, RETRY_SECONDS).into_response();
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        return Ok(response);
    }
    place.works();
    place.demand(1);
    let at_work = AtWork(place.clone());
    let address = match options.trusted_proxies.contains(&peer) {
        true => forwarded_for(request.headers()).unwrap_or(peer),
        false => peer,
    };
    let within = options.limits.upload_timeout;
    let mut request = request.map(|body| Body::new(HurriedBody::new(body, within)));
    request.extensions_mut().insert(Client { address, place });
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Body::new(WatchedBody { body, at_work })))
}

/// The address that the last proxy saw; those before it can be made up.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let address = last.to_str().ok()?.rsplit(',').next()?.trim();
    address
        .parse::<IpAddr>()
        .ok()
        .map(|found| found.to_canonical())
}

/// A connection with a request under way.
struct AtWork(Arc<ConnectionPlace>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.waits();
    }
}

/// The body of an answer; its connection is at work until it is written.
struct WatchedBody {
    body: Body,
    #[expect(dead_code, reason = "it is there to be dropped")]
    at_work: AtWork,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request, which has to be there within some time of the first look at it.
struct HurriedBody {
    body: Incoming,
    within: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl HurriedBody {
    fn new(body: Incoming, within: Duration) -> Self {
        Self {
            body,
            within,
            end: None,
        }
    }
}

impl http_body::Body for HurriedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let within = self.within;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(within)));
        match Future::poll(end.as_mut(), cx) {
            Poll::Ready(()) => {
                let late = io::Error::from(io::ErrorKind::TimedOut);
                Poll::Ready(Some(Err(axum::Error::new(late))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_proxy_says_who_it_was() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        headers.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4"));
        headers.append(
            "x-forwarded-for",
            HeaderValue::from_static("5.6.7.8, ::ffff:9.9.9.9"),
        );
        assert_eq!(forwarded_for(&headers), Some(IpAddr::from([9, 9, 9, 9])));
        headers.append("x-forwarded-for", HeaderValue::from_static("unknown"));
        assert_eq!(forwarded_for(&headers), None);
    }
}
