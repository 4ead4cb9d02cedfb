//! The arithmetic of scores, over plain numbers.

use serde::Serialize;

use super::prompts::{Prompt, words};

/// The most objects of other prompts that an object is compared with.
const MOST_DISTRACTORS: usize = 9;

/// The cosine of the angle between two vectors; 0 where one of them is all zeros.
pub fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let lengths = (dot(left, left) * dot(right, right)).sqrt();
    if lengths == 0.0 {
        return 0.0;
    }
    (dot(left, right) / lengths).clamp(-1.0, 1.0)
}

/// CLIP score, 0 to 100: `100 · max(cosine, 0)` of a picture's and a text's embedding, as
/// torchmetrics' `CLIPScore` (Hessel et al., arXiv 2104.08718, scale by 2.5 instead).
pub fn clip_score(cosine: f64) -> f64 {
    100.0 * cosine.max(0.0)
}

/// What an object was compared with, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectScore {
    /// The object.
    pub object: String,
    /// The cosine of the picture's embedding with the object's text.
    pub cosine: f64,
    /// Whether that is above the cosine of every distractor; none where there are no distractors.
    pub found: Option<bool>,
}

impl ObjectScore {
    /// Judges an object by its own cosine and those of the distractors.
    pub fn new(object: &str, cosine: f64, distractors: &[f64]) -> Self {
        let found = !distractors.is_empty();
        Self {
            object: object.to_owned(),
            cosine,
            found: found.then(|| distractors.iter().all(|other| cosine > *other)),
        }
    }
}

/// For each prompt, the objects of other prompts that its own are compared with: none that its
/// own words name, at most nine, spread evenly over the sorted list of all.
pub fn distractors(prompts: &[Prompt]) -> Vec<Vec<String>> {
    let mut all: Vec<&String> = prompts.iter().flat_map(|prompt| &prompt.objects).collect();
    all.sort();
    all.dedup();
    let foreign_to = |prompt: &Prompt| {
        let mut named = words(&prompt.prompt);
        named.extend(prompt.objects.iter().flat_map(|object| words(object)));
        let foreign: Vec<&String> = all
            .iter()
            .copied()
            .filter(|object| words(object).iter().any(|word| !named.contains(word)))
            .collect();
        let count = foreign.len().min(MOST_DISTRACTORS);
        (0..count)
            .filter_map(|index| foreign.get(index * foreign.len() / count))
            .map(|object| (*object).clone())
            .collect()
    };
    prompts.iter().map(foreign_to).collect()
}

/// The share of objects that a picture of noise would seem to show: one in as many as compete.
pub fn chance(distractors: usize) -> Option<f64> {
    (distractors > 0).then(|| 1.0 / (distractors as f64 + 1.0))
}

/// Mean and spread of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moments {
    /// How many there are.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation (of the numbers themselves, divided by their count).
    pub deviation: f64,
}

impl Moments {
    /// Of `values`; None when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        Some(Self {
            count,
            mean: thousandths(mean),
            deviation: thousandths((variance / count as f64).sqrt()),
        })
    }
}

/// How far two pictures are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// `1 − cosine` of CLIP's image embeddings, 0 to 2.
    pub clip: f64,
    /// [`crate::canvas::pixel_rms`].
    pub pixel_rms: f64,
}

/// Mean distances over pairs of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Variance {
    /// Pairs of pictures.
    pub pairs: usize,
    /// Mean of `1 − cosine` of CLIP's image embeddings.
    pub clip_distance: f64,
    /// Mean root mean square difference of the pixels, 0 to 1.
    pub pixel_rms: f64,
}

impl Variance {
    /// Over these pairs; None when there are none.
    pub fn of<'a>(distances: impl IntoIterator<Item = &'a Distance>) -> Option<Self> {
        let distances: Vec<&Distance> = distances.into_iter().collect();
        let mean = |of: fn(&Distance) -> f64| {
            distances.iter().map(|distance| of(distance)).sum::<f64>() / distances.len() as f64
        };
        (!distances.is_empty()).then(|| Self {
            pairs: distances.len(),
            clip_distance: ten_thousandths(mean(|distance| distance.clip)),
            pixel_rms: ten_thousandths(mean(|distance| distance.pixel_rms)),
        })
    }
}

/// Rounded to three decimals.
pub fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Rounded to four decimals.
pub fn ten_thousandths(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::super::prompts::ObjectsFrom;
    use super::*;

    fn prompt(prompt: &str, objects: &[&str]) -> Prompt {
        Prompt {
            prompt: prompt.to_owned(),
            objects: objects.iter().map(|&object| object.to_owned()).collect(),
            objects_from: ObjectsFrom::File,
        }
    }

    #[test]
    fn a_cosine_does_not_see_lengths() {
        assert!((cosine(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 1e-12);
        assert!((cosine(&[1.0, 0.0], &[-2.0, 2.0]) + 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
    }

    #[test]
    fn a_clip_score_is_never_negative() {
        assert_eq!(clip_score(0.25), 25.0);
        assert_eq!(clip_score(-0.25), 0.0);
    }

    #[test]
    fn an_object_is_found_above_all_distractors_only() {
        let found = |distractors: &[f64]| ObjectScore::new("cat", 0.3, distractors).found;
        assert_eq!(found(&[0.1, 0.29]), Some(true));
        assert_eq!(found(&[0.1, 0.31]), Some(false));
        // A tie is no find: a tower that says the same of everything must not score.
        assert_eq!(found(&[0.3]), Some(false));
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn distractors_are_foreign_few_and_the_same_every_time() {
        let mut prompts = vec![
            prompt("a red apple under a tree", &["red apple"]),
            prompt("apple pie", &["apple", "pie"]),
            prompt("green tree", &["tree"]),
        ];
        let others = distractors(&prompts);
        // "apple" and "tree" are in the first prompt's own words.
        assert_eq!(others[0], ["pie"]);
        assert_eq!(others[1], ["red apple", "tree"]);
        for number in 0..40 {
            prompts.push(prompt("x", &[&format!("thing{number:02}")]));
        }
        let others = distractors(&prompts);
        assert!(others.iter().all(|others| others.len() == 9));
        assert_eq!(others, distractors(&prompts));
        assert_eq!(distractors(&prompts[..1]), [Vec::<String>::new()]);
        assert_eq!(chance(9), Some(0.1));
        assert_eq!(chance(0), None);
    }

    #[test]
    fn means_and_deviations() {
        let moments = Moments::of([1.0, 3.0]).unwrap();
        assert_eq!(
            (moments.count, moments.mean, moments.deviation),
            (2, 2.0, 1.0)
        );
        assert_eq!(Moments::of([]), None);
        let near = Distance {
            clip: 0.1,
            pixel_rms: 0.2,
        };
        let far = Distance {
            clip: 0.3,
            pixel_rms: 0.6,
        };
        let variance = Variance::of([&near, &far]).unwrap();
        assert_eq!(
            (variance.pairs, variance.clip_distance, variance.pixel_rms),
            (2, 0.2, 0.4)
        );
        assert_eq!(Variance::of([]), None);
    }
}
