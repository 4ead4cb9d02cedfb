//! A hub on a free port of the loopback address, with the routes, headers and redirects of
//! Hugging Face's, and faults on demand.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path as Segments, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tokio::runtime::Runtime;

/// The commit that every revision is.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong with a file.
#[derive(Clone)]
pub enum Fault {
    /// The connection closes after so many bytes of the file.
    CutAt(usize),
    /// Nothing comes after so many bytes of the file.
    HangAt(usize),
    /// The file comes with one bit changed.
    Flipped,
    /// The file comes with one byte more, and says so.
    Longer,
    /// The file comes with one byte more, and no length.
    LongerUntold,
    /// The hub answers with this status and this `X-Error-Code`.
    Refused(u16, &'static str),
}

/// How the hub lists its repository.
#[derive(Default)]
pub struct Listing {
    /// Answers the listing with this instead.
    pub instead: Option<(u16, &'static str, &'static str)>,
    /// Leaves sizes and hashes out.
    pub bare: bool,
    /// Leaves the hashes out of the headers too.
    pub no_etags: bool,
    /// Files that are listed and not there.
    pub phantoms: Vec<String>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let text = |name| {
            let value: &HeaderValue = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            range: text(header::RANGE),
            authorization: text(header::AUTHORIZATION),
        }
    }
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Bytes>>,
    faults: Mutex<BTreeMap<String, Fault>>,
    listing: Mutex<Listing>,
    seen: Mutex<Vec<Seen>>,
    port: Mutex<u16>,
}

/// A hub with one repository, `tiny/model`, which was once called `tiny/old-name`.
pub struct TestHub {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl TestHub {
    /// A hub whose repository is a fixture of `tests/parity`.
    pub fn with_fixture(name: &str) -> Self {
        let hub = Self::empty();
        let folder = fixture(name);
        for file in files_in(&folder) {
            hub.put(&file, std::fs::read(folder.join(&file)).unwrap());
        }
        hub
    }

    pub fn empty() -> Self {
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .route("/api/models/{owner}/{name}/revision/{revision}", get(list))
            .route("/{owner}/{name}/resolve/{revision}/{*file}", get(resolve))
            .route("/cdn/{*file}", get(storage))
            .layer(from_fn_with_state(Arc::clone(&shared), note))
            .with_state(Arc::clone(&shared));
        let runtime = Runtime::new().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        *shared.port.lock().unwrap() = address.port();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    pub fn put(&self, file: &str, bytes: impl Into<Bytes>) {
        let mut files = self.shared.files.lock().unwrap();
        files.insert(file.to_owned(), bytes.into());
    }

    pub fn remove(&self, file: &str) {
        self.shared.files.lock().unwrap().remove(file).unwrap();
    }

    pub fn file(&self, file: &str) -> Bytes {
        self.shared.files.lock().unwrap()[file].clone()
    }

    pub fn files(&self) -> BTreeMap<String, Bytes> {
        self.shared.files.lock().unwrap().clone()
    }

    pub fn fail(&self, file: &str, fault: Fault) {
        let mut faults = self.shared.faults.lock().unwrap();
        faults.insert(file.to_owned(), fault);
    }

    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
        *self.shared.listing.lock().unwrap() = Listing::default();
    }

    pub fn list_as(&self, listing: Listing) {
        *self.shared.listing.lock().unwrap() = listing;
    }

    /// What was asked since the last time.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

/// A tiny pipeline with random weights, as diffusers wrote it.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/fixtures/networks")
        .join(name)
}

/// Names of all files in a folder, with `/` between folders. Without what belongs to pulls.
pub fn files_in(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != ".impasto" {
            let inner = files_in(&path).into_iter();
            names.extend(inner.map(|file| format!("{name}/{file}")));
        } else if path.is_file() {
            names.push(name);
        }
    }
    names.sort();
    names
}

