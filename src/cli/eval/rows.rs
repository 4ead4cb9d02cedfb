//! From single pictures to a scorecard's rows.

use std::collections::BTreeMap;

use super::report::{Picture, Row, SamplerPair};
use super::scores::{Distance, Moments, Variance, chance, thousandths};
use crate::cli::bench::Spread;

/// Distances by what was compared.
#[derive(Debug, Default)]
pub struct Distances {
    /// Same prompt, sampler and steps, two seeds.
    pub across_seeds: BTreeMap<(u32, &'static str), Vec<Distance>>,
    /// Same prompt, seed and steps, two samplers.
    pub across_samplers: BTreeMap<(u32, &'static str, &'static str), Vec<Distance>>,
}

impl Distances {
    /// Notes how far two pictures of one prompt and number of steps are apart, where they share
    /// their sampler or their seed.
    pub fn add(&mut self, first: &Picture, second: &Picture, distance: Distance) {
        let steps = first.steps;
        if first.sampler == second.sampler {
            self.across_seeds
                .entry((steps, first.sampler))
                .or_default()
                .push(distance);
        } else if first.seed == second.seed {
            self.across_samplers
                .entry((steps, first.sampler, second.sampler))
                .or_default()
                .push(distance);
        }
    }

    /// The means by pair of samplers.
    pub fn sampler_pairs(&self) -> Vec<SamplerPair> {
        self.across_samplers
            .iter()
            .filter_map(|((steps, first, second), distances)| {
                Some(SamplerPair {
                    steps: *steps,
                    first,
                    second,
                    distance: Variance::of(distances)?,
                })
            })
            .collect()
    }
}

/// One row for each sampler and number of steps, in the order in which they were painted first;
/// rows of one sampler stand together. `distractors` has, for each prompt, how many objects its
/// own were compared with.
pub fn rows(pictures: &[Picture], distances: &Distances, distractors: &[usize]) -> Vec<Row> {
    let mut samplers: Vec<&'static str> = Vec::new();
    let mut groups: BTreeMap<(usize, u32), Vec<&Picture>> = BTreeMap::new();
    for picture in pictures {
        let known = samplers.iter().position(|name| *name == picture.sampler);
        let order = known.unwrap_or_else(|| {
            samplers.push(picture.sampler);
            samplers.len() - 1
        });
        groups
            .entry((order, picture.steps))
            .or_default()
            .push(picture);
    }
    groups
        .values()
        .filter_map(|group| row(group, distances, distractors))
        .collect()
}

fn row(pictures: &[&Picture], distances: &Distances, distractors: &[usize]) -> Option<Row> {
    let first = pictures.first()?;
    let spread = |of: fn(&Picture) -> f64| {
        let values: Vec<f64> = pictures.iter().map(|picture| of(picture)).collect();
        Spread::of(&values)
    };
    let judged = pictures.iter().flat_map(|picture| {
        let chance = distractors.get(picture.prompt).copied().and_then(chance);
        picture
            .objects
            .iter()
            .filter_map(move |object| Some((f64::from(u8::from(object.found?)), chance?)))
    });
    let (found, by_chance): (Vec<f64>, Vec<f64>) = judged.unzip();
    let mean = |values: &[f64]| {
        (!values.is_empty()).then(|| thousandths(values.iter().sum::<f64>() / values.len() as f64))
    };
    let across_seeds = distances.across_seeds.get(&(first.steps, first.sampler));
    Some(Row {
        sampler: first.sampler,
        steps: first.steps,
        steps_run: first.steps_run,
        image_ms: spread(|picture| picture.image_ms)?,
        step_ms: spread(|picture| picture.step_ms)?,
        clip_score: Moments::of(pictures.iter().map(|picture| picture.clip_score))?,
        clip_score_of_other_prompts: Moments::of(
            pictures
                .iter()
                .filter_map(|picture| picture.clip_score_of_other_prompts),
        ),
        recall: mean(&found),
        recall_by_chance: mean(&by_chance),
        objects: found.len(),
        across_seeds: across_seeds.and_then(Variance::of),
        round_trip_psnr: Moments::of(
            pictures
                .iter()
                .filter_map(|picture| picture.round_trip_psnr),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::scores::ObjectScore;
    use super::*;

    fn picture(sampler: &'static str, steps: u32, seed: u64, clip_score: f64) -> Picture {
        Picture {
            file: String::new(),
            prompt: 0,
            sampler,
            steps,
            steps_run: steps as usize,
            seed,
            image_ms: 10.0 * f64::from(steps),
            step_ms: 8.0,
            clip_score,
            clip_score_of_other_prompts: Some(clip_score / 2.0),
            objects: vec![
                ObjectScore::new("cat", 0.3, &[0.1, 0.2, 0.25]),
                ObjectScore::new("dog", 0.2, &[0.1, clip_score / 100.0, 0.0]),
            ],
            round_trip_psnr: None,
        }
    }

    #[test]
    fn pictures_are_put_together_by_sampler_and_steps() {
        let pictures = [
            picture("lcm", 1, 0, 20.0),
            picture("ddim", 1, 0, 30.0),
            picture("lcm", 1, 1, 10.0),
            picture("lcm", 4, 0, 40.0),
        ];
        let mut distances = Distances::default();
        let far = Distance {
            clip: 0.5,
            pixel_rms: 0.25,
        };
        distances.add(&pictures[0], &pictures[1], far);
        distances.add(&pictures[0], &pictures[2], far);
        // Neither sampler nor seed in common.
        distances.add(&pictures[1], &pictures[2], far);
        let rows = rows(&pictures, &distances, &[3]);
        let names: Vec<_> = rows.iter().map(|row| (row.sampler, row.steps)).collect();
        assert_eq!(names, [("lcm", 1), ("lcm", 4), ("ddim", 1)]);
        let lcm = &rows[0];
        assert_eq!((lcm.clip_score.mean, lcm.clip_score.deviation), (15.0, 5.0));
        assert_eq!(lcm.clip_score_of_other_prompts.unwrap().mean, 7.5);
        // Both cats, and the dog of the picture whose distractor scores 0.1.
        assert_eq!((lcm.recall, lcm.objects), (Some(0.75), 4));
        assert_eq!(lcm.recall_by_chance, Some(0.25));
        assert_eq!(lcm.across_seeds.unwrap().pairs, 1);
        assert_eq!(rows[1].image_ms.mean, 40.0);
        assert_eq!(rows[2].across_seeds, None);
        let pairs = distances.sampler_pairs();
        assert_eq!(pairs.len(), 1);
        assert_eq!((pairs[0].first, pairs[0].second), ("lcm", "ddim"));
        assert_eq!(pairs[0].distance.clip_distance, 0.5);
    }

    #[test]
    fn without_distractors_there_is_no_recall() {
        let mut alone = picture("lcm", 1, 0, 20.0);
        alone.objects = vec![ObjectScore::new("cat", 0.3, &[])];
        let rows = rows(&[alone], &Distances::default(), &[0]);
        assert_eq!((rows[0].recall, rows[0].objects), (None, 0));
        assert_eq!(rows[0].recall_by_chance, None);
    }
}
