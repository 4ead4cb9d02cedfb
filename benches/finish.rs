//! What a painter's finish costs, on windows of 256² and 512² and on a large picture.
//!
//! `cargo bench --bench finish` prints the time of a window and its throughput in pixels, on as
//! many threads as rayon has (`RAYON_NUM_THREADS`).

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use impasto::canvas::Pixels;
use impasto::protocol::Finish;

/// A sky over a meadow, with a soft sun: edges, gradients and flat colour.
fn scene(side: u32) -> Pixels {
    let mut picture = Pixels::new(side, side, [0; 3]);
    for y in 0..side {
        for x in 0..side {
            let (across, down) = (
                f64::from(x) / f64::from(side),
                f64::from(y) / f64::from(side),
            );
            let sun = (1.0 - 6.0 * (across - 0.7).hypot(down - 0.3)).clamp(0.0, 1.0);
            let ground = (40.0 * (down - 0.6 - 0.05 * (9.0 * across).sin())).clamp(0.0, 1.0);
            let sky = [90.0 + 120.0 * down, 150.0 + 80.0 * down, 235.0];
            let meadow = [80.0, 150.0 - 60.0 * down, 50.0];
            for (channel, value) in picture.span_mut(x, y, 1).iter_mut().enumerate() {
                let light = [250.0, 210.0, 90.0][channel];
                let above = sky[channel] + sun * (light - sky[channel]);
                *value = (above + ground * (meadow[channel] - above)) as u8;
            }
        }
    }
    picture
}

fn windows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("finish");
    // A window as the model made it; one that it saw at half the size; a whole canvas.
    for (side, scale) in [(256, 1), (512, 1), (512, 2), (2048, 1)] {
        let picture = scene(side);
        group.throughput(Throughput::Elements(u64::from(side) * u64::from(side)));
        group.sample_size(20);
        for finish in Finish::ALL
            .into_iter()
            .filter(|finish| *finish != Finish::None)
        {
            let name = BenchmarkId::new(finish.name(), format!("{side}x{side} scale {scale}"));
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || picture.clone(),
                    |picture| black_box(finish.apply(1.0, picture, (0, 0), scale)),
                    BatchSize::LargeInput,
                );
            });
        }
    }
}

criterion_group!(benches, windows);
criterion_main!(benches);
