//! What a load comes to.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use super::plan::{LoadCase, Plan};
use crate::cli::bench::report::Spread;
use crate::cli::machine::Machine;
use crate::pipeline::hundredths;
use crate::protocol::ModelInfo;

/// What `bench load` prints.
#[derive(Debug, Serialize)]
pub struct LoadReport {
    /// `load`.
    pub bench: &'static str,
    /// Version of the measuring program.
    pub version: &'static str,
    /// What was measured.
    pub case: LoadCase,
    /// Where the clients run.
    pub client: &'static str,
    /// What was asked.
    pub plan: Plan,
    /// What came of it.
    pub findings: Findings,
    /// The model.
    pub model: ModelInfo,
    /// The machine.
    pub machine: Machine,
    /// The most memory that the server held, in MiB; None for a server that ran already. After a
    /// restart, of the second one.
    pub server_peak_mib: Option<u64>,
}

/// What came of a case.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Findings {
    /// Of painters.
    Painting(PaintingFigures),
    /// Of members who do nothing.
    Idle(IdleFigures),
    /// Of painters beside a slow reader.
    Slow(SlowFigures),
    /// Of members who come back.
    Reconnect(ReconnectFigures),
}

/// What painters waited for.
#[derive(Debug, Serialize)]
pub struct PaintingFigures {
    /// Messages sent.
    pub messages: usize,
    /// The same in a second.
    pub messages_per_second: f64,
    /// Of those, how many were acknowledged.
    pub acknowledged: usize,
    /// Milliseconds from a message to its acknowledgement.
    pub ack_ms: Option<Spread>,
    /// Messages of others that reached a painter.
    pub deliveries: usize,
    /// How many would have been all of them.
    pub deliveries_expected: usize,
    /// Milliseconds from a message to its arrival at another member.
    pub delivery_ms: Option<Spread>,
    /// What the server refused, with its number.
    pub refusals: BTreeMap<String, usize>,
    /// Why painters did not stay to the end.
    pub ended: Vec<String>,
}

/// What idle members take.
#[derive(Debug, Serialize)]
pub struct IdleFigures {
    /// Bytes that the server held before anybody joined.
    pub empty_bytes: u64,
    /// The same with one member in each room.
    pub with_rooms_bytes: u64,
    /// The same with all members.
    pub full_bytes: u64,
    /// Bytes of a room with its first member.
    pub bytes_per_room: f64,
    /// Bytes of each further member; none where there is none.
    pub bytes_per_socket: Option<f64>,
    /// So many of them fit into a GiB.
    pub sockets_per_gib: Option<f64>,
    /// Members whose socket did not last.
    pub ended: usize,
}

/// What painters waited for with a slow reader and without.
#[derive(Debug, Serialize)]
pub struct SlowFigures {
    /// The two parts without it.
    pub without: Vec<PaintingFigures>,
    /// The two parts with it.
    pub with: Vec<PaintingFigures>,
    /// By what factor it raises the mean of the two p99 of acknowledgements.
    pub ack_p99_ratio: Option<f64>,
    /// The same of deliveries.
    pub delivery_p99_ratio: Option<f64>,
    /// How often the server let it go, and it came back.
    pub cut: usize,
}

/// How members came back.
#[derive(Debug, Serialize)]
pub struct ReconnectFigures {
    /// Seconds from the kill until the server was ready again.
    pub down_seconds: f64,
    /// Milliseconds from the beginning of the attempt that led back to its welcome.
    pub reconnect_ms: Option<Spread>,
    /// Milliseconds from the server being ready to a member's welcome, its pauses between attempts
    /// included.
    pub back_ms: Option<Spread>,
    /// Members who did not find what had been acknowledged to them.
    pub lost: usize,
}

/// How somebody came back.
pub struct Return {
    /// When the attempt began that led back.
    pub attempted: Instant,
    /// When it was welcomed.
    pub welcomed: Instant,
    /// Whether what was acknowledged before is in the room.
    pub is_whole: bool,
}

