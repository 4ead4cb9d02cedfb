//! What holds for every sampler; numbers against diffusers are in `tests/sampler_parity.rs`.

use super::*;
use PredictionType::{Epsilon, FlowPrediction, Sample, VPrediction};

const IMAGE: f64 = 0.37;

/// The samplers that paint, without those of other formulations than Stable Diffusion's.
fn stable_samplers() -> impl Iterator<Item = &'static str> {
    sampler_names().filter(|name| *name != "ddim-inverse" && !name.starts_with("edm-"))
}

fn config(fields: &str) -> SchedulerConfig {
    SchedulerConfig::from_json(fields).unwrap()
}

fn stable_diffusion(prediction: &str, spacing: &str) -> SchedulerConfig {
    config(&format!(
        r#"{{"_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
            "beta_schedule": "scaled_linear", "clip_sample": false, "set_alpha_to_one": true,
            "skip_prk_steps": true,
            "prediction_type": "{prediction}", "timestep_spacing": "{spacing}"}}"#
    ))
}

/// The output of a model that knows the one image there is.
fn oracle(prediction: PredictionType, level: NoiseLevel, sample: f64) -> f64 {
    let noise = (sample - level.alpha * IMAGE) / level.sigma;
    match prediction {
        Epsilon => noise,
        Sample => IMAGE,
        FlowPrediction => noise - IMAGE,
        VPrediction => {
            let unit = level.alpha.hypot(level.sigma);
            (level.alpha * noise - level.sigma * IMAGE) / unit
        }
    }
}

fn run(step_table: &StepTable, prediction: PredictionType, fresh: f64) -> f64 {
    let mut element = Element {
        sample: step_table.initial.mix(IMAGE, 1.3),
        ..Element::default()
    };
    for step in &step_table.steps {
        let output = oracle(prediction, step.level, element.sample);
        let pred_original_sample = step.denoise(element.sample, output);
        assert!(
            (pred_original_sample - IMAGE).abs() < 1e-6,
            "pred_original_sample {pred_original_sample} at {}",
            step.timestep
        );
        step.advance(&mut element, pred_original_sample, output, fresh);
    }
    element.sample
}

/// How far a run may end from the image: by the noise that its last step leaves.
fn allowed(step_table: &StepTable) -> f64 {
    let left = step_table.steps.last().unwrap().next_level;
    1e-5 + 2.0 * left.sigma + (1.0 - left.alpha)
}

#[test]
fn a_model_that_knows_the_image_is_led_to_it_by_every_sampler() {
    for name in stable_samplers() {
        for prediction in ["epsilon", "v_prediction", "sample"] {
            for spacing in ["leading", "trailing", "linspace"] {
                for (steps, strength) in [(1, 1.0), (4, 1.0), (5, 0.61), (20, 0.4), (50, 1.0)] {
                    let config = stable_diffusion(prediction, spacing);
                    let request = StepTableRequest {
                        steps,
                        schedule: Schedule::default(),
                        strength,
                        eta: Some(0.5),
                        keeps_a_step: false,
                        image_seq_len: 4096,
                    };
                    let step_table = sampler_by_name(name).unwrap().step_table(&config, &request);
                    let step_table = step_table.unwrap();
                    // A sample that the model is told another timestep of than it has: DDIM's
                    // stride does not follow these, and PNDM mixes the outputs. Only noise is the
                    // same at every timestep, so that a mix of it is exact.
                    if name == "pndm" && (spacing == "linspace" || prediction != "epsilon") {
                        continue;
                    }
                    let end = run(&step_table, config.prediction_type(), -0.8);
                    assert!(
                        (end - IMAGE).abs() < allowed(&step_table),
                        "{name} {prediction} {spacing} {steps} × {strength}: {end}"
                    );
                }
            }
        }
    }
    let flow = config(r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}"#);
    for name in ["flow-euler", "dpm-solver++", "dpm-solver++-3m", "unipc"] {
        let request = StepTableRequest {
            steps: 6,
            schedule: Schedule::default(),
            strength: 0.7,
            eta: None,
            keeps_a_step: false,
            image_seq_len: 4096,
        };
        let step_table = sampler_by_name(name)
            .unwrap()
            .step_table(&flow, &request)
            .unwrap();
        let end = run(&step_table, FlowPrediction, 0.0);
        assert!((end - IMAGE).abs() < 1e-6, "{name}: {end}");
    }
}

