//! Where and how the strokes of a bench are painted.

use std::time::Duration;

use super::StrokeArgs;
use crate::cli::Failure;
use crate::cli::bench::painting::PlannedStroke;
use crate::cli::bench::random::Random;
use crate::protocol::{Brush, Rect, StrokeChunk, StrokePoint, Tool};

/// The `spread` that a bench sets: the protocol's default.
pub const SPREAD: u32 = 16;
/// Pixels of context that a server puts around what the model may change, as the model sees them.
const CONTEXT: u32 = 16;
/// How far the hand moves within a stroke, in pixels.
const MOVEMENT: u32 = 8;
/// Windows lie on a grid no coarser than this, as the model sees them.
const GRID: u32 = 64;

const COLOURS: [&str; 6] = [
    "#c8342c", "#3d7a35", "#2f5fa8", "#e0a92e", "#7a4a21", "#e9e4da",
];

/// How the strokes of a bench are painted.
#[derive(Clone, Debug)]
pub struct Plan {
    canvas: u32,
    /// In canvas pixels.
    window: Option<u32>,
    zoom: u32,
    seed: u32,
    /// Diameter of the brush.
    pub brush: u32,
    /// Chunks per stroke.
    pub chunks: usize,
    /// Rest between strokes.
    pub rest: Duration,
}

impl Plan {
    /// The plan that the flags ask for, where the model sees the canvas `zoom` times smaller.
    ///
    /// # Errors
    /// When canvas, dab or window cannot be.
    pub fn new(args: &StrokeArgs, zoom: u32) -> Result<Self, Failure> {
        let canvas = args.canvas;
        if !(64..=4096).contains(&canvas) || !canvas.is_multiple_of(64) {
            return Err(Failure::usage(
                "--canvas takes a multiple of 64 from 64 to 4096",
            ));
        }
        let margin = 2 * (SPREAD + CONTEXT * zoom) + MOVEMENT;
        let window = args.window.map(|window| window.saturating_mul(zoom));
        let brush = match (window, args.dab) {
            (Some(window), _) if window < margin + 8 || window > canvas => {
                let least = (margin + 8).div_ceil(zoom);
                let most = canvas / zoom;
                return Err(Failure::usage(format!("--window takes {least} to {most}")));
            }
            (Some(window), _) => window - margin,
            (None, dab) => dab.unwrap_or(64),
        };
        if brush == 0 || brush + MOVEMENT > canvas {
            return Err(Failure::usage("--dab does not fit on the canvas"));
        }
        if args.strokes == 0 || args.steps == 0 {
            return Err(Failure::usage("--strokes and --steps take one or more"));
        }
        Ok(Self {
            canvas,
            window,
            zoom,
            seed: args.seed,
            brush,
            chunks: if window.is_some() { 4 } else { 2 },
            rest: Duration::from_millis(args.rest),
        })
    }

    /// The stroke of that number; the same one in every run with the same flags.
    pub fn stroke(&self, index: usize) -> PlannedStroke {
        let mut random = Random::new(self.seed, index);
        let (left, top) = (self.corner(&mut random), self.corner(&mut random));
        let extent = self.brush + MOVEMENT;
        let colour = random.one_of(COLOURS);
        let id = format!("bench-{index}");
        let per_chunk = 3;
        let last = (self.chunks * per_chunk - 1).max(1) as f32;
        let chunks = (0..self.chunks)
            .map(|chunk| StrokeChunk {
                id: id.clone(),
                brush: (chunk == 0).then(|| self.brush_of(colour)),
                points: (0..per_chunk)
                    .map(|point| self.point(left, top, (chunk * per_chunk + point) as f32 / last))
                    .collect(),
                done: chunk + 1 == self.chunks,
            })
            .collect();
        PlannedStroke {
            id,
            footprint: Rect::new(left, top, extent, extent),
            chunks,
        }
    }

    /// Left or top edge of a stroke's footprint.
    fn corner(&self, random: &mut Random) -> u32 {
        match self.window {
            Some(window) => {
                let grid = GRID * self.zoom;
                let places = (self.canvas - window) / grid + 1;
                random.below(places) * grid + SPREAD + CONTEXT * self.zoom
            }
            None => random.below(self.canvas - self.brush - MOVEMENT + 1),
        }
    }

