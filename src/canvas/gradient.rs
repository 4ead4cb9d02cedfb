//! Colours that run along a stroke's canvas, whatever the stroke covers.

use serde::{Deserialize, Serialize};

use super::blend::mix_pixel;
use crate::protocol::GradientKind;

/// A [`Gradient`](crate::protocol::Gradient) with its colour as bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ramp {
    pub(super) kind: GradientKind,
    pub(super) from: [f32; 2],
    pub(super) to: [f32; 2],
    /// What it ends with; it fades out where there is none.
    pub(super) color: Option<[u8; 3]>,
}

impl Ramp {
    /// How far the gradient has come in the middle of a pixel: 0 at its beginning, 255 at its end.
    pub(super) fn level(&self, x: u32, y: u32) -> u8 {
        let [dx, dy] = [self.to[0] - self.from[0], self.to[1] - self.from[1]];
        let [px, py] = [x as f32 + 0.5 - self.from[0], y as f32 + 0.5 - self.from[1]];
        let squared = dx * dx + dy * dy;
        let part = match self.kind {
            GradientKind::Linear => (px * dx + py * dy) / squared,
            GradientKind::Radial => ((px * px + py * py) / squared).sqrt(),
        };
        (part.clamp(0.0, 1.0) * 255.0).round() as u8
    }

    /// Colour at that level, of a stroke that begins with `color`.
    pub(super) fn color(&self, color: [u8; 3], level: u8) -> [u8; 3] {
        let mut mixed = color;
        if let Some(end) = &self.color {
            mix_pixel(&mut mixed, end, level);
        }
        mixed
    }

    /// What is left of paint and mask at that level, 0 … 255.
    pub(super) const fn left(&self, level: u8) -> u8 {
        match self.color {
            Some(_) => u8::MAX,
            None => u8::MAX - level,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_runs_from_its_beginning_to_its_end() {
        for kind in [GradientKind::Linear, GradientKind::Radial] {
            let ramp = Ramp {
                kind,
                from: [10.5, 20.5],
                to: [110.5, 20.5],
                color: None,
            };
            let along: Vec<u8> = (10..=110).map(|x| ramp.level(x, 20)).collect();
            assert!(along.is_sorted());
            assert_eq!((along[0], along[50], along[100]), (0, 128, 255));
            assert_eq!((ramp.level(200, 20), ramp.left(255)), (255, 0));
            // A line knows no distance across, a circle does.
            let across = ramp.level(60, 70);
            let expected = if kind == GradientKind::Linear {
                128
            } else {
                180
            };
            assert_eq!(across, expected);
        }
        let two = Ramp {
            kind: GradientKind::Linear,
            from: [0.0, 0.0],
            to: [1.0, 0.0],
            color: Some([0, 100, 200]),
        };
        assert_eq!(two.color([100, 0, 200], 0), [100, 0, 200]);
        assert_eq!(two.color([100, 0, 200], 255), [0, 100, 200]);
        assert_eq!(two.left(255), 255);
    }
}
