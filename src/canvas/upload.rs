//! Pictures that are brought along, on their way to a canvas.

use super::blend::mix;
use super::resize::{fit_to, fit_whole};
use super::{LayerPixels, Pixels};
use crate::protocol::{CanvasSize, Rect};

/// The side of a reference picture, in pixels: more than twice what CLIP looks at.
const REFERENCE_SIDE: u32 = 512;

/// A picture that is brought along: for the base, or with its transparency for a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload {
    /// It covers the canvas.
    Opaque(Pixels),
    /// It lies on a layer.
    Transparent(LayerPixels),
}

impl From<Pixels> for Upload {
    fn from(pixels: Pixels) -> Self {
        Self::Opaque(pixels)
    }
}

impl From<LayerPixels> for Upload {
    fn from(pixels: LayerPixels) -> Self {
        Self::Transparent(pixels)
    }
}

impl Upload {
    const fn color(&self) -> &Pixels {
        match self {
            Self::Opaque(color) | Self::Transparent(LayerPixels { color, .. }) => color,
        }
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> CanvasSize {
        let color = self.color();
        CanvasSize {
            width: color.width(),
            height: color.height(),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let alpha = match self {
            Self::Opaque(_) => 0,
            Self::Transparent(pixels) => pixels.alpha.len(),
        };
        self.color().data().len() + alpha
    }

    /// As large as a canvas. One that is opaque covers it, and what stands out is cut off evenly; one
    /// with transparency is seen whole, in the middle.
    #[must_use]
    pub fn fitted(&self, size: CanvasSize) -> Self {
        match self {
            Self::Opaque(pixels) => Self::Opaque(fit_to(pixels, size)),
            Self::Transparent(pixels) => Self::Transparent(fit_whole(pixels, size)),
        }
    }

    /// The picture with its transparency.
    pub fn into_layer(self) -> LayerPixels {
        match self {
            Self::Transparent(pixels) => pixels,
            Self::Opaque(color) => LayerPixels {
                alpha: vec![u8::MAX; color.data().len() / 3],
                color,
            },
        }
    }

    /// The picture as one that is seen beside a prompt: its middle, square and of a moderate size, on
    /// white paper. One that is so already stays as it is.
    pub fn into_reference(self) -> Pixels {
        let picture = self.over(u8::MAX);
        let side = picture.width().min(picture.height());
        let side = side.clamp(1, REFERENCE_SIDE);
        let square = CanvasSize {
            width: side,
            height: side,
        };
        fit_to(&picture, square)
    }

    /// The picture laid over a background of grey, 0 (black) to 255 (white).
    pub fn over(self, background: u8) -> Pixels {
        match self {
            Self::Opaque(pixels) => pixels,
            Self::Transparent(LayerPixels { mut color, alpha }) => {
                let pixels = color.data_mut().chunks_exact_mut(3);
                for (pixel, weight) in pixels.zip(alpha) {
                    for channel in pixel {
                        *channel = mix(background, *channel, weight);
                    }
                }
                color
            }
        }
    }
}

impl LayerPixels {
    /// Nothing, in this size.
    pub fn empty(size: CanvasSize) -> Self {
        let color = Pixels::new(size.width, size.height, [0; 3]);
        let alpha = vec![0; color.data().len() / 3];
        Self { color, alpha }
    }

    /// The picture at a place of another size with nothing else on it; what lies outside is cut off.
    #[must_use]
    pub fn framed(&self, (x, y): (i64, i64), size: CanvasSize) -> Self {
        let mut framed = Self::empty(size);
        let own = self.color.bounds();
        let (Some(columns), Some(rows)) = (
            Span::inside(x, own.width, size.width),
            Span::inside(y, own.height, size.height),
        ) else {
            return framed;
        };
        let width = columns.length as usize;
        for row in 0..rows.length {
            let (from, to) = (rows.from + row, rows.at + row);
            let colors = self.color.span(columns.from, from, columns.length);
            framed
                .color
                .span_mut(columns.at, to, columns.length)
                .copy_from_slice(colors);
            let from = from as usize * own.width as usize + columns.from as usize;
            let to = to as usize * size.width as usize + columns.at as usize;
            framed.alpha[to..to + width].copy_from_slice(&self.alpha[from..from + width]);
        }
        framed
    }

    /// The smallest rectangle around all that is not wholly transparent.
    pub(super) fn painted(&self) -> Rect {
        let width = self.color.width();
        let rows = self.alpha.chunks_exact(width.max(1) as usize);
        let spans = (0..).zip(rows).filter_map(|(y, row)| {
            let first = row.iter().position(|alpha| *alpha > 0)? as u32;
            let last = row.iter().rposition(|alpha| *alpha > 0)? as u32;
            Some(Rect::new(first, y, last - first + 1, 1))
        });
        spans.fold(Rect::default(), |all, span| all.union(&span))
    }
}

/// The part of a picture's row or column that lies inside of another one.
struct Span {
    /// Where it begins in the picture.
    from: u32,
    /// Where it begins in the other one.
    at: u32,
    length: u32,
}

impl Span {
    fn inside(offset: i64, length: u32, whole: u32) -> Option<Self> {
        let begin = offset.max(0);
        let end = offset.saturating_add(length.into()).min(whole.into());
        let number = |number: i64| u32::try_from(number).ok();
        (end > begin).then_some(())?;
        Some(Self {
            from: number(begin.checked_sub(offset)?)?,
            at: number(begin)?,
            length: number(end - begin)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(alpha: u8) -> LayerPixels {
        LayerPixels {
            color: Pixels::new(2, 1, [10, 20, 30]),
            alpha: vec![alpha; 2],
        }
    }

    #[test]
    fn a_picture_lies_where_it_is_put_and_is_cut_at_the_edges() {
        let size = CanvasSize {
            width: 3,
            height: 2,
        };
        for (place, expected) in [
            ((0, 0), [9, 9, 0, 0, 0, 0]),
            ((1, 1), [0, 0, 0, 0, 9, 9]),
            ((-1, 0), [9, 0, 0, 0, 0, 0]),
            ((2, 1), [0, 0, 0, 0, 0, 9]),
            ((3, 0), [0; 6]),
            ((0, -1), [0; 6]),
            ((i64::MAX, i64::MIN), [0; 6]),
        ] {
            let framed = dot(9).framed(place, size);
            assert_eq!(framed.alpha, expected, "{place:?}");
            let colors = framed.color.data().chunks_exact(3).zip(&framed.alpha);
            for (color, alpha) in colors {
                let expected = if *alpha > 0 { [10, 20, 30] } else { [0; 3] };
                assert_eq!(color, expected);
            }
        }
        assert_eq!(dot(9).framed((1, 1), size).painted(), Rect::new(1, 1, 2, 1));
        assert!(LayerPixels::empty(size).painted().is_empty());
    }

    #[test]
    fn transparency_is_kept_for_a_layer_and_laid_on_paper_for_the_base() {
        let size = CanvasSize {
            width: 4,
            height: 4,
        };
        let half = Upload::from(dot(128)).fitted(size).into_layer();
        // Twice as wide, and a row is left free above and below it.
        assert_eq!(half.painted(), Rect::new(0, 1, 4, 2));
        assert_eq!(half.alpha[4..12], [128; 8]);
        let same = Upload::from(dot(128)).fitted(CanvasSize {
            width: 2,
            height: 1,
        });
        assert_eq!(same, Upload::from(dot(128)));
        // 255·(127/255) + 10·(128/255) = 132.02
        assert_eq!(same.over(255).pixel(0, 0), [132, 137, 142]);
        let wide = Upload::from(Pixels::new(900, 600, [1, 2, 3])).into_reference();
        assert_eq!((wide.width(), wide.height()), (512, 512));
        assert_eq!(Upload::from(wide.clone()).into_reference(), wide);
        let small = Upload::from(dot(0)).into_reference();
        assert_eq!((small.width(), small.pixel(0, 0)), (1, [255; 3]));
        let opaque = Upload::from(Pixels::new(2, 2, [1, 2, 3]));
        assert_eq!(opaque.bytes(), 12);
        assert_eq!(opaque.into_layer().alpha, [255; 4]);
    }
}
