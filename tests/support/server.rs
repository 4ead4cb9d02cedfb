//! A server on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use impasto::room::{RegistryLimits, Renderer, RoomOptions, RoomRegistry, RoomStore};
use impasto::server::{Server, ServerError, ServerOptions, Switch};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{TestClient, TestRenderer};

/// A server on a free port of the loopback address.
pub struct TestServer {
    pub address: SocketAddr,
    pub switch: Switch,
    pub running: JoinHandle<Result<(), ServerError>>,
}

impl TestServer {
    /// Open, without auth, with the default limits.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Open, with options of the test's own.
    pub async fn start_with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let server = Self::start_closed(change).await;
        server.open();
        server
    }

    /// Without rooms yet, as while a model is loaded.
    pub async fn start_closed(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let mut options = ServerOptions::new("127.0.0.1:0".parse().unwrap());
        options.limits.drain_timeout = Duration::from_secs(30);
        change(&mut options);
        let server = Server::bind(options).await.unwrap();
        let address = server.local_addr();
        let switch = server.switch();
        let running = tokio::spawn(server.run());
        Self {
            address,
            switch,
            running,
        }
    }

    /// Lets members in.
    pub fn open(&self) {
        self.open_for(4);
    }

    /// Lets so many members into each room.
    pub fn open_for(&self, members: usize) {
        self.open_with(None, members);
    }

    /// Lets members in to rooms that a store keeps.
    pub fn open_kept(&self, store: RoomStore) {
        self.open_with(Some(store), 4);
    }

    fn open_with(&self, store: Option<RoomStore>, members: usize) {
        let renderer = Arc::new(TestRenderer::default());
        let mut options = RoomOptions::new(renderer.default_settings().clone());
        options.members_max = members;
        let model = renderer.model_info().clone();
        let limits = RegistryLimits {
            create_on_join: true,
            ..RegistryLimits::default()
        };
        let shutdown = CancellationToken::new();
        let rooms = match store {
            None => RoomRegistry::new(renderer.clone(), options, limits, shutdown),
            Some(store) => {
                RoomRegistry::open(renderer.clone(), options, limits, shutdown, store).unwrap()
            }
        };
        self.switch.open(rooms, model, renderer);
    }

    /// The operator's token of a server with auth.
    pub fn operator(&self) -> String {
        let url = self.switch.url_to_open(self.address).unwrap();
        url.split_once("#token=").unwrap().1.to_owned()
    }

    /// A room that the operator of a server with auth makes.
    pub async fn make_room(&self, body: Value) -> Value {
        let response = reqwest::Client::new()
            .post(self.url("/v1/rooms"))
            .bearer_auth(self.operator())
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A websocket to a room, before its hello.
    pub async fn connect(&self, room: &str) -> TestClient {
        TestClient::connect(self.address, room).await
    }

    /// A member of a room, after its welcome.
    pub async fn join(&self, room: &str) -> TestClient {
        let mut client = self.connect(room).await;
        client.hello(serde_json::json!({})).await;
        client.until("welcome").await;
        client
    }
}

/// A request, with a token and a JSON body where there are any.
pub async fn call(
    server: &TestServer,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Response {
    let mut request = Client::new().request(method, server.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}
