//! Random edits of a photo: mask strokes with prompts, and where they may change it.

use crate::canvas::{Canvas, CanvasError, Mask};
use crate::cli::bench::painting::PlannedStroke;
use crate::cli::bench::random::Random;
use crate::protocol::{
    Brush, CanvasSize, EditMethod, Rect, SettingsPatch, StrokeChunk, StrokePoint, Tool,
};

/// What photos are turned into; the last one weighs its words.
const PROMPTS: [&str; 6] = [
    "red flower",
    "sea and meadow",
    "snowy mountains",
    "yellow house",
    "night sky",
    "(green:1.3) forest",
];
const NEGATIVE_PROMPTS: [&str; 3] = ["", "", "people"];
const GUIDANCE_SCALES: [f64; 4] = [1.0, 1.0, 1.5, 3.0];
/// Points in each message of a stroke.
const POINTS_PER_CHUNK: usize = 3;
/// The side of the canvas that the sizes below are meant for, in pixels.
const USUAL_SIDE: f32 = 256.0;
/// The thinnest brush, in pixels.
const THINNEST: f32 = 3.0;

/// What edits are made of.
#[derive(Clone, Debug)]
pub struct MaskPlan {
    /// The canvas.
    pub canvas: CanvasSize,
    /// Sampling steps.
    pub steps: u32,
    /// The spread that half of the masks get; the others get none.
    pub spread: u32,
    /// The most guidance that suits the model.
    pub guidance_scale_max: f64,
    /// Seed of everything.
    pub seed: u32,
}

/// An edit, ready to be sent.
#[derive(Clone, Debug)]
pub struct PlannedMask {
    /// Its settings, sent first.
    pub settings: SettingsPatch,
    /// How the photo is edited.
    pub method: EditMethod,
    /// Its strokes.
    pub strokes: Vec<PlannedStroke>,
    /// Where they let the model change the photo, with the spread: everywhere else it is 0.
    pub mask: Mask,
}

/// What a stroke looks like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Dot,
    Line,
    Blob,
}

impl MaskPlan {
    /// The edit of that number; the same one in every run with the same plan.
    ///
    /// # Errors
    /// When the canvas takes none of these strokes, which no plan causes.
    pub fn mask(&self, index: usize) -> Result<PlannedMask, CanvasError> {
        let mut random = Random::new(self.seed, index);
        let settings = self.settings(&mut random);
        let mut canvas = Canvas::new(self.canvas);
        canvas.set_dilation(settings.spread.unwrap_or(self.spread));
        let count: u32 = random.one_of([1, 1, 1, 2, 3, 4]);
        let mut strokes = Vec::new();
        for number in 1..=count {
            let (brush, points) = self.stroke(&mut random, count > 1);
            let entry = u64::from(number);
            canvas.begin_stroke(entry, &brush)?;
            let id = format!("bench-{index}-{number}");
            let chunks = chunks_of(&id, &brush, &points);
            let footprint = chunks.iter().fold(Rect::default(), |footprint, chunk| {
                footprint.union(&canvas.extend_stroke(entry, &chunk.points))
            });
            strokes.push(PlannedStroke {
                id,
                footprint,
                chunks,
            });
        }
        Ok(PlannedMask {
            method: settings.method.unwrap_or_default(),
            settings,
            strokes,
            mask: canvas.repaint_mask(&canvas.bounds()),
        })
    }

    fn settings(&self, random: &mut Random) -> SettingsPatch {
        // Less would leave none of the steps to take.
        let strength_least = f64::from(100_u32.div_ceil(self.steps.max(1))) / 100.0;
        let strength = f64::from(random.between(strength_least as f32, 1.0));
        SettingsPatch {
            prompt: Some(random.one_of(PROMPTS).to_owned()),
            negative_prompt: Some(random.one_of(NEGATIVE_PROMPTS).to_owned()),
            guidance_scale: Some(random.one_of(GUIDANCE_SCALES).min(self.guidance_scale_max)),
            steps: Some(self.steps),
            strength: Some(strength.clamp(strength_least, 1.0)),
            seed: Some(random.below(u32::MAX).into()),
            spread: Some(random.one_of([0, self.spread])),
            live: Some(true),
            method: Some(random.one_of(EditMethod::ALL)),
            ..SettingsPatch::default()
        }
    }