#[test]
fn each_level_is_what_the_step_before_left() {
    for name in stable_samplers() {
        let config = stable_diffusion("epsilon", "leading");
        let request = StepTableRequest {
            steps: 10,
            schedule: Schedule::default(),
            strength: 0.8,
            eta: None,
            keeps_a_step: false,
            image_seq_len: 4096,
        };
        let step_table = sampler_by_name(name)
            .unwrap()
            .step_table(&config, &request)
            .unwrap();
        assert_eq!(step_table.initial, step_table.steps[0].level);
        for pair in step_table.steps.windows(2) {
            assert_eq!(pair[0].next_level, pair[1].level, "{name}");
            // PNDM runs its second timestep twice.
            let same = name == "pndm" && pair[0].timestep == pair[1].timestep;
            assert!(pair[0].timestep > pair[1].timestep || same, "{name}");
        }
        for (i, step) in step_table.steps.iter().enumerate() {
            // Those that keep the noise mix noises of other steps; the first test runs them.
            if step.kept != Some(Prediction::DATA) {
                continue;
            }
            let Next {
                pred_original_sample,
                sample,
                previous_sample,
                history,
                output,
                noise,
            } = step.next;
            let known = pred_original_sample + history.iter().sum::<f64>();
            let alpha = known + sample * step.level.alpha;
            // LCM keeps a trace of the sample, and its jump is that much shorter.
            let tolerance = if name == "lcm" { 1e-4 } else { 1e-9 };
            assert!(
                (alpha - step.next_level.alpha).abs() < tolerance,
                "{name} step {i}"
            );
            let spread = (sample * step.level.sigma).hypot(noise);
            assert!(
                (spread - step.next_level.sigma).abs() < tolerance,
                "{name} step {i}"
            );
            assert_eq!((output, previous_sample), (0.0, 0.0), "{name}");
            if let (Some(correction), Some(before)) = (step.correction, i.checked_sub(1)) {
                let before = step_table.steps[before].level;
                let known =
                    correction.pred_original_sample + correction.history.iter().sum::<f64>();
                let alpha = known + correction.previous_sample * before.alpha;
                assert!((alpha - step.level.alpha).abs() < 1e-9, "{name} step {i}");
                let noise = correction.previous_sample * before.sigma;
                assert!((noise - step.level.sigma).abs() < 1e-9, "{name} step {i}");
            }
        }
    }
}

#[test]
fn the_model_sees_unit_variance() {
    for name in ["euler", "euler-ancestral", "turbo", "flow-euler"] {
        let config = stable_diffusion("v_prediction", "trailing");
        let step_table = sampler_by_name(name)
            .unwrap()
            .step_table(&config, &StepTableRequest::new(4))
            .unwrap();
        for step in &step_table.steps {
            let seen = step.level.alpha.hypot(step.level.sigma) * step.input_scale;
            assert!((seen - 1.0).abs() < 1e-12, "{name}: {seen}");
        }
        let first = &step_table.steps[0];
        assert!(
            (step_table.initial_noise_scale * first.input_scale - 1.0).abs() < 0.003,
            "{name}"
        );
    }
}