impl IdleFigures {
    /// `resident` is what the server held before anybody joined, with `rooms` members in as many
    /// rooms, and with `more` members more.
    pub fn of(resident: [u64; 3], rooms: usize, more: usize, ended: usize) -> Self {
        let [empty, with_rooms, full] = resident;
        let share =
            |more: u64, than: u64, of: usize| more.saturating_sub(than) as f64 / of.max(1) as f64;
        let per_socket = (more > 0).then(|| share(full, with_rooms, more));
        let fit = per_socket.filter(|bytes| *bytes > 0.0);
        Self {
            empty_bytes: empty,
            with_rooms_bytes: with_rooms,
            full_bytes: full,
            bytes_per_room: share(with_rooms, empty, rooms).round(),
            bytes_per_socket: per_socket.map(f64::round),
            sockets_per_gib: fit.map(|bytes| (f64::from(1 << 30) / bytes).floor()),
            ended,
        }
    }
}

impl SlowFigures {
    /// Of the parts without the slow reader and with it, and how often that one was cut.
    pub fn of(without: Vec<PaintingFigures>, with: Vec<PaintingFigures>, cut: usize) -> Self {
        let ratio = |spread: fn(&PaintingFigures) -> &Option<Spread>| {
            let sum = |parts: &[PaintingFigures]| -> Option<f64> {
                parts
                    .iter()
                    .map(|part| Some(spread(part).as_ref()?.p99))
                    .sum()
            };
            let before = sum(&without).filter(|sum| *sum > 0.0)?;
            Some(hundredths(sum(&with)? / before))
        };
        Self {
            ack_p99_ratio: ratio(|part| &part.ack_ms),
            delivery_p99_ratio: ratio(|part| &part.delivery_ms),
            without,
            with,
            cut,
        }
    }
}

impl ReconnectFigures {
    /// Of all returns to a server that was killed and ready again at these moments.
    pub fn of(returns: &[Return], killed: Instant, ready: Instant) -> Self {
        let between =
            |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
        let attempts = returns
            .iter()
            .map(|back| between(back.attempted, back.welcomed));
        let since_ready = returns.iter().map(|back| between(ready, back.welcomed));
        Self {
            down_seconds: hundredths(between(killed, ready) / 1000.0),
            reconnect_ms: Spread::of(&attempts.collect::<Vec<_>>()),
            back_ms: Spread::of(&since_ready.collect::<Vec<_>>()),
            lost: returns.iter().filter(|back| !back.is_whole).count(),
        }
    }
}

impl LoadReport {
    /// For people.
    pub fn text(&self) -> String {
        let Plan {
            rooms,
            sockets,
            canvas,
            ..
        } = self.plan;
        let mut lines = vec![format!(
            "{sockets} members in {rooms} rooms of {canvas} x {canvas}; the clients run {}",
            self.client
        )];
        match &self.findings {
            Findings::Painting(painting) => lines.extend(painting.lines()),
            Findings::Idle(idle) => lines.extend(idle.lines()),
            Findings::Slow(slow) => lines.extend(slow.lines()),
            Findings::Reconnect(reconnect) => lines.extend(reconnect.lines()),
        }
        lines.join("\n")
    }
}

fn four(spread: &Option<Spread>) -> String {
    match spread {
        Some(spread) => format!(
            "p50 {:.1}, p95 {:.1}, p99 {:.1}, most {:.1} ms",
            spread.p50, spread.p95, spread.p99, spread.max
        ),
        None => "none".to_owned(),
    }
}

impl PaintingFigures {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} messages, {:.0} a second",
                self.messages, self.messages_per_second
            ),
            format!(
                "acknowledged {} of {}: {}",
                self.acknowledged,
                self.messages,
                four(&self.ack_ms)
            ),
        ];
        if self.deliveries_expected > 0 {
            lines.push(format!(
                "delivered {} of {}: {}",
                self.deliveries,
                self.deliveries_expected,
                four(&self.delivery_ms)
            ));
        }
        for (code, count) in &self.refusals {
            lines.push(format!("refused {count} times: {code}"));
        }
        lines.extend(self.ended.iter().map(|why| format!("ended early: {why}")));
        lines
    }
}

