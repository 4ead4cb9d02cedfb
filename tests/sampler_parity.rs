//! The samplers against diffusers: each case of `tests/parity/fixtures/schedulers`, and of `schedules`
//! beside it, where requests choose the schedule, is run again from the same image, model outputs and
//! noise, and every recorded sample must agree.
//!
//! `python tests/parity/schedulers.py` and `schedules.py` remake the fixtures and say how they are laid
//! out.

// Clippy's allowance for tests stops at the helpers around them.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use impasto::protocol::Schedule;
use impasto::sampler::{
    Element, Prediction, Sampler, SchedulerConfig, StepTable, StepTableRequest, sampler_by_name,
    sampler_names,
};
use serde_json::Value;

/// Per step, relative to the largest element that goes into the step or comes out of it: diffusers
/// steps in f32, where a step from a sigma of 4096 to one of 14 leaves no more digits than that.
const TOLERANCE: f64 = 1e-5;

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(1e-3, |most, value| most.max(value.abs()))
}

fn difference(ours: &[f64], theirs: &[f64]) -> f64 {
    distance(ours, theirs) / largest(theirs)
}

fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().all(|value| value.is_finite()), "{ours:?}");
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

/// What a case asks for over its config.
fn schedule(case: &Value) -> Schedule {
    if let Some(timesteps) = case.get("asked_timesteps") {
        return Schedule::Timesteps(serde_json::from_value(timesteps.clone()).unwrap());
    }
    match case.get("sigmas") {
        Some(list) if list.is_array() => Schedule::Sigmas(numbers(list)),
        choice => Schedule::Spaced {
            timestep_spacing: name(case.get("timestep_spacing")).parse().unwrap(),
            sigmas: name(choice).parse().unwrap(),
        },
    }
}

fn name(choice: Option<&Value>) -> &str {
    choice.map_or("default", |choice| choice.as_str().unwrap())
}

struct Pool {
    image: Vec<f64>,
    outputs: Vec<Vec<f64>>,
    noise: Vec<Vec<f64>>,
}

/// The largest difference of a case, and where it was.
fn check(sampler: &dyn Sampler, pool: &Pool, case: &Value) -> (f64, String) {
    let config = SchedulerConfig::from_json(&case["config"].to_string())
        .unwrap()
        .for_pipeline(case["pipeline"].as_str().unwrap_or_default());
    let request = StepTableRequest {
        steps: u32::try_from(case["steps"].as_u64().unwrap()).unwrap(),
        schedule: schedule(case),
        strength: case["strength"].as_f64().unwrap(),
        eta: case["eta"].as_f64(),
        keeps_a_step: false,
        image_seq_len: case["image_seq_len"]
            .as_u64()
            .map_or(4096, |tokens| usize::try_from(tokens).unwrap()),
    };
    let step_table = sampler.step_table(&config, &request).unwrap();
    let timesteps = numbers(&case["timesteps"]);
    assert_eq!(step_table.steps.len(), timesteps.len(), "{case}");
    for (step, timestep) in step_table.steps.iter().zip(&timesteps) {
        // Fractional timesteps come out of logarithms in f32.
        assert!(
            (step.timestep - timestep).abs() < 2e-3,
            "{} for {timestep}: {case}",
            step.timestep
        );
    }
    let scale = case["initial_noise_scale"].as_f64().unwrap();
    let mut worst = (
        difference(&[step_table.initial_noise_scale], &[scale]),
        "initial_noise_scale".to_owned(),
    );
    let mut note = |found: f64, place: String| {
        if found > worst.0 {
            worst = (found, place);
        }
    };

    let first_noise = &pool.noise[0];
    let sample: Vec<f64> = if sampler.name() == "ddim-inverse" || request.strength < 1.0 {
        let pairs = pool.image.iter().zip(first_noise);
        pairs
            .map(|(image, noise)| step_table.initial.mix(*image, *noise))
            .collect()
    } else {
        first_noise
            .iter()
            .map(|noise| noise * step_table.initial_noise_scale)
            .collect()
    };
    note(
        difference(&sample, &numbers(&case["initial"])),
        "initial".to_owned(),
    );
    if let Some(seen) = case.get("first_input") {
        let ours: Vec<f64> = sample
            .iter()
            .map(|value| value * step_table.steps[0].input_scale)
            .collect();
        note(difference(&ours, &numbers(seen)), "first input".to_owned());
    }

    let every = case["every"]
        .as_u64()
        .map_or(1, |every| usize::try_from(every).unwrap());
    let recorded = rows(&case["samples"]);
    let mut recorded = recorded.iter();
    let element = |sample: &f64| Element {
        sample: *sample,
        ..Element::default()
    };
    let mut elements: Vec<Element> = sample.iter().map(element).collect();
    for i in 0..step_table.steps.len() {
        let samples = |elements: &[Element]| -> Vec<f64> {
            elements.iter().map(|element| element.sample).collect()
        };
        let step = &step_table.steps[i];
        // A solver of the noise divides the sample by its signal, in f32 where there is next to none.
        let solves_noise = step.kept != Some(Prediction::DATA);
        let grown = match solves_noise {
            true => (step.next_level.alpha / step.level.alpha).max(1.0),
            false => 1.0,
        };
        let before = largest(&samples(&elements)) * grown;
        advance(&step_table, i, pool, &mut elements);
        if i % every == every - 1 || i + 1 == step_table.steps.len() {
            let theirs = recorded.next().unwrap();
            note(
                distance(&samples(&elements), theirs) / before.max(largest(theirs)),
                format!("step {i}"),
            );
            // The next step is judged alone, from where diffusers stands.
            for (element, sample) in elements.iter_mut().zip(theirs) {
                element.sample = *sample;
            }
        }
    }
    assert!(recorded.next().is_none());
    worst
}

