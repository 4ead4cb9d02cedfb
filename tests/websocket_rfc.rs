//! The websocket by the letter of RFC 6455, over a raw TCP socket: the cases of the Autobahn test
//! suite that apply to a server which does not echo and compresses nothing. `docs/security.md` lists
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

/// Far longer than anything here takes: a test that hangs should say so.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rooms that the cases are spread over: one holds few members, and those that were thrown out leave a
/// moment later.
const ROOMS: usize = 12;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The frame is the last one of its message.
const FIN: u8 = 0x80;

/// A masked frame, as clients send them. `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A message that the server answers with a pong of its own, not the protocol's, as long as asked.
fn question(t: u32, length: usize) -> Vec<u8> {
    let mut text = json!({"type": "ping", "t": t}).to_string();
    while text.len() < length {
        text.push(' ');
    }
    text.into_bytes()
}

/// A frame that the server sent.
#[derive(Debug, PartialEq)]
struct Received {
    opcode: u8,
    payload: Vec<u8>,
}

struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Opens a websocket, and answers what the server said to that.
    async fn open(server: &TestServer, room: &str, more: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET /v1/rooms/{room}/ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        (Self { stream }, String::from_utf8(answer).unwrap())
    }

    /// A member of a room.
    async fn join(server: &TestServer, case: usize) -> Self {
        let (mut raw, answer) = Self::open(server, &format!("rfc{}", case % ROOMS), "").await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let hello = json!({"type": "hello", "protocol": 1, "client": Uuid::new_v4()});
        raw.send(&frame(FIN | TEXT, hello.to_string().as_bytes()))
            .await;
        assert_eq!(raw.message().await["type"], "welcome");
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends one byte after another, each in a packet of its own as far as that goes.
    async fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    /// The next frame; none where the server has ended the connection.
    async fn next(&mut self) -> Option<Received> {
        timeout(PATIENCE, self.read()).await.expect("nothing came")
    }

    async fn read(&mut self) -> Option<Received> {
        let first = self.stream.read_u8().await.ok()?;
        assert_eq!(first & 0x70, 0, "the server sets no reserved bit");
        assert_eq!(first & FIN, FIN, "the server sends whole messages");
        let length = match self.stream.read_u8().await.ok()? {
            length @ 0..=125 => u64::from(length),
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            _ => panic!("the server masks nothing"),
        };
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let opcode = first & 15;
        Some(Received { opcode, payload })
    }

    /// The next text, as JSON.
    async fn message(&mut self) -> Value {
        loop {
            let received = self.next().await.expect("the server ended the connection");
            assert_ne!(received.opcode, CLOSE, "closed: {:?}", received.payload);
            if received.opcode == TEXT {
                return serde_json::from_slice(&received.payload).unwrap();
            }
        }
    }

    /// The next text of a type.
    async fn message_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The payload of the protocol's own next pong.
    async fn pong(&mut self) -> Vec<u8> {
        loop {
            let received = self.next().await.expect("the server ended the connection");
            assert_ne!(received.opcode, CLOSE, "closed: {:?}", received.payload);
            if received.opcode == PONG {
                return received.payload;
            }
        }
    }

    /// The payload of the close frame, after which the server must end the connection.
    async fn closed(mut self) -> Vec<u8> {
        loop {
            let received = self.next().await.expect("no close frame came");
            if received.opcode != CLOSE {
                continue;
            }
            assert_eq!(self.next().await, None, "nothing follows a close frame");
            return received.payload;
        }
    }

    /// Proves that the server still answers.
    async fn is_served(&mut self) {
        self.send(&frame(FIN | TEXT, &question(77, 0))).await;
        while self.message_of("pong").await["t"] != 77.0 {}
    }
}

fn code_of(payload: &[u8]) -> u16 {
    u16::from_be_bytes([payload[0], payload[1]])
}

