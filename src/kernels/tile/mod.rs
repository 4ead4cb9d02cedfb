//! The one inner loop that convolution, dense layers and attention share: a small matrix product
//! whose result stays in registers.
//!
//! Each instruction set has a file with its version. A layer keeps the one that it was made with,
//! because its weights are packed for it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use super::instructions::InstructionSet;

/// Rows of the left operand in one tile.
pub(super) const ROWS: usize = 8;

/// The most vectors that a tile is wide.
pub(super) const MOST_VECTORS: usize = 3;

/// The most lanes that a vector has.
pub(super) const MOST_LANES: usize = 16;

/// The left operand of a tile.
#[derive(Clone, Copy)]
pub(super) enum Left {
    /// Eight rows interleaved: row `r` of step `k` is at `8 k + r`. Four rows of them when the
    /// tile has at most four.
    Packed(*const f32),
    /// Eight rows apart: row `r` of step `k` is at `rows[r][k]`. Rows that the tile does not have
    /// repeat one that it has.
    Rows([*const f32; ROWS]),
}

/// The right operand of a tile: where its vectors start at step 0.
#[derive(Clone, Copy)]
pub(super) enum Right {
    /// One start for each vector.
    Vectors([*const f32; MOST_VECTORS]),
    /// Two starts for each 16-lane vector, its low and its high half. AVX-512 only.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Halves([[*const f32; 2]; MOST_VECTORS]),
}

/// `out[r][j] = Σ_k left[r][k] · right[j][k]` for up to eight rows and up to three vectors.
pub(super) struct Tile<'a> {
    /// How many rows are wanted, 1 to 8. Rows up to the next of 4 and 8 are written too.
    pub rows: usize,
    /// How many vectors are wanted, 1 to 3.
    pub vectors: usize,
    /// One row of weights, queries or tokens for each row of the result.
    pub left: Left,
    /// Pixels, keys or output features across.
    pub right: Right,
    /// Step `k` of the right operand lies `steps[k]` values after its starts.
    pub steps: &'a [u32],
    /// The end of the memory that the right operand lies in: nothing from there on is read.
    pub right_end: *const f32,
    /// Row `r` of the result goes to `out + r · out_stride`, all lanes of `vectors` vectors.
    pub out: *mut f32,
    /// Values from one row of the result to the next.
    pub out_stride: usize,
}

impl Tile<'_> {
    /// Whether the last step of every start in use ends inside the right operand's memory.
    fn right_is_inside(&self, lanes: usize) -> bool {
        let Some(&last) = self.steps.last() else {
            return true;
        };
        let ends_inside = |start: *const f32, width: usize| {
            start.wrapping_add(last as usize + width) <= self.right_end
        };
        match self.right {
            Right::Vectors(starts) => {
                let mut starts = starts.into_iter().take(self.vectors);
                starts.all(|start| ends_inside(start, lanes))
            }
            Right::Halves(halves) => {
                let mut starts = halves.into_iter().take(self.vectors).flatten();
                starts.all(|start| ends_inside(start, lanes / 2))
            }
        }
    }
}

/// Computes a tile.
///
/// # Safety
///
/// `set` must be one that this processor has. Every value that the fields of `tile` name must be
/// readable: `steps.len()` steps of the left operand, and a whole vector (or half) at every step
/// from every start in use. `out` must be writable for the rows and vectors said above, and nothing
/// else may touch that memory meanwhile.
pub(super) unsafe fn product(set: InstructionSet, tile: &Tile) {
    // Tests run as optimised as what people run, where `debug_assert` says nothing.
    if cfg!(any(test, debug_assertions)) {
        assert!(
            tile.right_is_inside(set.lanes()),
            "a tile's last step reads past its right operand"
        );
    }
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller vouches for the processor and the pointers.
        InstructionSet::Avx512 => unsafe { avx512::product(tile) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { avx2::product(tile) },
        // SAFETY: as above.
        InstructionSet::Portable => unsafe { portable::product(tile) },
    }
}

/// How many of `left` vectors the next tile takes: three while it can, and two and two rather than
/// three and one, because a tile of one vector waits for its own additions.
pub(super) fn next_width(left: usize) -> usize {
    match left {
        4 => 2,
        left => left.min(MOST_VECTORS),
    }
}