impl IdleFigures {
    fn lines(&self) -> Vec<String> {
        let per_socket = match (self.bytes_per_socket, self.sockets_per_gib) {
            (Some(bytes), Some(fit)) => format!(
                "{:.1} KiB for each further member: {fit} in a GiB",
                bytes / 1024.0
            ),
            _ => "no further member could be measured".to_owned(),
        };
        vec![
            format!(
                "{:.1} KiB for each room with its first member",
                self.bytes_per_room / 1024.0
            ),
            per_socket,
            format!("{} sockets did not last", self.ended),
        ]
    }
}

impl SlowFigures {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (parts, what) in [
            (&self.without, "without a slow reader"),
            (&self.with, "with one"),
        ] {
            for part in parts {
                lines.push(format!("{what}:"));
                lines.extend(part.lines().into_iter().map(|line| format!("  {line}")));
            }
        }
        let times = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| ratio.to_string());
        lines.push(format!(
            "with it the p99 is {} times as long for acknowledgements, {} times for deliveries; it \
             was let go {} times",
            times(self.ack_p99_ratio),
            times(self.delivery_p99_ratio),
            self.cut
        ));
        lines
    }
}

impl ReconnectFigures {
    fn lines(&self) -> Vec<String> {
        vec![
            format!("the server was away for {} s", self.down_seconds),
            format!("reconnect: {}", four(&self.reconnect_ms)),
            format!("back after it was ready: {}", four(&self.back_ms)),
            format!(
                "{} members missed something that was acknowledged",
                self.lost
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn painting(p99: f64) -> PaintingFigures {
        PaintingFigures {
            messages: 1,
            messages_per_second: 1.0,
            acknowledged: 1,
            ack_ms: Spread::of(&[p99]),
            deliveries: 0,
            deliveries_expected: 0,
            delivery_ms: None,
            refusals: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    #[test]
    fn a_slow_reader_is_judged_by_both_parts() {
        let part = |p99: [f64; 2]| p99.map(painting).into();
        let figures = SlowFigures::of(part([10.0, 30.0]), part([20.0, 24.0]), 3);
        assert_eq!(figures.ack_p99_ratio, Some(1.1));
        assert_eq!(figures.delivery_p99_ratio, None);
    }

    #[test]
    fn a_socket_is_what_further_members_add() {
        let kib = 1024;
        let idle = IdleFigures::of([1000 * kib, 3000 * kib, 9000 * kib], 20, 100, 0);
        assert_eq!(idle.bytes_per_room, 100.0 * 1024.0);
        assert_eq!(idle.bytes_per_socket, Some(60.0 * 1024.0));
        assert_eq!(idle.sockets_per_gib, Some(17_476.0));
        let alone = IdleFigures::of([1000, 1100, 1100], 1, 0, 0);
        assert_eq!(alone.bytes_per_socket, None);
    }

    #[test]
    fn who_is_back_before_the_server_says_that_it_is_ready_did_not_wait() {
        let killed = Instant::now();
        let at = |milliseconds| killed + Duration::from_millis(milliseconds);
        let back = |attempted, welcomed, is_whole| Return {
            attempted: at(attempted),
            welcomed: at(welcomed),
            is_whole,
        };
        let returns = [back(900, 950, true), back(1200, 1400, false)];
        let figures = ReconnectFigures::of(&returns, killed, at(1000));
        assert_eq!(figures.down_seconds, 1.0);
        assert_eq!(figures.reconnect_ms.unwrap().max, 200.0);
        let back = figures.back_ms.unwrap();
        assert_eq!((back.min, back.max), (0.0, 400.0));
        assert_eq!(figures.lost, 1);
    }
}
