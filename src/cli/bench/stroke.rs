//! `impasto bench stroke`: paints as a hand does and measures from stroke to pixel.

mod plan;
mod tally;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::timeout_at;

use super::client::{BenchClient, Heard, make_room};
use super::report::{Painted, Spread, StrokeReport, spread_by_stage};
use super::server::MeasuredServer;
use crate::cli::machine::this_machine;
use crate::cli::{Failure, bar};
use crate::pipeline::hundredths;
use crate::protocol::{ClientMessage, Layer, SettingsPatch};
use plan::{Plan, PlannedStroke, SPREAD};
use tally::{StrokeWatch, Tally};

/// Strokes before the first that counts.
const WARM_UP: usize = 3;
/// How long a stroke may stay without an answer before it counts as lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Flags of `bench stroke`.
#[derive(Clone, Debug, Args)]
pub struct StrokeArgs {
    /// A server that runs already, such as ws://127.0.0.1:7860 [default: one of its own]
    #[arg(long, value_name = "URL", conflicts_with_all = ["model", "device"])]
    pub url: Option<String>,
    /// Model of the bench's own server [default: the bundled one]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Device of the bench's own server
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Side of the square canvas, a multiple of 64
    #[arg(long, value_name = "PIXELS", default_value_t = 512)]
    pub canvas: u32,
    /// Paint single dabs of that diameter [default: 64]
    #[arg(long, value_name = "PIXELS", conflicts_with = "window")]
    pub dab: Option<u32>,
    /// Paint strokes whose render window is a square of that side
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
    let plan = Plan::new(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::broken(format!("cannot start the network: {cause}")))?;
    let report = runtime.block_on(measure(&args, &plan))?;
    println!(
        "{}",
        serde_json::to_string_pretty(&report).map_err(Failure::broken)?
    );
    Ok(())
}

async fn measure(args: &StrokeArgs, plan: &Plan) -> Result<StrokeReport, Failure> {
    let server = match &args.url {
        Some(url) => MeasuredServer::running(url)?,
        None => MeasuredServer::start(args.model.as_ref(), &args.device).await?,
    };
    let room = make_room(server.authority(), args.canvas).await?;
    let joining = Instant::now();
    let (mut client, welcome) = BenchClient::join(server.authority(), &room).await?;
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
        paint(&mut client, &mut tally, plan, &stroke).await?;
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
            chunk_ms: plan.chunk_every.as_millis() as u64,
            rest_ms: args.rest,
            steps: args.steps,
            prompt: args.prompt.clone(),
        },
        renders: tally.renders,
        render_rects: tally.render_rects,
        frame_bytes: Spread::of(&tally.frame_bytes),
        lost: tally.lost,
        refusals: tally.refusals,
        model: welcome.model,
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
                other => tally.hear(&other),
            },
            Err(_) => {
                return Err(Failure::broken(
                    "the room shows no picture after its welcome",
                ));
            }
        }
    }
}

async fn paint(
    client: &mut BenchClient,
    tally: &mut Tally,
    plan: &Plan,
    stroke: &PlannedStroke,
) -> Result<(), Failure> {
    let mut watch = StrokeWatch::new(&stroke.id, stroke.footprint, stroke.chunks.len());
    let begun = Instant::now();
    for (index, chunk) in (1_u32..).zip(&stroke.chunks) {
        let message = ClientMessage::Stroke(chunk.clone());
        watch.sent(Instant::now());
        client.send(&message).await?;
        if index as usize == stroke.chunks.len() {
            break;
        }
        listen(
            client,
            tally,
            &mut watch,
            begun + plan.chunk_every * index,
            false,
        )
        .await?;
    }
    listen(
        client,
        tally,
        &mut watch,
        Instant::now() + ANSWER_WITHIN,
        true,
    )
    .await?;
    tally.finish(&watch);
    listen(client, tally, &mut watch, Instant::now() + plan.rest, false).await
}

/// Hears what comes until a moment, or with `until_answered` until the whole
/// stroke is answered.
async fn listen(
    client: &mut BenchClient,
    tally: &mut Tally,
    watch: &mut StrokeWatch,
    until: Instant,
    until_answered: bool,
) -> Result<(), Failure> {
    while !(until_answered && watch.answered()) {
        let Ok(heard) = timeout_at(until.into(), client.hear()).await else {
            break;
        };
        let now = Instant::now();
        let heard = heard?;
        watch.hear(&heard, now);
        tally.hear(&heard);
    }
    Ok(())
}
