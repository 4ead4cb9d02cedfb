//! A server that is killed under load, judged by what its client was told.
//!
//! `IMPASTO_SERVER_KILLS` says how many kills (200 when it is not set).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; the child says where it serves"
)]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use impasto::room::RoomStore;
use serde_json::{Value, json};
use support::{Event, TestClient, TestServer, stroke};
use uuid::Uuid;

/// How many kills; raise it for the long form.
const KILLS_VARIABLE: &str = "IMPASTO_SERVER_KILLS";
/// Set for the process that is killed: its data folder.
const FOLDER_VARIABLE: &str = "IMPASTO_SERVER_KILL_FOLDER";
/// Strokes that are under way at once.
const UNDER_WAY: usize = 8;

/// What is killed: not a test of its own, but this binary run again with a folder named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_until_killed() {
    let Ok(folder) = env::var(FOLDER_VARIABLE) else {
        return;
    };
    let server = TestServer::start_closed(|_| {}).await;
    server.open_kept(RoomStore::open(Path::new(&folder)).unwrap());
    println!("\nserving {}", server.address);
    std::io::stdout().flush().unwrap();
    server.running.await.unwrap().unwrap();
}

struct Killable {
    process: Child,
    address: SocketAddr,
}

impl Killable {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "serve_until_killed"])
            .env(FOLDER_VARIABLE, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("serving ")?.to_owned()))
            .unwrap();
        Self {
            process,
            address: address.parse().unwrap(),
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A small generator of whole numbers (xorshift), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// What the client was told and what it still has to hear.
#[derive(Default)]
struct Ledger {
    /// Acknowledged strokes, by `seq`.
    kept: BTreeMap<u64, String>,
    /// Sent, and not acknowledged: sent again after a kill, in their order.
    under_way: Vec<(String, Value)>,
    /// Every stroke that was made, by its id.
    strokes: BTreeMap<String, Value>,
    made: u64,
}

impl Ledger {
    fn next_stroke(&mut self, random: &mut Random) -> Value {
        self.made += 1;
        let id = format!("s{}", self.made);
        let place = (random.below(500) as f64, random.below(500) as f64);
        let message = stroke(&id, place.0, place.1);
        self.strokes.insert(id.clone(), message.clone());
        self.under_way.push((id, message.clone()));
        message
    }

    fn hear(&mut self, message: &Value) {
        if message["type"] != "ack" {
            return;
        }
        let (id, seq) = (
            message["id"].as_str().unwrap(),
            message["seq"].as_u64().unwrap(),
        );
        if let Some(known) = self.kept.get(&seq) {
            assert_eq!(known, id, "one place, two strokes");
            return;
        }
        let twice = self.kept.values().any(|known| known == id);
        assert!(!twice, "{id} has two places");
        self.under_way.retain(|(waiting, _)| waiting != id);
        self.kept.insert(seq, id.to_owned());
    }
}

async fn join(address: SocketAddr, client: Uuid, last_seq: u64) -> (TestClient, Value) {
    let mut member = TestClient::connect(address, "studio").await;
    member.secret = client;
    member.hello(json!({"last_seq": last_seq})).await;
    let welcome = member.until("welcome").await;
    (member, welcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_what_it_acknowledged_once_and_in_order() {
    let kills = env::var(KILLS_VARIABLE).map_or(200, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(kills * 2 + 1);
    let (client, mut ledger) = (Uuid::new_v4(), Ledger::default());
    for _ in 0..kills {
        let server = Killable::start(folder.path());
        let last = ledger.kept.keys().last().copied().unwrap_or(0);
        let (mut member, welcome) = join(server.address, client, last).await;
        assert!(
            welcome["seq"].as_u64().unwrap() >= last,
            "a kept op is gone"
        );
        for (_, message) in ledger.under_way.clone() {
            member.send(message).await;
        }
        let acknowledged = ledger.kept.len() + 1 + random.below(40) as usize;
        while ledger.kept.len() < acknowledged {
            while ledger.under_way.len() < UNDER_WAY {
                let message = ledger.next_stroke(&mut random);
                member.send(message).await;
            }
            match member.next().await {
                Event::Json(message) => ledger.hear(&message),
                Event::Frame(..) => {}
                Event::Closed(code) => panic!("closed with {code}"),
            }
        }
        tokio::time::sleep(Duration::from_micros(random.below(8_000))).await;
        server.kill();
    }
    // What was not acknowledged is sent once more, so that every stroke has its place.
    let server = Killable::start(folder.path());
    let last = ledger.kept.keys().last().copied().unwrap();
    let (mut member, _) = join(server.address, client, last).await;
    for (_, message) in ledger.under_way.clone() {
        member.send(message).await;
    }
    while !ledger.under_way.is_empty() {
        if let Event::Json(message) = member.next().await {
            ledger.hear(&message);
        }
    }
    let seqs: Vec<u64> = ledger.kept.keys().copied().collect();
    assert_eq!(
        seqs,
        (1..=ledger.made).collect::<Vec<_>>(),
        "no gap, no double"
    );
    let in_order = (1..=ledger.made).map(|number| format!("s{number}"));
    assert!(
        ledger.kept.values().cloned().eq(in_order),
        "in the order of sending"
    );
    let (_, welcome) = join(server.address, Uuid::new_v4(), 0).await;
    assert_eq!(welcome["seq"], ledger.made);
    let sketch = picture(server.address).await;
    server.kill();

    // A server that never stopped makes the same picture of the same strokes.
    // It takes all of them in one go.
    let fresh = TestServer::start_with(|options| {
        options.limits.message_burst = u32::MAX;
        options.limits.messages_per_second = u32::MAX;
    })
    .await;
    let mut member = fresh.join("studio").await;
    for id in ledger.kept.values() {
        member.send(ledger.strokes[id].clone()).await;
        member.until("ack").await;
    }
    assert!(picture(fresh.address).await == sketch, "the same sketch");
}

async fn picture(address: SocketAddr) -> Vec<u8> {
    let url = format!("http://{address}/v1/rooms/studio/image?layer=sketch");
    let response = reqwest::get(url).await.unwrap();
    assert!(response.status().is_success());
    response.bytes().await.unwrap().to_vec()
}
