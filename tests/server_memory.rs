//! What an idle socket holds of the server's memory, counted by the allocator: the same on every
//! machine, however busy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says what holds the memory"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};
use support::TestServer;
use uuid::Uuid;

/// Members who do nothing.
const SOCKETS: usize = 200;
/// The target is 20,000 in a GiB, and the system needs some of that for itself.
const MOST_BYTES: isize = 64 * 1024;

/// Allocations that are counted by their size, up to this many bytes.
const SIZES: usize = 1 << 16;

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static BY_SIZE: [AtomicIsize; SIZES] = [const { AtomicIsize::new(0) }; SIZES];

fn count(bytes: usize, number: isize) {
    LIVE.fetch_add(number * bytes as isize, Ordering::Relaxed);
    if let Some(counter) = BY_SIZE.get(bytes) {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: the caller keeps to the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A member that takes as good as no memory itself; dropping it ends the socket.
struct Idle(#[expect(dead_code, reason = "it is there to be dropped")] TcpStream);

impl Idle {
    /// Joins, and reads until it has both layers of the picture.
    fn join(address: SocketAddr, room: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let request = format!(
            "GET /v1/rooms/{room}/ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let hello = json!({"type": "hello", "protocol": 1, "client": Uuid::new_v4()}).to_string();
        // A mask of zeros leaves the text as it is.
        let mut frame = vec![0x81, 0x80 | u8::try_from(hello.len()).unwrap(), 0, 0, 0, 0];
        frame.extend(hello.bytes());
        stream.write_all(&frame).unwrap();
        let mut reader = BufReader::new(&stream);
        read_head(&mut reader);
        let mut pictures = 0;
        while pictures < 2 {
            pictures += usize::from(read_frame(&mut reader));
        }
        drop(reader);
        Self(stream)
    }
}

fn read_head(reader: &mut impl Read) {
    let mut last = [0; 4];
    while &last != b"\r\n\r\n" {
        last.rotate_left(1);
        reader.read_exact(&mut last[3..]).unwrap();
    }
}

/// True for the last fragment of a binary message.
fn read_frame(reader: &mut impl Read) -> bool {
    let mut head = [0; 2];
    reader.read_exact(&mut head).unwrap();
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).unwrap();
            u64::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            reader.read_exact(&mut length).unwrap();
            u64::from_be_bytes(length)
        }
        short => u64::from(short),
    };
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
    // Texts are never in fragments here.
    matches!(head[0], 0x80 | 0x82)
}

/// What each of many idle members holds, beside the room and its first member.
async fn bytes_of_a_socket(address: SocketAddr, room: &'static str) -> isize {
    let join = move || Idle::join(address, room);
    let first = tokio::task::spawn_blocking(join).await.unwrap();
    settle().await;
    let before = LIVE.load(Ordering::Relaxed);
    let sizes = sizes();
    let join_all = move || (0..SOCKETS).map(|_| join()).collect::<Vec<_>>();
    let others = tokio::task::spawn_blocking(join_all).await.unwrap();
    settle().await;
    let each = (LIVE.load(Ordering::Relaxed) - before) / SOCKETS as isize;
    eprintln!(
        "{room}: {each} bytes; the most by size: {:?}",
        grown(&sizes)
    );
    drop((first, others));
    each
}

/// Until nothing is allocated or freed any more.
async fn settle() {
    let mut before = isize::MIN;
    loop {
        let now = LIVE.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn sizes() -> Vec<isize> {
    let counters = BY_SIZE.iter();
    counters
        .map(|count| count.load(Ordering::Relaxed))
        .collect()
}

/// Bytes of an allocation and how many each socket has, where they come to much.
fn grown(before: &[isize]) -> Vec<(usize, f64)> {
    let now = sizes();
    let mut grown: Vec<_> = (0..SIZES)
        .map(|size| (size, (now[size] - before[size]) as f64 / SOCKETS as f64))
        .filter(|(_, count)| *count >= 0.5)
        .collect();
    grown.sort_by(|(a, many), (b, more)| (*b as f64 * more).total_cmp(&(*a as f64 * many)));
    grown.truncate(16);
    grown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_socket_holds_little_also_after_a_large_picture() {
    let server = TestServer::start_closed(|_| {}).await;
    server.open_for(SOCKETS + 8);
    let each = bytes_of_a_socket(server.address, "blank").await;
    assert!(each <= MOST_BYTES, "{each} bytes for each socket");

    // Noise, which does not compress.
    let picture = RgbImage::from_fn(512, 512, |x, y| {
        let mixed = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761);
        image::Rgb([(mixed >> 8) as u8, (mixed >> 16) as u8, (mixed >> 24) as u8])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    let mut owner = server.join("noise").await;
    let uploaded: Value = reqwest::Client::new()
        .post(server.url("/v1/rooms/noise/images"))
        .body(png.into_inner())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let place = json!({"type": "place", "image": uploaded["image"], "mode": "plain"});
    owner.send(place).await;
    owner.until("ack").await;
    drop(owner);
    let each = bytes_of_a_socket(server.address, "noise").await;
    assert!(each <= MOST_BYTES, "{each} bytes for each socket");
}