    /// A brush, and where it goes: from a place on the canvas, in quarters of a pixel.
    fn stroke(&self, random: &mut Random, is_one_of_several: bool) -> (Brush, Vec<StrokePoint>) {
        let (width, height) = (self.canvas.width as f32, self.canvas.height as f32);
        let unit = width.min(height) / USUAL_SIDE;
        let (count, pace, size) = match random.one_of([Shape::Dot, Shape::Line, Shape::Blob]) {
            Shape::Dot => (1, 0.0, random.between(6.0, 40.0)),
            Shape::Line => (12, 20.0, random.between(5.0, 16.0)),
            Shape::Blob => (9, 12.0, random.between(24.0, 64.0)),
        };
        let mut place = [random.between(0.0, width), random.between(0.0, height)];
        let points = (0..count).map(|_| {
            let [x, y] = place.map(|along| (along * 4.0).round() / 4.0);
            place = place.map(|along| along + unit * random.between(-pace, pace));
            [x, y, random.one_of([0.5, 0.75, 1.0, 1.0])]
        });
        let points = points.collect();
        let has_prompt = is_one_of_several && random.below(4) > 0;
        let brush = Brush {
            tool: Tool::Mask,
            size: (size * unit).max(THINNEST).round(),
            hardness: random.one_of([0.0, 0.25, 0.5, 1.0]),
            opacity: random.one_of([0.5, 1.0, 1.0]),
            color: "#000000".to_owned(),
            prompt: has_prompt.then(|| random.one_of(PROMPTS).to_owned()),
            layer: None,
        };
        (brush, points)
    }
}

fn chunks_of(id: &str, brush: &Brush, points: &[StrokePoint]) -> Vec<StrokeChunk> {
    let count = points.chunks(POINTS_PER_CHUNK).len();
    let chunks = points.chunks(POINTS_PER_CHUNK).enumerate();
    chunks
        .map(|(index, points)| StrokeChunk {
            id: id.to_owned(),
            brush: (index == 0).then(|| brush.clone()),
            points: points.to_vec(),
            done: index + 1 == count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::protocol::{ClientMessage, decode_client_message};

    fn plan(side: u32) -> MaskPlan {
        MaskPlan {
            canvas: CanvasSize {
                width: side,
                height: side,
            },
            steps: 2,
            spread: 16,
            guidance_scale_max: 2.0,
            seed: 7,
        }
    }

    #[test]
    fn every_message_reaches_the_server_as_it_was_planned() {
        for index in 0..200 {
            let planned = plan(256).mask(index).unwrap();
            let strokes = planned.strokes.iter().flat_map(|stroke| &stroke.chunks);
            let messages = strokes.cloned().map(ClientMessage::Stroke);
            let settings = ClientMessage::Settings(planned.settings.clone());
            for message in messages.chain([settings]) {
                let text = serde_json::to_string(&message).unwrap();
                assert_eq!(decode_client_message(&text).unwrap(), message);
            }
            let strength = planned.settings.strength.unwrap();
            assert!(strength * 2.0 >= 1.0, "{strength} leaves no step");
            assert!(planned.settings.guidance_scale.unwrap() <= 2.0);
        }
    }

    /// By distances alone, without the canvas's arithmetic.
    #[test]
    fn the_mask_is_zero_away_from_the_strokes_and_not_zero_on_them() {
        for index in 0..60 {
            let planned = plan(256).mask(index).unwrap();
            let spread = planned.settings.spread.unwrap() as f32;
            let mut reach = Vec::new();
            for stroke in &planned.strokes {
                let brush = stroke.chunks[0].brush.as_ref().unwrap();
                let points = stroke.chunks.iter().flat_map(|chunk| &chunk.points);
                let points: Vec<_> = points.copied().collect();
                for pair in points.windows(2) {
                    reach.push((pair[0], pair[1], brush.size / 2.0));
                }
                reach.push((points[0], points[0], brush.size / 2.0));
            }
            let on_them = planned.mask.data().iter().filter(|value| **value > 0);
            assert!(on_them.count() > 4, "{index} has no mask");
            for y in 0..256 {
                for x in 0..256 {
                    let far = reach.iter().all(|(from, to, radius)| {
                        let away = distance([x as f32 + 0.5, y as f32 + 0.5], from, to);
                        away > radius + spread + 2.0
                    });
                    assert!(!far || planned.mask.value(x, y) == 0, "{index}: {x}, {y}");
                }
            }
        }
    }

    /// From a point to the line between two others.
    fn distance(point: [f32; 2], from: &StrokePoint, to: &StrokePoint) -> f32 {
        let along = [to[0] - from[0], to[1] - from[1]];
        let off = [point[0] - from[0], point[1] - from[1]];
        let length = along[0] * along[0] + along[1] * along[1];
        let share = (off[0] * along[0] + off[1] * along[1]) / length.max(1e-6);
        let share = share.clamp(0.0, 1.0);
        (off[0] - share * along[0]).hypot(off[1] - share * along[1])
    }

    #[test]
    fn edits_repeat_with_the_seed_and_are_of_every_kind() {
        let (again, first) = (plan(64).mask(3).unwrap(), plan(64).mask(3).unwrap());
        assert_eq!(again.settings, first.settings);
        assert!(again.mask == first.mask);
        let (mut kinds, mut most) = (HashSet::new(), 0);
        for index in 0..200 {
            let planned = plan(64).mask(index).unwrap();
            kinds.insert((planned.method, planned.settings.spread));
            let prompts = planned.strokes.iter().filter_map(|stroke| {
                let brush = stroke.chunks[0].brush.as_ref();
                brush?.prompt.clone()
            });
            most = most.max(prompts.collect::<HashSet<_>>().len());
        }
        assert_eq!(kinds.len(), 6, "three methods, with and without spread");
        assert!(most >= 3, "prompts of their own");
    }
}
