//! Words that were taught to a text encoder, as diffusers reads them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use impasto::model::{EmbeddingChoice, LoadOptions, Model, ModelError, Supplied};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    repository()
        .join("tests/parity/fixtures/textual-inversions")
        .join(name)
}

fn choice(name: &str, word: Option<&str>) -> EmbeddingChoice {
    EmbeddingChoice {
        path: fixture(name),
        word: word.map(str::to_owned),
    }
}

fn load(embeddings: Vec<EmbeddingChoice>) -> Result<Model, ModelError> {
    let options = LoadOptions {
        supplied: Supplied {
            embeddings,
            ..Supplied::default()
        },
        ..LoadOptions::default()
    };
    Model::load(&repository().join("models/storybook"), &options)
}

fn both() -> Vec<EmbeddingChoice> {
    vec![
        choice("learned_embeds.safetensors", None),
        choice("InkWash.safetensors", Some("inkwash")),
    ]
}

fn states(model: &Model, prompt: &str) -> Tensor {
    let (encoder, tokenizer) = model.text_encoders().first;
    let ids = tokenizer.encode(prompt).unwrap();
    let ids = Tensor::new(vec![ids], &Device::Cpu).unwrap();
    encoder.forward(&ids).unwrap()
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    let difference = (a - b).unwrap().abs().unwrap();
    difference.max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn prompts_mean_what_they_mean_to_diffusers() {
    let model = load(both()).unwrap();
    let prompts = std::fs::read(fixture("prompts.json")).unwrap();
    let prompts: Vec<String> = serde_json::from_slice(&prompts).unwrap();
    let theirs = candle_core::safetensors::load(fixture("states.safetensors"), &Device::Cpu);
    let theirs = theirs.unwrap();
    for (index, prompt) in prompts.iter().enumerate() {
        let far = difference(&states(&model, prompt), &theirs[&index.to_string()]);
        assert!(far < 1e-4, "{prompt}: {far}");
    }
    // Letters' case makes no difference, as in the rest of a prompt.
    let (small, large) = (states(&model, "inkwash"), states(&model, "INKWASH"));
    assert_eq!(difference(&small, &large), 0.0);
    // A word that was not given is read as any other text.
    let plain = load(Vec::new()).unwrap();
    assert!(difference(&states(&plain, "inkwash"), &small) > 0.1);
    assert_eq!(
        difference(&states(&plain, "a boat"), &states(&model, "a boat")),
        0.0
    );
}

#[test]
fn words_that_are_taken_and_other_families_are_refused_by_name() {
    let refused = |embeddings| load(embeddings).err().unwrap().to_string();
    let taken = refused(vec![choice("learned_embeds.safetensors", Some("cat"))]);
    assert!(
        taken.contains("\"cat\"") && taken.contains("FILE:WORD"),
        "{taken}"
    );
    let twice = refused(vec![
        choice("InkWash.safetensors", Some("ink-wash")),
        choice("learned_embeds.safetensors", Some("INK-WASH")),
    ]);
    assert!(twice.contains("INK-WASH"), "{twice}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.safetensors");
    let wide = Tensor::ones((1, 768), candle_core::DType::F32, &Device::Cpu).unwrap();
    candle_core::safetensors::save(&[("emb_params", wide)].into(), &path).unwrap();
    let wide = refused(vec![EmbeddingChoice { path, word: None }]);
    assert!(wide.contains("768") && wide.contains("256"), "{wide}");
}
