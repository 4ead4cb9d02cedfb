//! The Prometheus recorder: the names and labels of `docs/protocol.md`, with
//! histogram buckets around the budget of 500 ms from stroke to pixel.

use std::sync::OnceLock;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;

/// Seconds per stage of a render; label `stage`, one of [`STAGES`].
pub const STAGE_SECONDS: &str = "impasto_stage_seconds";
/// Seconds from the arrival of a stroke chunk to the writing of the first
/// frame that includes it.
pub const STROKE_TO_PIXEL_SECONDS: &str = "impasto_stroke_to_pixel_seconds";
/// Runs of the text encoder.
pub const TEXT_ENCODER_RUNS: &str = "impasto_text_encoder_runs_total";
/// Prompts whose embedding was at hand.
pub const TEXT_CACHE_HITS: &str = "impasto_text_cache_hits_total";
/// Renders; label `state`, as in the `render` message.
pub const RENDERS: &str = "impasto_renders_total";
/// Inversions of parts of photos; label `state`, one of [`INVERSION_STATES`].
pub const INVERSIONS: &str = "impasto_inversions_total";
/// Bytes of latents that are kept between renders; label `place`, one of [`PLACES`].
pub const LATENT_BYTES: &str = "impasto_latent_bytes";
/// Parts of inverted photos that were moved; label `to`, one of [`PLACES`].
pub const LATENT_MOVES: &str = "impasto_latent_moves_total";
/// Rooms in memory.
pub const ROOMS: &str = "impasto_rooms";
/// Bytes that the canvases of the rooms in memory come to, each as if all of it were painted on.
pub const ROOM_BYTES: &str = "impasto_room_bytes";
/// The most that they may come to.
pub const ROOM_BYTES_BUDGET: &str = "impasto_room_bytes_budget";
/// Rooms that left memory for others; they come back when they are wanted.
pub const ROOMS_RESTED: &str = "impasto_rooms_rested_total";
/// Members over all rooms.
pub const MEMBERS: &str = "impasto_members";
/// Open websockets.
pub const SOCKETS: &str = "impasto_sockets";
/// Refused messages; label `code`.
pub const REFUSALS: &str = "impasto_refusals_total";

/// Connections that made place for others; label `why`.
pub const CONNECTIONS_CUT: &str = "impasto_connections_cut_total";
/// Open connections, websockets among them.
pub const CONNECTIONS: &str = "impasto_connections";

/// Rooms with work on a device; label `device`.
pub const DEVICE_ROOMS: &str = "impasto_device_rooms";
/// Renders that a device finished; label `device`.
pub const DEVICE_RENDERS: &str = "impasto_device_renders_total";

/// The values of the label `stage`.
pub const STAGES: [&str; 7] = [
    "queue", "text", "encode", "denoise", "decode", "safety", "codec",
];

/// The values of the label `state`.
pub const RENDER_STATES: [&str; 5] = ["started", "done", "superseded", "failed", "held_back"];

/// The values of the label `state` of inversions.
pub const INVERSION_STATES: [&str; 4] = ["started", "done", "superseded", "failed"];

/// The values of the labels `place` and `to`.
pub const PLACES: [&str; 3] = ["device", "host", "disk"];

/// Upper bounds in seconds, finest around the budgets of 250 and 500 ms.
const BUCKETS: [f64; 20] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65,
    0.8, 1.0, 2.0, 5.0,
];

/// The process-wide recorder, installed by the first call.
///
/// Metrics that were recorded before it are lost, so a server calls it before
/// anything else starts.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let mut builder = PrometheusBuilder::new();
        for name in [STAGE_SECONDS, STROKE_TO_PIXEL_SECONDS] {
            let matcher = Matcher::Full(name.to_owned());
            match builder.set_buckets_for_metric(matcher, &BUCKETS) {
                Ok(with_buckets) => builder = with_buckets,
                // Only an empty list of buckets is refused.
                Err(cause) => {
                    tracing::error!(%cause, "histograms are summaries");
                    builder = PrometheusBuilder::new();
                }
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed: /metrics stays empty");
        }
        describe();
        register();
        handle
    })
}

fn describe() {
    describe_histogram!(
        STAGE_SECONDS,
        Unit::Seconds,
        "Seconds per stage of a render"
    );
    describe_histogram!(
        STROKE_TO_PIXEL_SECONDS,
        Unit::Seconds,
        "Seconds from a stroke chunk's arrival to the first frame that includes it"
    );
    describe_counter!(TEXT_ENCODER_RUNS, "Runs of the text encoder");
    describe_counter!(TEXT_CACHE_HITS, "Prompts whose embedding was at hand");
    describe_counter!(RENDERS, "Renders by state");
    describe_gauge!(DEVICE_ROOMS, "Rooms with work on a device, by device");
    describe_counter!(DEVICE_RENDERS, "Renders that were finished, by device");
    describe_counter!(INVERSIONS, "Inversions of parts of photos by state");
    describe_gauge!(
        LATENT_BYTES,
        Unit::Bytes,
        "Latents kept between renders, by where they lie"
    );
    describe_counter!(
        LATENT_MOVES,
        "Parts of inverted photos moved, by where they went"
    );
    describe_counter!(REFUSALS, "Refused messages by code");
    describe_gauge!(ROOMS, "Rooms in memory");
    describe_gauge!(
        ROOM_BYTES,
        Unit::Bytes,
        "Canvases of the rooms in memory, each as if all of it were painted on"
    );
    describe_gauge!(
        ROOM_BYTES_BUDGET,
        Unit::Bytes,
        "The most that these canvases may come to"
    );
    describe_counter!(ROOMS_RESTED, "Rooms that left memory for others");
    describe_gauge!(MEMBERS, "Members over all rooms");
    describe_gauge!(SOCKETS, "Open websockets");
    describe_gauge!(CONNECTIONS, "Open connections");
    describe_counter!(CONNECTIONS_CUT, "Connections that made place for others");
}

/// Makes the series exist from the start, so that a rate over them has a beginning.
fn register() {
    for stage in STAGES {
        drop(histogram!(STAGE_SECONDS, "stage" => stage));
    }
    drop(histogram!(STROKE_TO_PIXEL_SECONDS));
    counter!(ROOMS_RESTED).increment(0);
    counter!(TEXT_ENCODER_RUNS).increment(0);
    counter!(TEXT_CACHE_HITS).increment(0);
    for state in RENDER_STATES {
        counter!(RENDERS, "state" => state).increment(0);
    }
    for state in INVERSION_STATES {
        counter!(INVERSIONS, "state" => state).increment(0);
    }
    for place in PLACES {
        gauge!(LATENT_BYTES, "place" => place).set(0.0);
        counter!(LATENT_MOVES, "to" => place).increment(0);
    }
}

/// The text of `GET /metrics`, with the gauges brought up to date.
pub fn render(
    rooms: usize,
    members: usize,
    room_bytes: u64,
    room_bytes_most: u64,
    sockets: usize,
    connections: usize,
) -> String {
    let handle = recorder();
    gauge!(ROOM_BYTES).set(room_bytes as f64);
    gauge!(ROOM_BYTES_BUDGET).set(room_bytes_most as f64);
    gauge!(ROOMS).set(gauge_value(rooms));
    gauge!(MEMBERS).set(gauge_value(members));
    gauge!(SOCKETS).set(gauge_value(sockets));
    gauge!(CONNECTIONS).set(gauge_value(connections));
    handle.render()
}

/// A code's name on the wire, as the label of [`REFUSALS`].
pub fn code_name(code: impl Serialize) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn gauge_value(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