    /// A short S from one corner of the movement to the other, pressed harder
    /// in its middle; `along` is 0 … 1.
    fn point(&self, left: u32, top: u32, along: f32) -> StrokePoint {
        let radius = self.brush as f32 / 2.0;
        let movement = MOVEMENT as f32;
        let sway = 0.5 - 0.5 * (along * std::f32::consts::PI).cos();
        let pressure = 0.8 + 0.2 * (along * std::f32::consts::PI).sin();
        [
            left as f32 + radius + along * movement,
            top as f32 + radius + sway * movement,
            pressure,
        ]
    }

    fn brush_of(&self, colour: &str) -> Brush {
        Brush {
            tool: Tool::Brush,
            size: self.brush as f32,
            hardness: 0.8,
            opacity: 1.0,
            color: colour.to_owned(),
            ..Brush::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::server::ServerFlags;

    fn args(canvas: u32, dab: Option<u32>, window: Option<u32>) -> StrokeArgs {
        StrokeArgs {
            server: ServerFlags {
                url: None,
                token: None,
                model: None,
                device: "cpu".to_owned(),
            },
            canvas,
            dab,
            window,
            strokes: 1,
            steps: 2,
            prompt: String::new(),
            rest: 0,
            seed: 1,
        }
    }

    #[test]
    fn every_stroke_stays_inside_its_footprint_and_the_canvas() {
        for (canvas, dab, window) in [
            (512, None, Some(256)),
            (2048, None, Some(256)),
            (512, Some(64), None),
            (64, Some(56), None),
            (256, None, Some(256)),
        ] {
            let plan = Plan::new(&args(canvas, dab, window), 1).unwrap();
            for index in 0..100 {
                let stroke = plan.stroke(index);
                assert!(Rect::new(0, 0, canvas, canvas).contains(&stroke.footprint));
                let radius = plan.brush as f32 / 2.0;
                for [x, y, pressure] in stroke.chunks.iter().flat_map(|chunk| &chunk.points) {
                    assert!(x - radius >= stroke.footprint.x as f32);
                    assert!(x + radius <= stroke.footprint.right() as f32);
                    assert!(y - radius >= stroke.footprint.y as f32);
                    assert!(y + radius <= stroke.footprint.bottom() as f32);
                    assert!((0.0..=1.0).contains(pressure));
                }
            }
        }
    }

    #[test]
    fn a_window_stroke_with_spread_and_context_fills_a_window_on_the_grid() {
        let canvas = Rect::new(0, 0, 2048, 2048);
        for zoom in [1, 2] {
            let plan = Plan::new(&args(2048, None, Some(256)), zoom).unwrap();
            for index in 0..50 {
                let window = plan
                    .stroke(index)
                    .footprint
                    .inflate_within(SPREAD + CONTEXT * zoom, &canvas);
                assert_eq!((window.width, window.height), (256 * zoom, 256 * zoom));
                assert_eq!((window.x % (GRID * zoom), window.y % (GRID * zoom)), (0, 0));
            }
        }
    }

    #[test]
    fn brush_fields_stand_in_the_first_chunk_and_done_in_the_last() {
        let stroke = Plan::new(&args(512, None, Some(256)), 1).unwrap().stroke(0);
        assert!(stroke.chunks[0].brush.is_some());
        assert!(stroke.chunks[1..].iter().all(|chunk| chunk.brush.is_none()));
        let done: Vec<bool> = stroke.chunks.iter().map(|chunk| chunk.done).collect();
        assert_eq!(done, [false, false, false, true]);
    }

    #[test]
    fn strokes_repeat_with_the_seed_and_differ_among_themselves() {
        let plan = Plan::new(&args(2048, Some(64), None), 1).unwrap();
        assert_eq!(plan.stroke(3).chunks, plan.stroke(3).chunks);
        assert_ne!(plan.stroke(3).footprint, plan.stroke(4).footprint);
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert!(Plan::new(&args(500, None, None), 1).is_err());
        assert!(Plan::new(&args(8192, None, None), 1).is_err());
        assert!(Plan::new(&args(512, None, Some(1024)), 1).is_err());
        assert!(Plan::new(&args(512, None, Some(64)), 1).is_err());
        assert!(Plan::new(&args(512, None, Some(512)), 2).is_err());
        assert!(Plan::new(&args(64, Some(64), None), 1).is_err());
        assert!(Plan::new(&args(512, Some(0), None), 1).is_err());
    }
}