/// Files in large file storage, as the hub's `.gitattributes` has it.
fn is_large(file: &str) -> bool {
    file.ends_with(".safetensors") || file.ends_with(".bin")
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn git_blob(bytes: &[u8]) -> String {
    let header = format!("blob {}\0", bytes.len());
    format!(
        "{:x}",
        Sha1::new_with_prefix(header).chain_update(bytes).finalize()
    )
}

async fn note(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response<Body> {
    shared.seen.lock().unwrap().push(Seen::of(&request));
    next.run(request).await
}

fn refusal(status: u16, code: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if !code.is_empty() {
        let code = HeaderValue::from_static(code);
        response.headers_mut().insert("x-error-code", code);
    }
    response
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Segments((owner, name, _revision)): Segments<(String, String, String)>,
) -> Result<Json<Value>, Response<Body>> {
    let listing = shared.listing.lock().unwrap();
    if let Some((status, code, text)) = listing.instead {
        return Err(refusal(status, code, text));
    }
    if owner != "tiny" || !["model", "old-name"].contains(&name.as_str()) {
        return Err(refusal(404, "RepoNotFound", ""));
    }
    let mut siblings = Vec::new();
    for (file, bytes) in shared.files.lock().unwrap().iter() {
        let mut sibling = json!({ "rfilename": file });
        if !listing.bare {
            sibling["size"] = bytes.len().into();
            sibling["blobId"] = git_blob(bytes).into();
            if is_large(file) {
                let pointer = format!("oid sha256:{}\nsize {}\n", sha256(bytes), bytes.len());
                sibling["blobId"] = git_blob(pointer.as_bytes()).into();
                sibling["lfs"] = json!({
                    "sha256": sha256(bytes), "size": bytes.len(), "pointerSize": pointer.len(),
                });
            }
        }
        siblings.push(sibling);
    }
    for phantom in &listing.phantoms {
        siblings.push(json!({ "rfilename": phantom, "size": 1, "blobId": git_blob(b"x") }));
    }
    Ok(Json(json!({
        "_id": "1", "id": "tiny/model", "modelId": "tiny/model", "sha": COMMIT,
        "private": false, "gated": false, "siblings": siblings,
    })))
}

async fn resolve(
    State(shared): State<Arc<Shared>>,
    Segments((owner, name, revision, file)): Segments<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    if (owner.as_str(), name.as_str(), revision.as_str()) != ("tiny", "model", COMMIT) {
        return refusal(404, "RepoNotFound", "");
    }
    let fault = shared.faults.lock().unwrap().get(&file).cloned();
    if let Some(Fault::Refused(status, code)) = fault {
        return refusal(status, code, "");
    }
    let Some(bytes) = shared.files.lock().unwrap().get(&file).cloned() else {
        return refusal(404, "EntryNotFound", "Entry not found");
    };
    let no_etags = shared.listing.lock().unwrap().no_etags;
    let etag = |hash: String| {
        if no_etags {
            "\"1-2\"".to_owned()
        } else {
            format!("\"{hash}\"")
        }
    };
    let mut response = if is_large(&file) {
        let port = *shared.port.lock().unwrap();
        // Another host than the hub's, as the storage behind a hub is.
        let location = format!("http://localhost:{port}/cdn/{file}?signature=x");
        let mut response = Response::new(Body::from(format!("Found. Redirecting to {location}")));
        *response.status_mut() = StatusCode::FOUND;
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, location.parse().unwrap());
        headers.insert("x-linked-size", bytes.len().into());
        headers.insert("x-linked-etag", etag(sha256(&bytes)).parse().unwrap());
        response
    } else {
        send(&bytes, &headers, fault)
    };
    let headers = response.headers_mut();
    headers.insert("x-repo-commit", HeaderValue::from_static(COMMIT));
    headers.insert(header::ETAG, etag(git_blob(&bytes)).parse().unwrap());
    response
}

async fn storage(
    State(shared): State<Arc<Shared>>,
    Segments(file): Segments<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let fault = shared.faults.lock().unwrap().get(&file).cloned();
    let bytes = shared.files.lock().unwrap()[&file].clone();
    send(&bytes, &headers, fault)
}

/// The file, or the rest of it that was asked for, with its fault.
fn send(bytes: &Bytes, headers: &HeaderMap, fault: Option<Fault>) -> Response<Body> {
    let from = headers.get(header::RANGE).map_or(0, |range| {
        let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
        range.strip_suffix('-').unwrap().parse().unwrap()
    });
    let whole = match fault {
        Some(Fault::Flipped) => {
            let mut flipped = bytes.to_vec();
            *flipped.last_mut().unwrap() ^= 1;
            flipped.into()
        }
        Some(Fault::Longer | Fault::LongerUntold) => [bytes, &b"x"[..]].concat().into(),
        _ => bytes.clone(),
    };
    let rest = whole.slice(from.min(whole.len())..);
    let length = rest.len();
    let sent = |until: usize| Ok(rest.slice(..until.saturating_sub(from).min(rest.len())));
    let body = match fault {
        Some(Fault::CutAt(until)) => {
            // What was sent goes out while the rest is waited for.
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::other("cut"))
            });
            Body::from_stream(stream::iter([sent(until)]).chain(cut))
        }
        Some(Fault::HangAt(until)) => {
            let first = stream::iter([sent(until)]);
            Body::from_stream(first.chain(stream::pending::<io::Result<Bytes>>()))
        }
        Some(Fault::LongerUntold) => {
            Body::from_stream(stream::iter([io::Result::Ok(rest.clone())]))
        }
        _ => Body::from(rest.clone()),
    };
    let mut response = Response::new(body);
    if from > 0 {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {from}-{}/{}", whole.len() - 1, whole.len());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
    }
    if !matches!(fault, Some(Fault::LongerUntold)) {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    response
}