fn close_with(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// Each of these frames ends the connection with this code.
async fn all_end_with(code: u16, cases: Vec<(&str, Vec<u8>)>) {
    let server = TestServer::start().await;
    for (case, (what, bytes)) in cases.into_iter().enumerate() {
        let mut raw = Raw::join(&server, case).await;
        raw.send(&bytes).await;
        assert_eq!(code_of(&raw.closed().await), code, "{what}");
    }
}

#[tokio::test]
async fn the_handshake_is_the_rfcs_and_no_extension_is_agreed_on() {
    let server = TestServer::start().await;
    let offer = "Sec-WebSocket-Protocol: other, impasto.v1\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (_raw, answer) = Raw::open(&server, "handshake", offer).await;
    let answer = answer.to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
    assert!(answer.contains("sec-websocket-protocol: impasto.v1"));
    assert!(!answer.contains("sec-websocket-extensions"), "{answer}");
}

/// Cases 1.1.1 to 1.1.8 and 9.5.1: texts of every length format, whole and in pieces.
#[tokio::test]
async fn texts_of_every_length_are_read_whole_and_in_pieces() {
    let server = TestServer::start().await;
    let mut raw = Raw::join(&server, 0).await;
    let lengths = [30, 125, 126, 127, 128, 65_535, 65_536, 200_000];
    for (t, length) in (1..).zip(lengths) {
        let bytes = frame(FIN | TEXT, &question(t, length));
        raw.send(&bytes).await;
        assert_eq!(raw.message_of("pong").await["t"], f64::from(t), "{length}");
        raw.send_in_pieces(&bytes, 997).await;
        assert_eq!(raw.message_of("pong").await["t"], f64::from(t), "{length}");
    }
    raw.send_in_pieces(&frame(FIN | TEXT, &question(9, 126)), 1)
        .await;
    assert_eq!(raw.message_of("pong").await["t"], 9.0);
    raw.send(&frame(FIN | TEXT, b"")).await;
    let error = raw.message_of("error").await;
    assert_eq!(error["code"], "malformed_message", "an empty text");
}

/// Cases 1.2.1 to 1.2.8: this protocol has no binary messages from clients, and says so.
#[tokio::test]
async fn binary_messages_are_refused_and_the_socket_stays() {
    let server = TestServer::start().await;
    let mut raw = Raw::join(&server, 0).await;
    for length in [0, 125, 126, 65_536] {
        raw.send(&frame(FIN | BINARY, &vec![0xfe; length])).await;
        assert_eq!(raw.message_of("error").await["code"], "malformed_message");
    }
    raw.is_served().await;
}

/// Cases 2.1 to 2.4, 2.6 to 2.9 and 2.11: pongs have the ping's payload; pongs that nobody asked for
/// are ignored.
#[tokio::test]
async fn pings_are_answered_with_their_payload() {
    let server = TestServer::start().await;
    let mut raw = Raw::join(&server, 0).await;
    let binary: Vec<u8> = vec![0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff];
    for payload in [vec![], b"Hello, world!".to_vec(), binary, vec![0xfe; 125]] {
        raw.send(&frame(FIN | PING, &payload)).await;
        assert_eq!(raw.pong().await, payload);
        raw.send_in_pieces(&frame(FIN | PING, &payload), 1).await;
        assert_eq!(raw.pong().await, payload);
        raw.send(&frame(FIN | PONG, &payload)).await;
    }
    raw.is_served().await;
}

/// Case 2.10: of many pings at once the newest must be answered, and answers come in order.
#[tokio::test]
async fn of_many_pings_the_newest_is_answered() {
    let server = TestServer::start().await;
    let mut raw = Raw::join(&server, 0).await;
    let pings: Vec<u8> = (0..10u8)
        .flat_map(|number| frame(FIN | PING, &[number]))
        .collect();
    raw.send(&pings).await;
    let mut last = None;
    while last != Some(9) {
        let number = raw.pong().await[0];
        assert!(last.is_none_or(|last| number > last), "in order");
        last = Some(number);
    }
}

/// Case 2.5, and its like for pongs.
#[tokio::test]
async fn control_frames_over_125_bytes_end_the_connection() {
    let cases = vec![
        ("a ping of 126 bytes", frame(FIN | PING, &[0xfe; 126])),
        ("a pong of 126 bytes", frame(FIN | PONG, &[0xfe; 126])),
        ("a ping of 65536 bytes", frame(FIN | PING, &[0xfe; 65_536])),
        ("a close of 126 bytes", close_with(1000, &[b'*'; 124])),
    ];
    all_end_with(1002, cases).await;
}

/// Cases 3.1 to 3.7.
#[tokio::test]
async fn reserved_bits_end_the_connection() {
    let cases = (1..8u8)
        .flat_map(|bits| {
            let bits = bits << 4;
            [
                ("a text", frame(FIN | bits | TEXT, b"{}")),
                ("a ping", frame(FIN | bits | PING, b"")),
                ("a close", frame(FIN | bits | CLOSE, b"")),
            ]
        })
        .collect();
    all_end_with(1002, cases).await;
}

/// Cases 4.1.1 to 4.2.5.
#[tokio::test]
async fn reserved_opcodes_end_the_connection() {
    let cases = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
        .into_iter()
        .flat_map(|opcode: u8| {
            [
                ("empty", frame(FIN | opcode, b"")),
                ("with a payload", frame(FIN | opcode, b"reserved")),
            ]
        })
        .collect();
    all_end_with(1002, cases).await;
}

/// Section 5.1 of the RFC: clients mask what they send.
#[tokio::test]
async fn frames_without_a_mask_end_the_connection() {
    let cases = vec![
        ("a text", vec![FIN | TEXT, 2, b'{', b'}']),
        ("a ping", vec![FIN | PING, 0]),
    ];
    all_end_with(1002, cases).await;
}

/// Cases 5.3 to 5.8, 5.19 and 5.20: messages in fragments, with control frames between them.
#[tokio::test]
async fn fragments_make_one_message_and_control_frames_may_stand_between() {
    let server = TestServer::start().await;
    let mut raw = Raw::join(&server, 0).await;
    let text = question(5, 60);
    let (first, second) = text.split_at(20);
    let whole = [
        frame(TEXT, first),
        frame(FIN | PING, b"between"),
        frame(FIN | CONTINUATION, second),
    ]
    .concat();
    raw.send(&whole).await;
    assert_eq!(raw.pong().await, b"between");
    assert_eq!(raw.message_of("pong").await["t"], 5.0);
    raw.send_in_pieces(&whole, 1).await;
    assert_eq!(raw.pong().await, b"between");
    assert_eq!(raw.message_of("pong").await["t"], 5.0);

    // A byte in each fragment, empty ones among them, and an empty one at the end.
    let text = question(6, 0);
    let mut many = frame(TEXT, b"");
    for byte in &text {
        many.extend(frame(CONTINUATION, &[*byte]));
        many.extend(frame(CONTINUATION, b""));
    }
    many.extend(frame(FIN | CONTINUATION, b""));
    raw.send(&many).await;
    assert_eq!(raw.message_of("pong").await["t"], 6.0);
    raw.is_served().await;
}

/// Cases 5.1, 5.2 and 5.9 to 5.18.
#[tokio::test]
async fn fragments_in_the_wrong_order_end_the_connection() {
    let text = question(1, 0);
    let cases = vec![
        ("a ping in fragments", frame(PING, b"half")),
        ("a pong in fragments", frame(PONG, b"half")),
        ("a close in fragments", frame(CLOSE, b"")),
        ("nothing to go on with", frame(FIN | CONTINUATION, &text)),
        ("the same, unfinished", frame(CONTINUATION, &text)),
        (
            "a continuation after a whole message",
            [frame(FIN | TEXT, &text), frame(FIN | CONTINUATION, &text)].concat(),
        ),
        (
            "a text inside a text",
            [frame(TEXT, b"{"), frame(FIN | TEXT, b"}")].concat(),
        ),
        (
            "a binary inside a text",
            [frame(TEXT, b"{"), frame(FIN | BINARY, b"}")].concat(),
        ),
    ];
    all_end_with(1002, cases).await;
}

/// Cases 6.2.1 to 6.2.4 and 6.5 to 6.7: letters of every length, cut anywhere.
#[tokio::test]
async fn letters_may_be_cut_by_fragments() {
    let server = TestServer::start().await;
    let mut raw = Raw::join(&server, 0).await;
    let text = json!({"type": "ping", "t": 8, "word": "κόσμε é 中 \u{10ffff} \u{1f3a8}"});
    let text = text.to_string().into_bytes();
    for size in [1, 2, 3, 5] {
        let mut pieces = text.chunks(size);
        let mut bytes = frame(TEXT, pieces.next().unwrap());
        for piece in pieces {
            bytes.extend(frame(CONTINUATION, piece));
        }
        bytes.extend(frame(FIN | CONTINUATION, b""));
        raw.send(&bytes).await;
        assert_eq!(raw.message_of("pong").await["t"], 8.0, "{size}");
    }
}

/// Cases 6.3, 6.4 and 6.6 to 6.23: bytes that are no UTF-8, whole and in pieces.
#[tokio::test]
async fn texts_that_are_no_utf8_end_the_connection() {
    let wrong: [(&str, &[u8]); 9] = [
        ("a lone continuation", &[0x80]),
        ("a byte that never is", &[0xff]),
        ("two bytes for one", &[0xc0, 0xaf]),
        ("four bytes for two", &[0xf0, 0x80, 0x80, 0xaf]),
        ("half of a pair of surrogates", &[0xed, 0xa0, 0x80]),
        ("more than there are", &[0xf4, 0x90, 0x80, 0x80]),
        ("five bytes", &[0xf8, 0x88, 0x80, 0x80, 0x80]),
        ("a letter without its end", &[0xf0, 0x9f, 0x8e]),
        ("a letter cut by another", &[0xe4, 0xb8, b'a']),
    ];
    let mut cases = Vec::new();
    for (what, wrong) in wrong {
        let text = [&b"\xce\xba"[..], wrong].concat();
        cases.push((what, frame(FIN | TEXT, &text)));
        let mut pieces = frame(TEXT, b"");
        for byte in &text {
            pieces.extend(frame(CONTINUATION, &[*byte]));
        }
        pieces.extend(frame(FIN | CONTINUATION, b""));
        cases.push((what, pieces));
    }
    all_end_with(1007, cases).await;
}

/// Cases 7.1.1 to 7.1.6, 7.3.1, 7.3.3 to 7.3.5 and 7.7.1 to 7.7.13: a close is answered with its own
/// code and reason, and nothing after it is.
#[tokio::test]
async fn a_close_is_answered_and_nothing_after_it() {
    let server = TestServer::start().await;
    let codes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ];
    for (case, code) in codes.into_iter().enumerate() {
        let mut raw = Raw::join(&server, case).await;
        raw.send(&close_with(code, b"")).await;
        assert_eq!(raw.closed().await, code.to_be_bytes(), "{code}");
    }
    let longest = vec![b'*'; 123];
    for (case, reason) in [b"going".to_vec(), longest].into_iter().enumerate() {
        let mut raw = Raw::join(&server, case).await;
        raw.send(&close_with(1000, &reason)).await;
        let echoed = [&1000u16.to_be_bytes()[..], &reason].concat();
        assert_eq!(raw.closed().await, echoed);
    }
    let mut raw = Raw::join(&server, 2).await;
    raw.send(&frame(FIN | CLOSE, b"")).await;
    assert_eq!(raw.closed().await, b"", "no code, and none back");

    let mut raw = Raw::join(&server, 3).await;
    let more = [
        close_with(1000, b""),
        frame(FIN | TEXT, &question(1, 0)),
        frame(FIN | PING, b"late"),
        close_with(1001, b""),
    ];
    raw.send(&more.concat()).await;
    assert_eq!(raw.closed().await, 1000u16.to_be_bytes());
}

