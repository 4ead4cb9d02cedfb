//! What this machine can do at most, measured: arithmetic of all threads, and memory.

use std::fmt;
use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

use super::instructions::InstructionSet;

/// The limits that operations are held against.
pub struct Roofs {
    /// What the kernels are written with that run.
    instructions: &'static str,
    threads: usize,
    /// Floating-point operations in a second: fused products and sums in registers, two each.
    pub flops: f64,
    /// Bytes in a second, read and written, of a copy that no cache holds.
    pub bytes: f64,
    /// Sizes of the first core's caches, by level.
    caches: Vec<String>,
}

/// Values of each side of the copy: 128 MiB.
const COPIED: usize = 32 << 20;

/// Rounds that each limit is measured in; the best counts.
const ROUNDS: usize = 8;

impl Roofs {
    /// Measures them on the pool of the calling thread.
    pub fn measure() -> Self {
        let (instructions, flops) = arithmetic();
        Self {
            instructions,
            threads: rayon::current_num_threads(),
            flops,
            bytes: copy(),
            caches: caches(),
        }
    }
}

impl fmt::Display for Roofs {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "{} threads with {}: {:.0} GFLOP/s of fused products and sums, {:.1} GB/s of memory",
            self.threads,
            self.instructions,
            self.flops / 1e9,
            self.bytes / 1e9
        )?;
        if self.caches.is_empty() {
            return Ok(());
        }
        write!(out, "; caches: {}", self.caches.join(", "))
    }
}

/// Its instructions, fused products and sums in one round, and the loop over so many rounds.
type Loop = (&'static str, usize, fn(usize));

fn arithmetic() -> (&'static str, f64) {
    let (instructions, in_one, run) = best_loop();
    let threads = rayon::current_num_threads();
    let count = 4_000_000;
    let seconds = best(|| {
        (0..threads)
            .into_par_iter()
            .with_max_len(1)
            .for_each(|_| run(count));
    });
    (
        instructions,
        (2 * threads * count * in_one) as f64 / seconds,
    )
}

fn best(work: impl Fn()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// Sums that wait for nothing but themselves; more of them than the units' latency by their number.
const SUMS: usize = 12;

fn best_loop() -> Loop {
    match InstructionSet::best() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what was chosen.
        InstructionSet::Avx512 => ("AVX-512", SUMS * 16, |count| unsafe { x86::avx512(count) }),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => ("AVX2", SUMS * 8, |count| unsafe { x86::avx2(count) }),
        InstructionSet::Portable => ("plain loops", SUMS * 4, plain),
    }
}

fn plain(count: usize) {
    let factor = black_box(0.999f32);
    let mut sums = [[0.5f32; 4]; SUMS];
    for _ in 0..count {
        for value in sums.as_flattened_mut() {
            *value = *value * factor + 0.001;
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    use std::hint::black_box;

    use super::SUMS;

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(count: usize) {
        let (factor, term) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(0.001));
        let mut sums = [_mm256_set1_ps(0.5); SUMS];
        for _ in 0..count {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,fma")]
    pub fn avx512(count: usize) {
        let (factor, term) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(0.001));
        let mut sums = [_mm512_set1_ps(0.5); SUMS];
        for _ in 0..count {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
    }
}

fn copy() -> f64 {
    let from = vec![1f32; COPIED];
    let to = std::cell::RefCell::new(vec![0f32; COPIED]);
    let piece = COPIED / rayon::current_num_threads().min(COPIED);
    let seconds = best(|| {
        let mut to = to.borrow_mut();
        let pairs = from.par_chunks(piece).zip(to.par_chunks_mut(piece));
        pairs.for_each(|(from, to)| to.copy_from_slice(from));
        black_box(&mut to);
    });
    (2 * COPIED * size_of::<f32>()) as f64 / seconds
}

/// As Linux tells them; none elsewhere.
fn caches() -> Vec<String> {
    let read = |index: usize, name: &str| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{name}");
        Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
    };
    (0..8)
        .filter(|&index| read(index, "type").is_some_and(|kind| kind != "Instruction"))
        .filter_map(|index| {
            Some(format!(
                "L{} {}",
                read(index, "level")?,
                read(index, "size")?
            ))
        })
        .collect()
}
