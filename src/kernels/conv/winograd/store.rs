//! From channels last back to planes, with the sums on the way.

use std::mem::MaybeUninit;

use super::super::run::Sums;
use super::transform::TILE;
use crate::kernels::lanes::Lanes;
use crate::kernels::storage::Parts;
use crate::kernels::tile::MOST_LANES;

/// Tiles, neighbours in a row, that are written at once: their rows are whole cache lines.
pub(super) const TILES: usize = 4;

/// Pixels in a row of them.
pub(super) const PIXELS: usize = TILES * TILE;

/// Four rows of pixels of one vector of channels.
#[repr(align(64))]
pub(super) struct Pixels {
    /// Pixel by pixel.
    pub values: [f32; TILE * PIXELS * MOST_LANES],
    /// A row of eight of the channels, channel by channel.
    turned: [f32; 8 * PIXELS],
}

impl Pixels {
    /// Zeros.
    pub fn new() -> Self {
        Self {
            values: [0.0; _],
            turned: [0.0; _],
        }
    }
}

/// Where pixels go, and what is added to them.
pub(super) struct Store<'a> {
    pub sums: &'a Sums<'a>,
    pub bias: &'a [f32],
    pub output: Parts,
    pub height: usize,
    pub width: usize,
}

impl Store<'_> {
    /// Writes four rows of `count` pixels from row `y` and column `x` of a vector of channels;
    /// those that lie outside the image are left out.
    ///
    /// # Safety
    ///
    /// As [`Lanes`]; nothing else reads or writes these pixels meanwhile.
    #[inline(always)]
    pub unsafe fn write<L: Lanes>(
        &self,
        pixels: &mut Pixels,
        image: usize,
        (y, x): (usize, usize),
        count: usize,
        channel: usize,
    ) {
        let count = count.min(self.width - x);
        for row in 0..TILE.min(self.height - y) {
            for part in (0..L::COUNT).step_by(8) {
                let channels = self.bias.len().saturating_sub(channel + part).min(8);
                if channels == 0 {
                    break;
                }
                let turned = &mut pixels.turned;
                let from = pixels.values[row * PIXELS * L::COUNT + part..].as_ptr();
                for half in 0..2 {
                    // SAFETY: there are sixteen pixels in a row of `pixels`, and as many values in
                    // a row of `turned`.
                    unsafe {
                        let from = from.add(8 * half * L::COUNT);
                        let to = turned.as_mut_ptr().add(8 * half);
                        L::turn(from, L::COUNT, to, PIXELS);
                    }
                }
                for (index, values) in turned.chunks_exact(PIXELS).enumerate().take(channels) {
                    let channel = channel + part + index;
                    // SAFETY: as the caller says.
                    unsafe { self.finish::<L>(&values[..count], image, channel, y + row, x) };
                }
            }
        }
    }

    /// # Safety
    ///
    /// As [`Store::write`].
    #[inline(always)]
    unsafe fn finish<L: Lanes>(
        &self,
        values: &[f32],
        image: usize,
        channel: usize,
        y: usize,
        x: usize,
    ) {
        let index = image * self.bias.len() + channel;
        let place = (index * self.height + y) * self.width + x;
        let count = values.len();
        let mut bias = self.bias[channel];
        if let Some(per_channel) = self.sums.per_channel {
            bias += per_channel[index];
        }
        let floor = if self.sums.relu {
            0.0
        } else {
            f32::NEG_INFINITY
        };
        let residual = self.sums.residual;
        let residual = residual.map(|residual| &residual[place..][..count]);
        // SAFETY: as the caller says; the output outlives the tasks.
        let out = unsafe { self.output.part(place, count) };
        let whole = count / L::COUNT * L::COUNT;
        for at in (0..whole).step_by(L::COUNT) {
            // SAFETY: all slices hold a whole vector from there.
            unsafe {
                let mut value = L::load(values.as_ptr().add(at)).add(L::splat(bias));
                if let Some(residual) = residual {
                    value = value.add(L::load(residual.as_ptr().add(at)));
                }
                let value = value.at_least(L::splat(floor));
                value.store(out.as_mut_ptr().add(at).cast());
            }
        }
        for at in whole..count {
            let value = values[at] + bias + residual.map_or(0.0, |residual| residual[at]);
            out[at] = MaybeUninit::new(if value < floor { floor } else { value });
        }
    }
}