#[test]
fn flow_euler_asks_a_diffusion_model_where_noise_and_image_have_the_same_ratio() {
    let config = stable_diffusion("epsilon", "leading");
    let flow = sampler_by_name("flow-euler").unwrap();
    let step_table = flow.step_table(&config, &StepTableRequest::new(5)).unwrap();
    let table = super::diffusion::Diffusion::read(&config, config.class())
        .unwrap()
        .sigmas();
    for step in &step_table.steps {
        let sigma = step.level.sigma / step.level.alpha;
        let (below, above) = (step.timestep.floor(), step.timestep.ceil());
        assert!(table[below as usize] <= sigma * (1.0 + 1e-6), "{step:?}");
        assert!(table[above as usize] >= sigma * (1.0 - 1e-6), "{step:?}");
    }
    assert!(step_table.steps[0].timestep > 998.0);
}

#[test]
fn lcm_runs_the_timesteps_that_it_was_distilled_on() {
    let config = config(r#"{"_class_name": "LCMScheduler"}"#);
    let lcm = sampler_by_name("lcm").unwrap();
    let timesteps = |steps, strength| -> Vec<f64> {
        let request = StepTableRequest {
            steps,
            schedule: Schedule::default(),
            strength,
            eta: None,
            keeps_a_step: false,
            image_seq_len: 4096,
        };
        let step_table = lcm.step_table(&config, &request).unwrap();
        step_table.steps.iter().map(|step| step.timestep).collect()
    };
    assert_eq!(timesteps(4, 1.0), [999.0, 759.0, 499.0, 259.0]);
    assert_eq!(timesteps(2, 0.5), [499.0, 259.0]);
    assert_eq!(timesteps(1, 1.0), [999.0]);
    assert_eq!(timesteps(50, 1.0).len(), 50);
    // Fewer timesteps are left than steps asked for: all of them run.
    assert_eq!(timesteps(8, 0.06), [59.0, 39.0, 19.0]);
    for steps in 1..=50 {
        for strength in [0.02, 0.1, 0.33, 0.5, 0.77, 1.0] {
            let timesteps = timesteps(steps, strength);
            assert!(!timesteps.is_empty() && timesteps.len() <= steps as usize);
            assert!(timesteps.windows(2).all(|pair| pair[0] > pair[1]));
            assert!(
                timesteps
                    .iter()
                    .all(|timestep| (19.0..=999.0).contains(timestep))
            );
        }
    }
}

#[test]
fn inverse_ddim_undoes_ddim_when_the_noise_is_the_same_everywhere() {
    for spacing in ["leading", "trailing"] {
        let config = stable_diffusion("epsilon", spacing);
        let request = StepTableRequest {
            steps: 10,
            schedule: Schedule::default(),
            strength: 0.5,
            eta: None,
            keeps_a_step: false,
            image_seq_len: 4096,
        };
        let up = sampler_by_name("ddim-inverse")
            .unwrap()
            .step_table(&config, &request)
            .unwrap();
        let down = sampler_by_name("ddim")
            .unwrap()
            .step_table(&config, &request)
            .unwrap();
        assert_eq!(up.initial, NoiseLevel::CLEAN);
        let mut ascending: Vec<f64> = up.steps.iter().map(|step| step.timestep).collect();
        ascending.reverse();
        let descending: Vec<f64> = down.steps.iter().map(|step| step.timestep).collect();
        assert_eq!(ascending, descending);
        let mut element = Element {
            sample: IMAGE,
            ..Element::default()
        };
        for step in up.steps.iter().chain(&down.steps) {
            let output = 0.6;
            let pred_original_sample = step.denoise(element.sample, output);
            step.advance(&mut element, pred_original_sample, output, 0.0);
        }
        let sample = element.sample;
        assert!((sample - IMAGE).abs() < 1e-9, "{spacing}: {sample}");
    }
}

#[test]
fn errors_name_the_field_and_what_is_allowed() {
    let lcm = config(r#"{"_class_name": "LCMScheduler"}"#);
    let zero_snr = config(
        r#"{"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": true,
            "timestep_spacing": "trailing"}"#,
    );
    let flow = config(r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#);
    let offset = config(r#"{"_class_name": "DDIMScheduler", "steps_offset": 1}"#);
    let request = |steps, strength, eta: f64| StepTableRequest {
        steps,
        schedule: Schedule::default(),
        strength,
        eta: Some(eta),
        keeps_a_step: false,
        image_seq_len: 4096,
    };
    for (sampler, config, request, parts) in [
        ("lcm", &lcm, request(0, 1.0, 0.0), ["`steps`", "1 to 50"]),
        ("lcm", &lcm, request(51, 1.0, 0.0), ["`steps`", "1 to 50"]),
        (
            "lcm",
            &lcm,
            request(4, 0.019, 0.0),
            ["`strength`", "0.02 to 1"],
        ),
        (
            "ddim",
            &lcm,
            request(1001, 1.0, 0.0),
            ["`steps`", "1 to 1000"],
        ),
        (
            "ddim",
            &lcm,
            request(4, 0.24, 0.0),
            ["`strength`", "0.25 to 1"],
        ),
        (
            "euler",
            &lcm,
            request(4, f64::NAN, 0.0),
            ["`strength`", "up to 1"],
        ),
        (
            "flow-euler",
            &lcm,
            request(4, 0.0, 0.0),
            ["`strength`", "above 0"],
        ),
        ("ddim", &lcm, request(4, 1.0, 1.5), ["`eta`", "0 to 1"]),
        (
            "ddim",
            &zero_snr,
            request(4, 1.0, 0.0),
            ["`prediction_type`", "v_prediction"],
        ),
        (
            "ddim",
            &flow,
            request(4, 1.0, 0.0),
            ["`prediction_type`", "flow-euler"],
        ),
        (
            "ddim",
            &offset,
            request(1000, 1.0, 0.0),
            ["`steps`", "`steps_offset`"],
        ),
    ] {
        let error = sampler_by_name(sampler)
            .unwrap()
            .step_table(config, &request)
            .unwrap_err();
        for part in parts {
            assert!(error.to_string().contains(part), "{sampler}: {error}");
        }
    }
    // The schedule that the student was distilled on cannot be longer than the teacher's.
    let long = config(r#"{"_class_name": "LCMScheduler", "original_inference_steps": 2000}"#);
    let error = sampler_by_name("lcm")
        .unwrap()
        .step_table(&long, &request(4, 1.0, 0.0))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`original_inference_steps`") && error.contains("1 to 1000"),
        "{error}"
    );
    let error = sampler_by_name("rk4").err().unwrap().to_string();
    assert!(
        error.contains("rk4") && error.contains("dpm-solver++"),
        "{error}"
    );
}

#[test]
fn configs_that_mean_nothing_are_refused() {
    for (text, part) in [
        ("not json", "not readable"),
        (r#"{"beta_start": 0.1}"#, "_class_name"),
        (r#"{"_class_name": "MadeUpScheduler"}"#, "DDIMScheduler"),
        (
            r#"{"_class_name": "DDIMScheduler", "prediction_type": "guess"}"#,
            "v_prediction",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "beta_schedule": "sigmoid"}"#,
            "scaled_linear",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "timestep_spacing": 3}"#,
            "trailing",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "beta_start": "small"}"#,
            "beta_start",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "beta_start": 0.5}"#,
            "beta_end",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 0}"#,
            "num_train_timesteps",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "steps_offset": 1000}"#,
            "0 to 999",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 20, "steps_offset": 20}"#,
            "0 to 19",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "clip_sample": "yes"}"#,
            "true or false",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "thresholding": true}"#,
            "thresholding",
        ),
        (
            r#"{"_class_name": "DDIMScheduler", "trained_betas": [0.1]}"#,
            "trained_betas",
        ),
    ] {
        let error = SchedulerConfig::from_json(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let third_order = config(r#"{"_class_name": "DDIMScheduler", "solver_order": 4}"#);
    let solver = sampler_by_name("dpm-solver++").unwrap();
    let error = solver
        .step_table(&third_order, &StepTableRequest::new(4))
        .unwrap_err();
    assert!(error.to_string().contains("solver_order"), "{error}");
}

#[test]
fn python_infinities_count_as_not_set() {
    let config = config(
        r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity,
            "sigma_max": NaN, "note": "a \"-Infinity\" in text"}"#,
    );
    assert_eq!(config.class(), SchedulerClass::DpmSolverMultistep);
    let solver = sampler_by_name(config.default_sampler().unwrap()).unwrap();
    assert_eq!(
        solver
            .step_table(&config, &StepTableRequest::new(3))
            .unwrap()
            .steps
            .len(),
        3
    );
}

#[test]
fn a_class_has_its_own_sampler_or_none() {
    for (class, sampler) in [
        ("PNDMScheduler", "pndm"),
        ("LCMScheduler", "lcm"),
        ("UniPCMultistepScheduler", "unipc"),
        ("DEISMultistepScheduler", "deis"),
        ("TCDScheduler", "tcd"),
        ("DPMSolverMultistepScheduler", "dpm-solver++"),
        ("EDMEulerScheduler", "edm-euler"),
        ("EDMDPMSolverMultistepScheduler", "edm-dpm-solver++"),
    ] {
        let config = config(&format!(r#"{{"_class_name": "{class}"}}"#));
        assert_eq!(config.default_sampler().unwrap(), sampler);
        assert_eq!(sampler_by_name(class).unwrap().name(), sampler);
    }
    for class in [
        "HeunDiscreteScheduler",
        "LMSDiscreteScheduler",
        "DDIMInverseScheduler",
    ] {
        let config = config(&format!(r#"{{"_class_name": "{class}"}}"#));
        let error = config.default_sampler().unwrap_err().to_string();
        assert!(error.contains(class) && error.contains("unipc"), "{error}");
        assert!(sampler_by_name(class).is_err(), "{class}");
    }
}

#[test]
fn names_from_other_programs_are_understood() {
    for (alias, name) in ALIASES {
        assert_eq!(sampler_by_name(alias).unwrap().name(), name);
    }
}

#[test]
fn the_class_in_the_index_goes_first() {
    let text = r#"{"_class_name": "PNDMScheduler", "skip_prk_steps": true}"#;
    let index = SchedulerConfig::of_class(text, Some("EulerAncestralDiscreteScheduler")).unwrap();
    assert_eq!(index.default_sampler().unwrap(), "euler-ancestral");
    let unnamed = SchedulerConfig::of_class("{}", Some("DDIMScheduler")).unwrap();
    assert_eq!(unnamed.class(), SchedulerClass::Ddim);
    let error = SchedulerConfig::of_class(text, Some("MadeUpScheduler")).unwrap_err();
    assert!(error.to_string().contains("MadeUpScheduler"), "{error}");
}

#[test]
fn what_a_scheduler_cannot_do_here_is_refused_by_name() {
    for (sampler, text, part) in [
        (
            "pndm",
            r#"{"_class_name": "PNDMScheduler"}"#,
            "skip_prk_steps",
        ),
        (
            "unipc",
            r#"{"_class_name": "UniPCMultistepScheduler", "predict_x0": false}"#,
            "predict_x0",
        ),
        (
            "dpm-solver++",
            r#"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}"#,
            "final_sigmas_type",
        ),
        (
            "euler",
            r#"{"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true,
                "use_beta_sigmas": true}"#,
            "use_beta_sigmas",
        ),
    ] {
        let sampler = sampler_by_name(sampler).unwrap();
        let error = sampler.step_table(&config(text), &StepTableRequest::new(4));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// The output of a network that knows the one image there is, told of its sample as EDM says.
fn edm_oracle(step: &Step, sample: f64, sigma_data: f64, sign: f64) -> f64 {
    let sigma = (4.0 * step.timestep).exp();
    let spread = sigma.hypot(sigma_data);
    assert!((step.input_scale * spread - 1.0).abs() < 1e-6, "{step:?}");
    let skip = sigma_data * sigma_data / (spread * spread);
    sign * (IMAGE - skip * sample) * spread / (sigma * sigma_data)
}

#[test]
fn a_network_of_edm_that_knows_the_image_is_led_to_it() {
    for (prediction, sign) in [("epsilon", 1.0), ("v_prediction", -1.0)] {
        for schedule in ["karras", "exponential"] {
            for (last, left) in [("zero", 0.0), ("sigma_min", 0.01)] {
                let edm = config(&format!(
                    r#"{{"_class_name": "EDMEulerScheduler", "sigma_min": 0.01, "sigma_max": 30,
                        "sigma_data": 0.7, "prediction_type": "{prediction}", "rho": 5,
                        "sigma_schedule": "{schedule}", "final_sigmas_type": "{last}",
                        "solver_order": 3, "solver_type": "heun"}}"#
                ));
                for (name, steps, strength) in [
                    ("edm-euler", 1, 1.0),
                    ("edm-euler", 9, 0.6),
                    ("edm-dpm-solver++", 1, 1.0),
                    ("edm-dpm-solver++", 6, 1.0),
                    ("edm-dpm-solver++", 20, 0.7),
                ] {
                    let sampler = sampler_by_name(name).unwrap();
                    let request = StepTableRequest {
                        strength,
                        ..StepTableRequest::new(steps)
                    };
                    let step_table = sampler.step_table(&edm, &request).unwrap();
                    let mut element = Element {
                        sample: step_table.initial.mix(IMAGE, 1.3),
                        ..Element::default()
                    };
                    for step in &step_table.steps {
                        let output = edm_oracle(step, element.sample, 0.7, sign);
                        let pred_original_sample = step.denoise(element.sample, output);
                        assert!(
                            (pred_original_sample - IMAGE).abs() < 1e-5,
                            "{name}: {pred_original_sample}"
                        );
                        step.advance(&mut element, pred_original_sample, output, 0.0);
                    }
                    let end = element.sample - left * 1.3;
                    assert!(
                        (end - IMAGE).abs() < 1e-4,
                        "{name} {schedule} {steps}: {end}"
                    );
                }
            }
        }
    }
}

#[test]
fn models_of_edm_have_samplers_of_their_own() {
    let edm = config(r#"{"_class_name": "EDMDPMSolverMultistepScheduler"}"#);
    let stable = stable_diffusion("epsilon", "leading");
    let flow = config(r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#);
    let refusal = |name: &str, config: &SchedulerConfig| {
        let sampler = sampler_by_name(name).unwrap();
        let error = sampler.step_table(config, &StepTableRequest::new(4));
        error.unwrap_err().to_string()
    };
    for name in stable_samplers().chain(["ddim-inverse"]) {
        let error = refusal(name, &edm);
        assert!(error.contains("edm-euler"), "{name}: {error}");
    }
    for name in ["edm-euler", "edm-dpm-solver++"] {
        let error = refusal(name, &stable);
        assert!(error.contains("PNDMScheduler"), "{error}");
        let error = refusal(name, &flow);
        assert!(error.contains("flow-euler"), "{error}");
    }
}

#[test]
fn a_model_has_the_samplers_that_solve_what_it_was_trained_for() {
    let names = |config: &SchedulerConfig| samplers_for(config).collect::<Vec<_>>();
    let flow = config(r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#);
    assert!(names(&flow).contains(&"unipc") && names(&flow).contains(&"flow-euler"));
    for name in ["ddim", "lcm", "euler", "turbo", "edm-euler"] {
        assert!(!names(&flow).contains(&name), "{name}");
    }
    let stable = stable_diffusion("epsilon", "leading");
    assert_eq!(names(&stable), stable_samplers().collect::<Vec<_>>());
    let edm = config(r#"{"_class_name": "EDMEulerScheduler"}"#);
    assert_eq!(names(&edm), ["edm-euler", "edm-dpm-solver++"]);
    // Nothing but noise is left where a run of one step of this schedule begins.
    let zero_snr = config(
        r#"{"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": true,
            "timestep_spacing": "trailing"}"#,
    );
    assert!(!names(&zero_snr).contains(&"ddim"));
}

#[test]
fn fields_of_edm_are_held_to_what_diffusers_can_do() {
    for (fields, part) in [
        (r#""prediction_type": "sample""#, "prediction_type"),
        (r#""sigma_schedule": "cosine""#, "exponential"),
        (r#""sigma_min": 0"#, "sigma_min"),
        (r#""sigma_min": 90"#, "sigma_max"),
        (r#""sigma_data": -1"#, "sigma_data"),
        (r#""rho": 0"#, "rho"),
        (r#""thresholding": true"#, "thresholding"),
        (r#""final_sigmas_type": "last""#, "final_sigmas_type"),
    ] {
        let text = format!(r#"{{"_class_name": "EDMEulerScheduler", {fields}}}"#);
        let error = SchedulerConfig::from_json(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{fields}: {error}");
    }
    let solver = sampler_by_name("edm-dpm-solver++").unwrap();
    for (fields, part) in [
        (r#""algorithm_type": "sde-dpmsolver""#, "algorithm_type"),
        (
            r#""algorithm_type": "sde-dpmsolver++", "solver_order": 3"#,
            "solver_order",
        ),
        (r#""solver_order": 4"#, "1 to 3"),
        (r#""solver_type": "rk4""#, "solver_type"),
    ] {
        let text = format!(r#"{{"_class_name": "EDMDPMSolverMultistepScheduler", {fields}}}"#);
        let error = solver.step_table(&config(&text), &StepTableRequest::new(4));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{fields}: {error}");
    }
}

#[test]
fn stable_diffusion_pipelines_correct_old_configs() {
    let old = config(r#"{"_class_name": "DDIMScheduler"}"#);
    let ddim = sampler_by_name("ddim").unwrap();
    let request = StepTableRequest::new(50);
    let before = ddim.step_table(&old, &request).unwrap();
    assert_eq!(
        (before.steps[0].timestep, before.clip_denoised),
        (980.0, Some(1.0))
    );
    for (pipeline_class, timestep, clip) in [
        ("StableDiffusionPipeline", 981.0, None),
        ("StableDiffusionImg2ImgPipeline", 981.0, None),
        ("StableDiffusionInpaintPipeline", 981.0, Some(1.0)),
        ("StableDiffusionXLPipeline", 980.0, Some(1.0)),
        ("StableDiffusionInstructPix2PixPipeline", 980.0, Some(1.0)),
    ] {
        let corrected = old.clone().for_pipeline(pipeline_class);
        let after = ddim.step_table(&corrected, &request).unwrap();
        assert_eq!(
            (after.steps[0].timestep, after.clip_denoised),
            (timestep, clip),
            "{pipeline_class}"
        );
    }
}

#[test]
fn a_strength_that_leaves_no_step_runs_one_where_that_is_asked_for() {
    let lcm = config(r#"{"_class_name": "LCMScheduler"}"#);
    let flow = config(r#"{"_class_name": "FlowMatchEulerDiscreteScheduler"}"#);
    let edm = config(r#"{"_class_name": "EDMEulerScheduler"}"#);
    for sampler in SAMPLERS {
        let name = sampler.name();
        let config = match name {
            "flow-euler" => &flow,
            _ if name.starts_with("edm-") => &edm,
            _ => &lcm,
        };
        for steps in [1, 2, 4] {
            let request = StepTableRequest {
                steps,
                schedule: Schedule::default(),
                strength: 0.01,
                eta: None,
                keeps_a_step: true,
                image_seq_len: 4096,
            };
            let step_table = sampler.step_table(config, &request).unwrap();
            assert_eq!(step_table.steps.len(), 1, "{name} at {steps} steps");
        }
    }
}
