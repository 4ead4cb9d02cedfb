//! Our kernels beside candle's own operations, on the shapes that a render runs.
//!
//! `cargo bench --bench kernels` prints time and throughput; for convolutions, dense layers and
//! attention an element is one floating-point operation, so that `Gelem/s` reads as GFLOP/s, and
//! for the others it is one value. At the end it prints, for each of our kernels, how much that is
//! of what this machine can do at most, measured in the same run: of its arithmetic, counting the
//! products and sums of the operation's definition (a kernel that needs fewer of them can pass
//! 100 %), and of its memory, counting each operand and the result once (what a cache holds can
//! pass 100 % too).

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use candle_core::{Device, Result, Shape, Tensor};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use impasto::kernels::{
    Conv2d, ConvChain, Fused, GroupNorm, LayerNorm, Linear, Link, Padding, attention, geglu, gelu,
    silu, stock, upsample_nearest_2x,
};

fn random(shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

/// What an operation takes by its definition.
struct Cost {
    /// Floating-point operations; none for operations that only go over values.
    flops: usize,
    /// Values that are read or written.
    values: usize,
}

impl Cost {
    /// Of products and sums, over these operands and this many values of the result.
    fn products(flops: usize, operands: &[&Tensor], result: usize) -> Self {
        let read: usize = operands.iter().map(|operand| operand.elem_count()).sum();
        Self {
            flops,
            values: read + result,
        }
    }

    /// Of one pass from these values to those.
    fn pass(from: usize, to: usize) -> Self {
        Self {
            flops: 0,
            values: from + to,
        }
    }
}

/// A line of the table at the end.
struct Measured {
    name: String,
    cost: Cost,
    /// Seconds: the best of ours and of candle's.
    ours: f64,
    candle: f64,
}

thread_local! {
    static TABLE: RefCell<Vec<Measured>> = const { RefCell::new(Vec::new()) };
}

/// Measures both sides of one shape. Each runs on a worker of candle's pool, as the engine does.
fn beside(
    group: &mut BenchmarkGroup<WallTime>,
    name: &str,
    cost: Cost,
    ours: impl Fn() -> Result<Tensor> + Sync,
    candle: impl Fn() -> Result<Tensor> + Sync,
) -> Result<()> {
    let difference = (ours()? - candle()?)?
        .abs()?
        .mean_all()?
        .to_scalar::<f32>()?;
    assert!(difference < 1e-3, "{name} differs by {difference}");
    let elements = if cost.flops > 0 {
        cost.flops
    } else {
        cost.values / 2
    };
    group.throughput(Throughput::Elements(elements as u64));
    let mut measure = |side: &str, operation: &(dyn Fn() -> Result<Tensor> + Sync)| {
        let mut best = f64::INFINITY;
        group.bench_function(BenchmarkId::new(side, name), |bencher| {
            bencher.iter_custom(|count| {
                let spent = Device::Cpu.with_context(|| {
                    let start = Instant::now();
                    for _ in 0..count {
                        // Both sides have run once above, so neither fails here.
                        black_box(operation().ok());
                    }
                    start.elapsed()
                });
                best = best.min(spent.as_secs_f64() / count as f64);
                spent
            });
        });
        best
    };
    let (ours, candle) = (measure("impasto", &ours), measure("candle", &candle));
    // A filter on the command line leaves the others unmeasured.
    if ours.is_finite() {
        let name = name.to_owned();
        TABLE.with_borrow_mut(|table| {
            table.push(Measured {
                name,
                cost,
                ours,
                candle,
            });
        });
    }
    Ok(())
}

fn convolutions(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("conv");
    for (batch, channels_in, channels_out, side, kernel, stride) in [
        // The shapes of torch's and candle's table.
        (1, 96, 96, 32, 3, 1),
        (1, 192, 192, 16, 3, 1),
        (1, 320, 320, 8, 3, 1),
        (1, 320, 320, 32, 3, 1),
        (1, 640, 640, 16, 3, 1),
        // The levels of the bundled UNet in a window of 256 pixels, and the doubled batch.
        (1, 64, 64, 32, 3, 1),
        (1, 128, 128, 16, 3, 1),
        (1, 256, 256, 8, 3, 1),
        (2, 64, 64, 32, 3, 1),
        (2, 128, 128, 16, 3, 1),
        (2, 256, 256, 8, 3, 1),
        (2, 256, 256, 4, 3, 1),
        (2, 384, 128, 16, 1, 1),
        // The bundled autoencoder.
        (1, 3, 32, 256, 3, 1),
        (1, 32, 32, 256, 3, 1),
        (1, 32, 32, 256, 3, 2),
        (1, 32, 32, 128, 3, 1),
        (1, 32, 3, 256, 3, 1),
    ] {
        let input = random((batch, channels_in, side, side))?;
        let weight = random((channels_out, channels_in, kernel, kernel))?;
        let bias = random(channels_out)?;
        let padding = Padding::all(kernel / 2);
        let conv = Conv2d::new(weight.clone(), Some(bias.clone()), stride, kernel / 2)?;
        let pixels = batch * (side / stride).pow(2);
        beside(
            &mut group,
            &format!("{batch}x{channels_in}-{channels_out}@{side}/{kernel}x{kernel}/{stride}"),
            Cost::products(
                2 * pixels * channels_in * channels_out * kernel * kernel,
                &[&input, &weight, &bias],
                pixels * channels_out,
            ),
            || conv.forward(&input),
            || stock::conv2d(&input, &weight, Some(&bias), stride, padding),
        )?;
    }
    for (channels, side) in [(256, 8), (128, 16), (32, 128)] {
        let input = random((1, channels, side, side))?;
        let weight = random((channels, channels, 3, 3))?;
        let conv = Conv2d::new(weight.clone(), None, 1, 1)?;
        beside(
            &mut group,
            &format!("upsampled {channels}@{side}"),
            Cost::products(
                2 * (2 * side * channels * 3).pow(2),
                &[&input, &weight],
                channels * (2 * side).pow(2),
            ),
            || conv.forward_upsampled(&input, Fused::default()),
            || {
                let larger = stock::upsample_nearest_2x(&input)?;
                stock::conv2d(&larger, &weight, None, 1, Padding::all(1))
            },
        )?;
    }
    group.finish();
    Ok(())
}

/// A convolution from and one to pictures with a residual block between them, at full resolution:
/// where the small autoencoder spends its time.
fn chains(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("chain");
    for side in [64, 256] {
        let input = random((1, 3, side, side))?;
        let shapes = [(32, 3), (32, 32), (32, 32), (32, 32), (3, 32)];
        let weights: Vec<Tensor> = shapes
            .iter()
            .map(|&(out, from)| random((out, from, 3, 3))? * (1.0 / (9.0 * from as f64).sqrt()))
            .collect::<Result<_>>()?;
        let mut links: Vec<Link> = weights
            .iter()
            .map(|weight| Ok(Link::new(Conv2d::new(weight.clone(), None, 1, 1)?)))
            .collect::<Result<_>>()?;
        for link in &mut links[1..4] {
            link.relu = true;
        }
        links[3].residual = Some(0);
        let chain = ConvChain::new(links)?;
        let conv = |input: &Tensor, number: usize| {
            stock::conv2d(input, &weights[number], None, 1, Padding::all(1))
        };
        let products: usize = shapes.iter().map(|(out, from)| 9 * out * from).sum();
        let operands: Vec<&Tensor> = weights.iter().chain([&input]).collect();
        beside(
            &mut group,
            &format!("3-32, residual block, 32-3@{side}"),
            Cost::products(2 * side * side * products, &operands, 3 * side * side),
            || chain.forward(&input),
            || {
                let first = conv(&input, 0)?;
                let inner = conv(&first, 1)?.relu()?;
                let inner = conv(&inner, 2)?.relu()?;
                conv(&(conv(&inner, 3)? + &first)?.relu()?, 4)
            },
        )?;
    }
    group.finish();
    Ok(())
}

fn transformers(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("attention");
    for (batch, queries, keys, heads, dim) in [
        (1, 256, 256, 4, 32),
        (2, 256, 32, 4, 32),
        (1, 64, 64, 4, 64),
        (2, 1024, 1024, 8, 40),
        (2, 1024, 77, 8, 40),
    ] {
        let query = random((batch, queries, heads * dim))?;
        let key = random((batch, keys, heads * dim))?;
        beside(
            &mut group,
            &format!("{batch}x{queries}x{keys}/{heads}x{dim}"),
            Cost::products(
                4 * batch * queries * keys * heads * dim,
                &[&query, &key, &key],
                query.elem_count(),
            ),
            || attention(&query, &key, &key, heads, 0.2, None),
            || stock::attention(&query, &key, &key, heads, 0.2, None),
        )?;
    }
    group.finish();
    let mut group = criterion.benchmark_group("linear");
    for (rows, features_in, features_out) in [
        (256, 128, 128),
        (256, 128, 1024),
        (256, 512, 128),
        (64, 256, 2048),
        (64, 1024, 256),
        (32, 256, 1024),
        (1024, 1024, 1024),
    ] {
        let input = random((rows, features_in))?;
        let weight = random((features_out, features_in))?;
        let bias = random(features_out)?;
        let linear = Linear::new(weight.clone(), Some(bias.clone()))?;
        beside(
            &mut group,
            &format!("{rows}x{features_in}-{features_out}"),
            Cost::products(
                2 * rows * features_in * features_out,
                &[&input, &weight, &bias],
                rows * features_out,
            ),
            || linear.forward(&input),
            || stock::linear(&input, &weight, Some(&bias)),
        )?;
    }
    group.finish();
    Ok(())
}

fn elementwise(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("values");
    for (channels, side) in [(64, 32), (256, 8), (32, 256)] {
        let shape = format!("{channels}@{side}");
        let image = random((1, channels, side, side))?;
        let weight = random(channels)?;
        let norm = GroupNorm::new(weight.clone(), weight.clone(), 32, 1e-5)?;
        beside(
            &mut group,
            &format!("group norm and silu {shape}"),
            Cost::pass(image.elem_count(), image.elem_count()),
            || norm.forward_silu(&image),
            || stock::silu(&stock::group_norm(&image, &weight, &weight, 32, 1e-5)?),
        )?;
        for (name, times, ours, candle) in [
            (
                "silu",
                1,
                silu as fn(&Tensor) -> _,
                stock::silu as fn(&Tensor) -> _,
            ),
            ("gelu", 1, gelu, stock::gelu),
            (
                "upsample",
                4,
                upsample_nearest_2x,
                stock::upsample_nearest_2x,
            ),
        ] {
            beside(
                &mut group,
                &format!("{name} {shape}"),
                Cost::pass(image.elem_count(), times * image.elem_count()),
                || ours(&image),
                || candle(&image),
            )?;
        }
    }
    let tokens = random((256, 1024))?;
    let weight = random(1024)?;
    let norm = LayerNorm::new(weight.clone(), weight.clone(), 1e-5)?;
    beside(
        &mut group,
        "layer norm 256x1024",
        Cost::pass(tokens.elem_count(), tokens.elem_count()),
        || norm.forward(&tokens),
        || stock::layer_norm(&tokens, &weight, &weight, 1e-5),
    )?;
    beside(
        &mut group,
        "geglu 256x1024",
        Cost::pass(tokens.elem_count(), tokens.elem_count() / 2),
        || geglu(&tokens),
        || stock::geglu(&tokens),
    )?;
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    let outcome = convolutions(criterion)
        .and_then(|()| chains(criterion))
        .and_then(|()| transformers(criterion))
        .and_then(|()| elementwise(criterion));
    if let Err(error) = outcome {
        std::panic::panic_any(error.to_string());
    }
    table();
}

/// Prints what was measured beside what the machine can do.
#[allow(clippy::print_stdout)]
fn table() {
    let measured = TABLE.take();
    if measured.is_empty() {
        return;
    }
    let roofs = Device::Cpu.with_context(impasto::kernels::roofs::Roofs::measure);
    println!("\n{roofs}\n");
    println!(
        "{:<36} {:>9} {:>9} {:>7} {:>9} {:>7} {:>9}",
        "best of each", "ms", "GFLOP/s", "of FMA", "GB/s", "of mem.", "× candle"
    );
    for Measured {
        name,
        cost,
        ours,
        candle,
    } in measured
    {
        let (flops, bytes) = (cost.flops as f64 / ours, cost.values as f64 * 4.0 / ours);
        let arithmetic = if cost.flops > 0 {
            format!("{:9.1} {:6.0}%", flops / 1e9, 100.0 * flops / roofs.flops)
        } else {
            format!("{:>9} {:>7}", "", "")
        };
        println!(
            "{name:<36} {:9.3} {arithmetic} {:9.1} {:6.0}% {:9.2}",
            1e3 * ours,
            bytes / 1e9,
            100.0 * bytes / roofs.bytes,
            candle / ours
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    targets = all
}
criterion_main!(benches);
