//! Images in overlapping tiles, so that memory does not grow with their size
//! (`diffusers.AutoencoderKL.tiled_encode` and `tiled_decode`).

use candle_core::{Result, Tensor};

/// The sides of square tiles as they go into a network and come out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    pub input: usize,
    pub output: usize,
}

/// Neighbours share one part in so many of a tile (`tile_overlap_factor` 0.25).
const OVERLAP: usize = 4;

impl Tiling {
    /// Runs a network over `[batch, channels, height, width]`, tile by tile. Each tile fades in
    /// over the ones above it and to its left.
    pub fn run(
        self,
        whole: &Tensor,
        network: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (_, _, height, width) = whole.dims4()?;
        let stride = self.input - self.input / OVERLAP;
        let extent = self.output / OVERLAP;
        let kept = self.output - extent;
        let tile_from = |y: usize, x: usize| {
            whole
                .narrow(2, y, self.input.min(height - y))?
                .narrow(3, x, self.input.min(width - x))?
                .contiguous()
        };
        let mut above: Vec<Tensor> = Vec::new();
        let mut rows = Vec::new();
        for y in (0..height).step_by(stride) {
            let mut row: Vec<Tensor> = Vec::new();
            for x in (0..width).step_by(stride) {
                let mut tile = network(&tile_from(y, x)?)?;
                if let Some(above) = above.get(row.len()) {
                    tile = faded(above, &tile, extent, 2)?;
                }
                if let Some(left) = row.last() {
                    tile = faded(left, &tile, extent, 3)?;
                }
                row.push(tile);
            }
            let cut = row.iter().map(|tile| {
                let (_, _, height, width) = tile.dims4()?;
                tile.narrow(2, 0, kept.min(height))?
                    .narrow(3, 0, kept.min(width))
            });
            rows.push(Tensor::cat(&cut.collect::<Result<Vec<_>>>()?, 3)?);
            above = row;
        }
        Tensor::cat(&rows, 2)
    }
}

/// A tile whose first `extent` rows or columns fade in from the last ones of the tile before it.
fn faded(before: &Tensor, tile: &Tensor, extent: usize, dim: usize) -> Result<Tensor> {
    let (there, here) = (before.dim(dim)?, tile.dim(dim)?);
    let extent = extent.min(there).min(here);
    if extent == 0 {
        return Ok(tile.clone());
    }
    let ramp: Vec<f32> = (0..extent).map(|at| at as f32 / extent as f32).collect();
    let mut shape = [1; 4];
    shape[dim] = extent;
    let ramp = Tensor::from_vec(ramp, &shape, tile.device())?.to_dtype(tile.dtype())?;
    let old = before.narrow(dim, there - extent, extent)?;
    let new = tile.narrow(dim, 0, extent)?;
    let mixed = (&old + (new - &old)?.broadcast_mul(&ramp)?)?;
    Tensor::cat(&[&mixed, &tile.narrow(dim, extent, here - extent)?], dim)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    /// What does not look beyond a pixel cannot show seams.
    #[test]
    fn tiles_of_a_pointwise_network_make_the_whole() {
        let whole = Tensor::arange(0f32, 2.0 * 52.0 * 36.0, &Device::Cpu)
            .unwrap()
            .reshape((1, 2, 52, 36))
            .unwrap();
        let tiling = Tiling {
            input: 16,
            output: 16,
        };
        let tiled = tiling.run(&whole, |tile| tile.affine(2.0, 1.0)).unwrap();
        let wanted = whole.affine(2.0, 1.0).unwrap();
        assert_eq!(tiled.dims(), wanted.dims());
        let difference = (tiled - wanted).unwrap().abs().unwrap();
        let most = difference.flatten_all().unwrap().max(0).unwrap();
        assert!(most.to_scalar::<f32>().unwrap() < 1e-3);
    }

    #[test]
    fn a_tile_fades_in_over_the_one_before() {
        let row = |value: f32| Tensor::full(value, (1, 1, 1, 8), &Device::Cpu).unwrap();
        let mixed = faded(&row(0.0), &row(4.0), 4, 3).unwrap();
        let values = mixed.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
        let values = values.to_vec1::<f32>().unwrap();
        assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0]);
    }
}