fn advance(step_table: &StepTable, i: usize, pool: &Pool, elements: &mut [Element]) {
    let step = &step_table.steps[i];
    let outputs = &pool.outputs[i % pool.outputs.len()];
    let noise = &pool.noise[(1 + i) % pool.noise.len()];
    for (index, element) in elements.iter_mut().enumerate() {
        let mut pred_original_sample = step.denoise(element.sample, outputs[index]);
        if let Some(range) = step_table.clip_denoised {
            pred_original_sample = pred_original_sample.clamp(-range, range);
        }
        step.advance(element, pred_original_sample, outputs[index], noise[index]);
    }
}

#[test]
fn every_sampler_does_what_diffusers_does() {
    check_all("schedulers", sampler_names());
}

#[test]
fn every_schedule_that_a_request_can_choose_is_what_diffusers_makes_of_it() {
    let own = ["ddim-inverse", "turbo"];
    check_all(
        "schedules",
        sampler_names().filter(|name| !own.contains(name)),
    );
}

/// Runs the cases of a folder for each of these samplers.
fn check_all(folder: &str, samplers: impl Iterator<Item = &'static str>) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures");
    let folder = fixtures.join(folder);
    let mut failures = Vec::new();
    for name in samplers {
        let path = folder.join(format!("{}.json", name.replace('+', "p")));
        let text = std::fs::read_to_string(&path).unwrap();
        let fixture: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(fixture["sampler"], name);
        let pool = Pool {
            image: numbers(&fixture["image"]),
            outputs: rows(&fixture["outputs"]),
            noise: rows(&fixture["noise"]),
        };
        let sampler = sampler_by_name(name).unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        for case in cases {
            let (found, place) = check(sampler, &pool, case);
            if found > TOLERANCE {
                let Value::Object(mut shown) = case.clone() else {
                    unreachable!()
                };
                shown.retain(|key, _| {
                    let asked = ["timestep_spacing", "sigmas", "asked_timesteps"];
                    let shown = ["config", "steps", "strength", "eta"];
                    shown.contains(&key.as_str()) || asked.contains(&key.as_str())
                });
                failures.push(format!("{name}: off by {found:.1e} at {place}: {shown:?}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
