//! `impasto bench stroke`: paints as a hand does and measures from stroke to pixel.

mod plan;

use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::timeout_at;

use super::client::{BenchClient, Heard, make_room, model_of};
use super::painting::{ANSWER_WITHIN, CHUNK_EVERY, Listener, listen, paint};
use super::report::{Painted, Spread, StrokeReport, spread_by_stage};
use super::server::{MeasuredServer, OwnSettings, ServerFlags};
use super::tally::Tally;
use crate::canvas::zoom_for;
use crate::cli::machine::this_machine;
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, bar};
use crate::pipeline::hundredths;
use crate::protocol::{CanvasSize, ClientMessage, Layer, SettingsPatch};
use plan::{Plan, SPREAD};

/// Strokes before the first that counts.
const WARM_UP: usize = 3;

/// Flags of `bench stroke`.
#[derive(Clone, Debug, Args)]
pub struct StrokeArgs {
    /// Which server is measured.
    #[command(flatten)]
    pub server: ServerFlags,
    /// Side of the square canvas, a multiple of 64
    #[arg(long, value_name = "PIXELS", default_value_t = 512)]
    pub canvas: u32,
    /// Paint single dabs of that diameter [default: 64]
    #[arg(long, value_name = "PIXELS", conflicts_with = "window")]
    pub dab: Option<u32>,
    /// Paint strokes whose render window is, as the model sees it, a square of that side
    #[arg(long, value_name = "PIXELS")]
    pub window: Option<u32>,
    /// Strokes that count
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub strokes: usize,
    /// Sampling steps
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub steps: u32,
    /// The prompt
    #[arg(long, value_name = "TEXT", default_value = "red apple")]
    pub prompt: String,
    /// Rest between strokes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 300)]
    pub rest: u64,
    /// Seed of the places and colours of the strokes, and of the room's noise
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
}

/// Runs the bench and prints its report as JSON.
///
/// # Errors
/// When the flags make no sense, or the server does not do its part.
pub fn run(args: StrokeArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::broken(format!("cannot start the network: {cause}")))?;
    let report = runtime.block_on(measure(&args))?;
    print_pretty_json(&report)?;
    Ok(())
}

async fn measure(args: &StrokeArgs) -> Result<StrokeReport, Failure> {
    let server = MeasuredServer::find(&args.server, OwnSettings::default()).await?;
    let model = model_of(server.authority()).await?;
    let size = CanvasSize {
        width: args.canvas,
        height: args.canvas,
    };
    let plan = Plan::new(args, zoom_for(size, model.native_size, model.largest_zoom))?;
    let room = make_room(server.authority(), server.token(), args.canvas).await?;
    let joining = Instant::now();
    let (mut client, _) = BenchClient::join(server.authority(), &room).await?;
    let mut tally = Tally::default();
    let first_frame = first_frame(&mut client, &mut tally, joining).await?;
    client
        .send(&ClientMessage::Settings(SettingsPatch {
            prompt: Some(args.prompt.clone()),
            steps: Some(args.steps),
            seed: Some(args.seed.into()),
            spread: Some(SPREAD),
            live: Some(true),
            ..SettingsPatch::default()
        }))
        .await?;

    let strokes = WARM_UP + args.strokes;
    let progress = bar("painting", strokes as u64);
    for index in 0..strokes {
        if index == WARM_UP {
            tally = Tally {
                refusals: tally.refusals,
                ..Tally::default()
            };
        }
        let stroke = plan.stroke(index);
        let watch = paint(&mut client, &mut tally, &stroke).await?;
        tally.finish(&watch);
        let rested = Instant::now() + plan.rest;
        listen(&mut client, &mut tally, rested, |_| false).await?;
        progress.inc(1);
    }
    progress.finish_and_clear();

    Ok(StrokeReport {
        bench: "stroke",
        version: env!("CARGO_PKG_VERSION"),
        stroke_to_pixel_ms: Spread::of(&tally.last_chunk_ms),
        first_chunk_to_pixel_ms: Spread::of(&tally.first_chunk_ms),
        first_frame_ms: hundredths(first_frame.as_secs_f64() * 1000.0),
        stages_ms: spread_by_stage(&tally.timings),
        painted: Painted {
            canvas: args.canvas,
            brush: plan.brush,
            window: args.window,
            strokes: args.strokes,
            chunks: plan.chunks,
            chunk_ms: CHUNK_EVERY.as_millis() as u64,
            rest_ms: args.rest,
            steps: args.steps,
            prompt: args.prompt.clone(),
        },
        renders: tally.renders,
        render_rects: tally.render_rects,
        frame_bytes: Spread::of(&tally.frame_bytes),
        lost: tally.lost,
        refusals: tally.refusals,
        model,
        machine: this_machine(),
        ready_seconds: server.ready_seconds().map(hundredths),
        server_peak_mib: server.peak_memory_mib(),
    })
}

async fn first_frame(
    client: &mut BenchClient,
    tally: &mut Tally,
    joining: Instant,
) -> Result<Duration, Failure> {
    let deadline = joining + ANSWER_WITHIN;
    loop {
        match timeout_at(deadline.into(), client.hear()).await {
            Ok(heard) => match heard? {
                Heard::Frame(header, _) if header.layer == Layer::Result => {
                    return Ok(joining.elapsed());
                }
                other => tally.hear(&other, Instant::now())?,
            },
            Err(_) => {
                return Err(Failure::broken(
                    "the room shows no picture after its welcome",
                ));
            }
        }
    }
}
