//! What a UNet predicts, which its tensors do not tell.

use impasto::model::{Family, Prediction, Supplied};
use safetensors::Dtype;

use crate::{Raw, Scratch, checkpoint, fixture, load, own_words, report};

fn flag() -> Raw {
    (Dtype::F32, Vec::new(), vec![0; 4])
}

fn predicts(report: &impasto::model::ModelReport) -> &str {
    report.prediction_type.as_deref().unwrap()
}

/// As diffusers does: v for Stable Diffusion 2, but for the base model's training step.
#[test]
fn stable_diffusion_2_is_taken_for_v_and_says_so() {
    let plain = report(&checkpoint("sd21"), &own_words());
    assert_eq!(predicts(&plain), "v_prediction");
    assert!(
        plain
            .notices
            .iter()
            .any(|notice| notice.contains("--prediction"))
    );
    assert_eq!(plain.native_size, Some((192, 192)));
    let scratch = Scratch::new();
    let file = scratch.edited("sd21", |all| {
        let step = (Dtype::I64, Vec::new(), 875_000i64.to_le_bytes().to_vec());
        all.insert("global_step".to_owned(), step);
    });
    let base = report(&file, &own_words());
    assert_eq!(predicts(&base), "epsilon");
    assert!(
        base.notices
            .iter()
            .any(|notice| notice.contains("training step"))
    );
    assert_eq!(base.native_size, Some((128, 128)));
    for (line, kind) in [("sd15", "epsilon"), ("sdxl", "epsilon")] {
        assert_eq!(predicts(&report(&checkpoint(line), &own_words())), kind);
    }
}

#[test]
fn what_was_asked_for_comes_first() {
    let supplied = Supplied {
        prediction: Some(Prediction::Epsilon),
        ..own_words()
    };
    let asked = report(&checkpoint("sd21"), &supplied);
    assert_eq!(predicts(&asked), "epsilon");
    assert_eq!(asked.notices.len(), 1);
}

/// NoobAI's marks: v from a schedule that ends in nothing but noise.
#[test]
fn marks_in_the_file_tell() {
    let scratch = Scratch::new();
    let file = scratch.edited("sdxl", |all| {
        all.insert("v_pred".to_owned(), flag());
        all.insert("ztsnr".to_owned(), flag());
    });
    let marked = report(&file, &own_words());
    assert_eq!(predicts(&marked), "v_prediction");
    assert_eq!(marked.family, Some(Family::Sdxl));
    let model = load(&file, own_words()).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&model.scheduler.json).unwrap();
    assert_eq!(settings["rescale_betas_zero_snr"], true);
    assert_eq!(settings["timestep_spacing"], "trailing");
}

#[test]
fn a_yaml_file_beside_it_tells() {
    let scratch = Scratch::new();
    let file = scratch.edited("sd21", |_| {});
    let yaml = "model:\n  params:\n    parameterization: \"eps\"\n";
    std::fs::write(scratch.path("sd21.yaml"), yaml).unwrap();
    let told = report(&file, &own_words());
    assert_eq!(predicts(&told), "epsilon");
    assert!(
        told.notices
            .iter()
            .any(|notice| notice.contains("sd21.yaml"))
    );
}

/// What a model wants may lie beside its file, as it lies in a folder.
#[test]
fn settings_beside_the_file() {
    let scratch = Scratch::new();
    let file = scratch.edited("sdxl", |_| {});
    let settings = r#"{"sampler": "tcd", "steps": 4, "guidance_scale": 1}"#;
    std::fs::write(scratch.path("sdxl.impasto.json"), settings).unwrap();
    let model = load(&file, own_words()).unwrap();
    assert_eq!(
        (model.defaults.sampler.as_deref(), model.defaults.steps),
        (Some("tcd"), 4)
    );
    let folder = Supplied {
        tokenizer: Some(fixture("tokenizer")),
        ..Supplied::default()
    };
    let networks = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let networks = networks.join("tests/parity/fixtures/networks/sd15");
    crate::is_refused(&networks, &folder, &["leave --tokenizer out"]);
}
