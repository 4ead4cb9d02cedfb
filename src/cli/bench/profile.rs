//! `impasto bench profile`: where a window's time goes, operation by operation, and how near each
//! comes to what the machine can do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::canvas::{Mask, Pixels};
use crate::cli::load::{LoadExtras, ModelFlags};
use crate::cli::machine::{Machine, this_machine};
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, bar};
use crate::kernels::roofs::Roofs;
use crate::kernels::{Operation, profiled};
use crate::pipeline::{Edit, Output, Pipeline, PipelineError, RenderSettings, hundredths};
use crate::protocol::Rect;

/// Rounds before the first that counts.
const WARM_UP: usize = 2;

/// Flags of `bench profile`.
#[derive(Clone, Debug, Args)]
pub struct ProfileArgs {
    /// Which model runs, and on what; operations are told of the CPU's alone.
    #[command(flatten)]
    pub model: ModelFlags,
    /// Side of the square window, as the model sees it
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    pub window: u32,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// How much the prompt counts; 1 asks the network for one picture a step
    /// [default: what the model wants]
    #[arg(long, value_name = "N")]
    pub guidance_scale: Option<f64>,
    /// Rounds that count
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rounds: usize,
    /// Operations that are told of each stage, those that take most first
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub operations: usize,
    /// Print JSON, with all operations
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Profile {
    bench: &'static str,
    version: &'static str,
    machine: Machine,
    /// What the machine can do at most, measured in the same run.
    roofs: RoofsTold,
    model: String,
    window: u32,
    stages: Vec<Stage>,
}

#[derive(Serialize)]
struct RoofsTold {
    told: String,
    gflops: f64,
    gb_per_second: f64,
}

/// One stage of a render; times are means over all rounds, in milliseconds.
#[derive(Serialize)]
struct Stage {
    stage: &'static str,
    ms: f64,
    operations: Vec<Line>,
    /// Between the kernels' operations: the sampler, tensors put together, the prompt.
    rest_ms: f64,
}

#[derive(Serialize)]
struct Line {
    operation: &'static str,
    shape: String,
    runs: f64,
    ms: f64,
    /// Of the fused products and sums that the machine can do, by the operation's definition; more
    /// than 1 where a kernel needs fewer.
    of_arithmetic: Option<f64>,
    /// Of the bytes that memory can move, each operand and result counted once; more than 1 where
    /// they lie in a cache.
    of_memory: f64,
}

/// Runs the bench and prints its report.
///
/// # Errors
/// When the model cannot be used, or the window is no size for it.
pub fn run(args: &ProfileArgs) -> Result<(), Failure> {
    if args.rounds == 0 {
        return Err(Failure::usage("give at least one round with --rounds"));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or_default());
    let pool = pool.build().map_err(Failure::broken)?;
    let (mut pipeline, _) = args.model.load(&LoadExtras::default())?;
    let grid = pipeline.model().window_grid();
    if args.window == 0 || !args.window.is_multiple_of(grid) {
        let message = format!(
            "this model's windows have sides that are multiples of {grid}: choose another --window"
        );
        return Err(Failure::usage(message));
    }
    let profile = pool.install(|| measure(args, &mut pipeline))?;
    match args.json {
        true => print_pretty_json(&profile),
        false => {
            print_table(&profile, args.operations);
            Ok(())
        }
    }
}

fn measure(args: &ProfileArgs, pipeline: &mut Pipeline) -> Result<Profile, Failure> {
    let roofs = Roofs::measure();
    let edit = edit(args, pipeline)?;
    let mut stages = [
        Measured::new("encode"),
        Measured::new("UNet step"),
        Measured::new("decode"),
        Measured::new("finish"),
    ];
    let progress = bar("measuring", args.rounds as u64);
    for round in 0..WARM_UP + args.rounds {
        if round == WARM_UP {
            stages.iter_mut().for_each(Measured::forget);
        }
        one_round(pipeline, &edit, &mut stages).map_err(Failure::broken)?;
        if round >= WARM_UP {
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let stages = stages
        .into_iter()
        .map(|stage| stage.told(args.rounds, &roofs));
    Ok(Profile {
        bench: "profile",
        version: env!("CARGO_PKG_VERSION"),
        machine: this_machine(),
        roofs: RoofsTold {
            told: roofs.to_string(),
            gflops: hundredths(roofs.flops / 1e9),
            gb_per_second: hundredths(roofs.bytes / 1e9),
        },
        model: pipeline.model().name.clone(),
        window: args.window,
        stages: stages.collect(),
    })
}

/// A sketch of stripes, all of it to be repainted with what the model wants.
fn edit(args: &ProfileArgs, pipeline: &Pipeline) -> Result<Edit, Failure> {
    let side = args.window;
    let defaults = pipeline.defaults().map_err(Failure::usage)?;
    let mut sketch = Pixels::new(side, side, [255; 3]);
    for (index, pixel) in sketch.data_mut().chunks_exact_mut(3).enumerate() {
        let row = index as u32 / side;
        pixel.copy_from_slice(match row * 4 / side {
            0 | 1 => &[110, 170, 230],
            2 => &[60, 140, 70],
            _ => &[200, 180, 120],
        });
    }
    let sketch = Arc::new(sketch);
    let rect = Rect::new(0, 0, side, side);
    Ok(Edit {
        window: rect,
        known: sketch.clone(),
        sketch,
        mask: Arc::new(Mask::new(side, side, u8::MAX)),
        settings: RenderSettings {
            prompt: "sea and meadow".to_owned(),
            steps: 2,
            guidance_scale: args.guidance_scale.unwrap_or(defaults.guidance_scale),
            variation: defaults.variation,
            sampler: defaults.sampler.clone(),
            ..RenderSettings::default()
        },
        output: Output {
            rect,
            finish: defaults.finish,
            finish_strength: defaults.finish_strength,
        },
        control: None,
        photo: None,
    })
}

fn one_round(
    pipeline: &mut Pipeline,
    edit: &Edit,
    [encode, step, decode, finish]: &mut [Measured; 4],
) -> Result<(), PipelineError> {
    let latents = encode.measure(|| pipeline.encode(&edit.sketch))?;
    let mut render = pipeline.begin(edit, latents, None)?;
    step.measure(|| pipeline.step(&mut [&mut render]))?;
    while !render.is_done() {
        pipeline.step(&mut [&mut render])?;
    }
    let rendered = decode.measure(|| pipeline.finish(render))?;
    finish.measure(|| Ok(edit.output.apply(rendered.pixels)))?;
    Ok(())
}

/// What was measured of a stage, over all rounds.
struct Measured {
    stage: &'static str,
    spent: Duration,
    operations: Vec<Operation>,
}

impl Measured {
    fn new(stage: &'static str) -> Self {
        Self {
            stage,
            spent: Duration::ZERO,
            operations: Vec::new(),
        }
    }

    fn forget(&mut self) {
        *self = Self::new(self.stage);
    }

    fn measure<R>(
        &mut self,
        work: impl FnOnce() -> Result<R, PipelineError>,
    ) -> Result<R, PipelineError> {
        let started = Instant::now();
        let (result, operations) = profiled(work);
        self.spent += started.elapsed();
        for one in operations {
            let same = |known: &&mut Operation| known.name == one.name && known.shape == one.shape;
            match self.operations.iter_mut().find(same) {
                Some(known) => {
                    known.runs += one.runs;
                    known.spent += one.spent;
                    known.flops += one.flops;
                    known.values += one.values;
                }
                None => self.operations.push(one),
            }
        }
        result
    }

    fn told(mut self, rounds: usize, roofs: &Roofs) -> Stage {
        let ms = |spent: Duration| hundredths(spent.as_secs_f64() * 1e3 / rounds as f64);
        let inside: Duration = self.operations.iter().map(|one| one.spent).sum();
        self.operations
            .sort_by_key(|one| std::cmp::Reverse(one.spent));
        let line = |one: Operation| {
            let seconds = one.spent.as_secs_f64().max(f64::MIN_POSITIVE);
            let bytes = (one.values * size_of::<f32>() as u64) as f64;
            let arithmetic = hundredths(one.flops as f64 / seconds / roofs.flops);
            Line {
                operation: one.name,
                shape: one.shape,
                runs: hundredths(one.runs as f64 / rounds as f64),
                ms: ms(one.spent),
                of_arithmetic: (one.flops > 0).then_some(arithmetic),
                of_memory: hundredths(bytes / seconds / roofs.bytes),
            }
        };
        Stage {
            stage: self.stage,
            ms: ms(self.spent),
            operations: self.operations.into_iter().map(line).collect(),
            rest_ms: ms(self.spent.saturating_sub(inside)),
        }
    }
}

fn print_table(profile: &Profile, most: usize) {
    println!("{}, a window of {}²", profile.model, profile.window);
    println!("{}", profile.roofs.told);
    for stage in &profile.stages {
        println!(
            "\n{:<52} {:>8} {:>6} {:>8} {:>8}",
            format!("{}: {:.2} ms", stage.stage, stage.ms),
            "ms",
            "runs",
            "of FMA",
            "of mem."
        );
        let told = stage.operations.len().min(most);
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        for line in &stage.operations[..told] {
            println!(
                "{:<52} {:>8.2} {:>6} {:>8} {:>8}",
                format!("  {} {}", line.operation, line.shape),
                line.ms,
                line.runs,
                line.of_arithmetic.map(percent).unwrap_or_default(),
                percent(line.of_memory)
            );
        }
        let others = &stage.operations[told..];
        if !others.is_empty() {
            let ms: f64 = others.iter().map(|line| line.ms).sum();
            println!("{:<52} {ms:>8.2}", format!("  {} more", others.len()));
        }
        println!("{:<52} {:>8.2}", "  between them", stage.rest_ms);
    }
}
