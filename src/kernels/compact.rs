//! Weights in the fewest bytes that hold every one of them exactly.
//!
//! Weights are mostly published in half precision, and a small batch waits for them: each is read
//! once for a few dozen products. So they stay in half precision in memory, and a thread turns a
//! piece of them into single precision, in its cache, just before it is used. Nothing is rounded:
//! weights of which one does not fit into half precision are kept in single.

use std::ops::Range;

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::buffer::{Buffer, with_scratch};
use super::instructions::InstructionSet;

/// Values that are tried at once.
const PIECE: usize = 4096;

/// Values that never change.
pub(super) enum Compact {
    /// In single precision.
    Single(Buffer),
    /// In half precision, for kernels of a set.
    Half(InstructionSet, Box<[u16]>),
}

impl Compact {
    /// Values that kernels of `set` read.
    pub fn new(set: InstructionSet, values: Buffer) -> Self {
        match in_half_precision(values.values()) {
            Some(halves) => Self::Half(set, halves),
            None => Self::Single(values),
        }
    }

    /// One value.
    pub fn get(&self, index: usize) -> f32 {
        match self {
            Self::Single(values) => values.values()[index],
            Self::Half(_, halves) => f16::from_bits(halves[index]).to_f32(),
        }
    }

    /// Calls `work` with some of the values.
    pub fn with<R>(&self, range: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R {
        match self {
            Self::Single(values) => work(&values.values()[range]),
            Self::Half(set, halves) => with_scratch(range.len(), |values| {
                to_single(*set, &halves[range], values);
                work(values)
            }),
        }
    }
}

/// None where a value does not fit: it has more digits, or is too great or too small.
fn in_half_precision(values: &[f32]) -> Option<Box<[u16]>> {
    let mut halves = vec![0u16; values.len()].into_boxed_slice();
    let mut back = [0.0; PIECE];
    for (values, halves) in values.chunks(PIECE).zip(halves.chunks_mut(PIECE)) {
        let back = &mut back[..values.len()];
        let halves: &mut [f16] = halves.reinterpret_cast_mut();
        halves.convert_from_f32_slice(values);
        halves.convert_to_f32_slice(back);
        let mut pairs = values.iter().zip(back);
        if !pairs.all(|(value, back)| value.to_bits() == back.to_bits()) {
            return None;
        }
    }
    Some(halves)
}

/// Turns halves into as many values.
fn to_single(set: InstructionSet, halves: &[u16], values: &mut [f32]) {
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an instruction set is only ever one that the processor has.
        InstructionSet::Avx512 => unsafe { x86::avx512(halves, values) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::avx2(halves, values) },
        InstructionSet::Portable => {
            let halves: &[f16] = halves.reinterpret_cast();
            halves.convert_to_f32_slice(values);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_cvtph_ps, _mm256_loadu_si256, _mm256_storeu_ps, _mm512_cvtph_ps,
        _mm512_storeu_ps,
    };

    use half::f16;

    #[target_feature(enable = "avx512f,avx2,f16c")]
    pub fn avx512(halves: &[u16], values: &mut [f32]) {
        let (pieces, rest) = halves.as_chunks::<16>();
        let (outs, out) = values.as_chunks_mut::<16>();
        for (piece, out) in pieces.iter().zip(outs) {
            // SAFETY: sixteen values are read, and as many written.
            unsafe {
                let value = _mm512_cvtph_ps(_mm256_loadu_si256(piece.as_ptr().cast()));
                _mm512_storeu_ps(out.as_mut_ptr(), value);
            }
        }
        avx2(rest, out);
    }

    #[target_feature(enable = "avx2,f16c")]
    pub fn avx2(halves: &[u16], values: &mut [f32]) {
        let (pieces, rest) = halves.as_chunks::<8>();
        let (outs, out) = values.as_chunks_mut::<8>();
        for (piece, out) in pieces.iter().zip(outs) {
            // SAFETY: eight values are read, and as many written.
            unsafe {
                let value = _mm256_cvtph_ps(_mm_loadu_si128(piece.as_ptr().cast()));
                _mm256_storeu_ps(out.as_mut_ptr(), value);
            }
        }
        for (half, out) in rest.iter().zip(out) {
            *out = f16::from_bits(*half).to_f32();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(values: &[f32]) -> Buffer {
        let mut buffer = Buffer::zeroed(values.len());
        buffer.values_mut()[..values.len()].copy_from_slice(values);
        buffer
    }

    /// Every value that half precision has comes back as it was, at every place of a piece.
    #[test]
    fn all_halves_come_back() {
        let values: Vec<f32> = (0..=u16::MAX)
            .map(|bits| f16::from_bits(bits).to_f32())
            .filter(|value| !value.is_nan())
            .collect();
        for set in InstructionSet::available() {
            let compact = Compact::new(set, buffer(&values));
            assert!(matches!(compact, Compact::Half(..)), "{set}");
            for range in [0..values.len(), 3..64, 5..6, 7..30, 9..9] {
                let expected = &values[range.clone()];
                compact.with(range, |found| {
                    assert_eq!(found.len(), expected.len());
                    let mut pairs = found.iter().zip(expected);
                    assert!(pairs.all(|(a, b)| a.to_bits() == b.to_bits()), "{set}");
                });
            }
            assert_eq!(compact.get(1234).to_bits(), values[1234].to_bits());
        }
    }

    #[test]
    fn what_does_not_fit_stays_single() {
        for odd in [0.1, 1e-9, 70_000.0, 1.000_1] {
            let mut values = vec![0.5; 2 * PIECE + 40];
            values[PIECE + 7] = odd;
            let set = InstructionSet::Portable;
            let compact = Compact::new(set, buffer(&values));
            assert!(matches!(compact, Compact::Single(_)), "{odd}");
            compact.with(PIECE..PIECE + 9, |found| assert_eq!(found[7], odd));
            assert_eq!(compact.get(PIECE + 7), odd);
        }
    }
}