/// Cases 7.3.2 and 7.9.1 to 7.9.9: a close that is none.
#[tokio::test]
async fn closes_that_cannot_be_are_a_protocol_error() {
    let mut cases = vec![("half of a code", frame(FIN | CLOSE, &[3]))];
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999] {
        cases.push(("a code that nobody may send", close_with(code, b"")));
    }
    all_end_with(1002, cases).await;
}

/// Case 7.5.1.
#[tokio::test]
async fn a_reason_that_is_no_utf8_is_not_taken() {
    let cases = vec![(
        "a reason",
        close_with(1000, &[0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xed]),
    )];
    all_end_with(1007, cases).await;
}

/// Cases 9.1 to 9.4 turned around: messages are limited, and lengths are not believed.
#[tokio::test]
async fn messages_over_the_limit_end_the_connection() {
    let large = question(1, 256 * 1024 + 1);
    let (first, second) = large.split_at(200_000);
    let head = |length: u64| {
        let mut bytes = vec![FIN | TEXT, 0x80 | 127];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0; 4]);
        bytes
    };
    let cases = vec![
        ("in one frame", frame(FIN | TEXT, &large)),
        (
            "in fragments",
            [frame(TEXT, first), frame(FIN | CONTINUATION, second)].concat(),
        ),
        ("a length that would take all memory", head(1 << 40)),
        ("the longest there is", head(i64::MAX as u64)),
    ];
    all_end_with(1009, cases).await;
}

/// The same rules hold before anybody has said hello.
#[tokio::test]
async fn the_rules_hold_before_hello() {
    let server = TestServer::start().await;
    for (bytes, code) in [
        (frame(FIN | 3, b""), 1002),
        (frame(FIN | TEXT, &[0xff]), 1007),
        (frame(FIN | TEXT, &question(1, 256 * 1024 + 1)), 1009),
        (frame(FIN | PING, &[0; 126]), 1002),
    ] {
        let (mut raw, _) = Raw::open(&server, "early", "").await;
        raw.send(&bytes).await;
        assert_eq!(code_of(&raw.closed().await), code);
    }
    let (mut raw, _) = Raw::open(&server, "early", "").await;
    raw.send(&frame(FIN | PING, b"who is there")).await;
    assert_eq!(raw.pong().await, b"who is there");
}
