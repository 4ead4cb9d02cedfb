//! `impasto model pull` and `model list`, the real binary against a hub of the test's own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod hub;
mod refusals;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use axum::http::Method;
use hub::{COMMIT, Listing, TestHub, files_in};
use serde_json::Value;

/// The binary, as somebody whose environment names the hub and a models folder.
struct Person {
    models: tempfile::TempDir,
    endpoint: String,
}

impl Person {
    fn of(hub: &TestHub) -> Self {
        Self::at(&format!("http://{}", hub.address))
    }

    fn at(endpoint: &str) -> Self {
        Self {
            models: tempfile::tempdir().unwrap(),
            endpoint: endpoint.to_owned(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
        for name in [
            "HF_TOKEN",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command
            .env("HF_ENDPOINT", &self.endpoint)
            .env("IMPASTO_MODELS", self.models.path())
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what must work, and gives its standard output.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail with this code and one line that has these words in it.
    fn is_refused(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        for word in words {
            assert!(text.contains(word), "`{word}` is not in: {text}");
        }
        text
    }

    fn folder(&self) -> PathBuf {
        self.models.path().join("tiny/model")
    }

    fn listed(&self) -> Vec<Value> {
        serde_json::from_str(&self.does(&["model", "list", "--json"])).unwrap()
    }
}

/// Every file under its final name is whole.
fn assert_whole(folder: &Path, hub: &TestHub) {
    for name in files_in(folder) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        assert!(bytes == hub.file(&name), "{name} is not what the hub has");
    }
}

/// Nothing is left of files on their way.
fn assert_no_parts(folder: &Path) {
    let parts = std::fs::read_dir(folder.join(".impasto/parts"));
    let left = parts.map_or(0, Iterator::count);
    assert_eq!(left, 0, "parts are left");
}

const PULL: [&str; 3] = ["model", "pull", "tiny/model"];

/// Flow models bring a transformer and T5, whose weights lie in the folders of their pipelines.
#[test]
fn the_parts_of_flow_models_are_pulled() {
    for (model, family) in [("flux-schnell", "flux-schnell"), ("sd35", "sd3")] {
        let hub = TestHub::with_fixture(&format!("../flow-models/{model}"));
        hub.put("flux1-schnell.safetensors", hub.file("model_index.json"));
        let person = Person::of(&hub);
        let text = person.does(&PULL);
        assert!(text.contains(&format!("family {family},")), "{text}");
        assert!(text.contains("on the CPU (float32)"), "{text}");
        let names = files_in(&person.folder());
        for part in [
            "transformer/config.json",
            "tokenizer_2/tokenizer_config.json",
        ] {
            assert!(names.iter().any(|name| name == part), "{names:?}");
        }
        assert!(!names.iter().any(|name| name == "flux1-schnell.safetensors"));
        person.does(&["model", "check", "tiny/model"]);
    }
}

#[test]
fn a_safety_checker_is_pulled_when_it_is_asked_for_and_then_looks_at_pictures() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    let with_checker = [&PULL[..], &["--safety-checker"]].concat();
    person.is_refused(&with_checker, 2, &["safety_checker/config.json"]);
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/safety");
    let weights = "safety_checker/model.safetensors";
    let files = [
        "feature_extractor/preprocessor_config.json",
        "safety_checker/config.json",
        weights,
    ];
    for file in files {
        hub.put(file, std::fs::read(checker.join(file)).unwrap());
    }
    hub.put(weights, flagging_everything(&checker.join(weights)));
    person.does(&with_checker);
    let there = |file: &&str| person.folder().join(file).is_file();
    assert!(files.iter().all(there));
    assert_whole(&person.folder(), &hub);
    let picture = person.models.path().join("sea.png");
    let on = [
        "generate",
        "--model",
        "tiny/model",
        "--prompt",
        "sea",
        "--steps",
        "1",
        "--out",
        picture.to_str().unwrap(),
        "--safety-checker",
        "on",
    ];
    person.is_refused(&on, 2, &["holds this picture back"]);
    assert!(!picture.exists());
    person.does(&PULL);
    assert!(!files.iter().any(there));
    person.is_refused(&on, 2, &["without a safety checker"]);
}

/// The weights of a safety checker, with thresholds that every picture is over.
fn flagging_everything(weights: &Path) -> Vec<u8> {
    let device = candle_core::Device::Cpu;
    let mut tensors = candle_core::safetensors::load(weights, &device).unwrap();
    let thresholds = tensors.get_mut("concept_embeds_weights").unwrap();
    *thresholds = (thresholds.zeros_like().unwrap() - 2.0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, &file).unwrap();
    std::fs::read(file).unwrap()
}

#[test]
fn what_painting_needs_is_pulled_and_paints() {
    let hub = TestHub::with_fixture("sd15");
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let others = [
        "README.md",
        "v1-5-pruned.ckpt",
        "safety_checker/config.json",
        "safety_checker/model.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
    ];
    for file in others {
        hub.put(file, hub.file(unet));
    }
    let person = Person::of(&hub);
    assert!(person.does(&["model", "list"]).contains("no models in"));
    let text = person.does(&PULL);
    assert!(text.contains("family sd,"), "{text}");
    let names = files_in(&person.folder());
    assert_eq!(
        names,
        [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/tokenizer_config.json",
            "tokenizer/vocab.json",
            "unet/config.json",
            unet,
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ]
    );
    assert_whole(&person.folder(), &hub);
    assert_no_parts(&person.folder());

    person.does(&["model", "check", person.folder().to_str().unwrap()]);
    person.does(&["model", "check", "tiny/model"]);
    let picture = person.models.path().join("picture.png");
    person.does(&[
        "generate",
        "--model",
        "tiny/model",
        "--prompt",
        "a lighthouse",
        "--steps",
        "1",
        "--out",
        picture.to_str().unwrap(),
    ]);
    assert!(picture.is_file());

    let listed = person.listed();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], "tiny/model");
    assert_eq!(listed[0]["family"], "sd");
    assert_eq!(listed[0]["revision"], "main");
    assert_eq!(listed[0]["commit"], COMMIT);
    assert_eq!(listed[0]["usable"], true);
    assert!(listed[0]["bytes"].as_u64().unwrap() > 300_000);
    assert!(person.does(&["model", "list"]).contains("tiny/model"));

    hub.seen();
    let again: Value =
        serde_json::from_str(&person.does(&[&PULL[..], &["--json"]].concat())).unwrap();
    assert_eq!(again["fetched"], 0);
    assert_eq!(again["files"], names.len());
    assert_eq!(again["model"]["usable"], true);
    assert_eq!(hub.seen().len(), 1, "the listing alone is asked for");
}

#[test]
fn every_layout_of_weights_is_pulled_whole() {
    for (fixture, family, weights) in [
        (
            "lcm",
            "lcm",
            "unet/diffusion_pytorch_model.fp16.safetensors",
        ),
        (
            "sd21",
            "sd",
            "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
        ),
        ("sdxl", "sdxl", "text_encoder_2/model.safetensors"),
        (
            "sketch",
            "sketch",
            "vae/diffusion_pytorch_model.safetensors",
        ),
    ] {
        let hub = TestHub::with_fixture(fixture);
        let person = Person::of(&hub);
        person.does(&PULL);
        assert!(person.folder().join(weights).is_file(), "{fixture}");
        assert_whole(&person.folder(), &hub);
        assert_eq!(person.listed()[0]["family"], family);
    }
}

#[test]
fn a_variant_replaces_the_one_before() {
    let hub = TestHub::with_fixture("sd15");
    let plain = "unet/diffusion_pytorch_model.safetensors";
    let half = "unet/diffusion_pytorch_model.fp16.safetensors";
    hub.put(half, hub.file(plain));
    let person = Person::of(&hub);
    let pulls = |variant: &[&str]| {
        person.does(&[&PULL[..], variant].concat());
        let names = files_in(&person.folder());
        [plain, half].map(|name| names.iter().any(|file| file == name))
    };
    assert_eq!(pulls(&["--variant", "fp16"]), [false, true]);
    // What the repository has in no other format comes as it is.
    assert!(
        person
            .folder()
            .join("vae/diffusion_pytorch_model.safetensors")
            .is_file()
    );
    assert_eq!(pulls(&[]), [true, false]);
    let bf16 = [&PULL[..], &["--variant", "bf16"]].concat();
    person.is_refused(&bf16, 2, &["no bf16 weights", "--variant"]);
    assert!(
        person.folder().join(plain).is_file(),
        "what was there stays"
    );
    person.does(&["model", "check", "tiny/model"]);
}

#[test]
fn a_revision_replaces_the_one_before() {
    let hub = TestHub::with_fixture("sd21");
    let person = Person::of(&hub);
    person.does(&PULL);
    hub.seen();
    let single = TestHub::with_fixture("turbo");
    for name in hub.files().into_keys() {
        hub.remove(&name);
    }
    for (name, bytes) in single.files() {
        hub.put(&name, bytes);
    }
    person.does(&[&PULL[..], &["--revision", "refs/pr/3"]].concat());
    let asked = hub.seen();
    assert_eq!(
        asked[0].path,
        "/api/models/tiny/model/revision/refs%2Fpr%2F3"
    );
    assert_whole(&person.folder(), &hub);
    let listed = person.listed();
    assert_eq!(listed[0]["family"], "turbo");
    assert_eq!(listed[0]["revision"], "refs/pr/3");
}

#[test]
fn a_model_is_found_under_its_old_name() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    person.does(&["model", "pull", "tiny/old-name"]);
    person.does(&["model", "check", "tiny/old-name"]);
}

#[test]
fn a_token_goes_to_the_hub_and_to_nobody_else() {
    let hub = TestHub::with_fixture("sd15");
    let person = Person::of(&hub);
    let output = person.command(&PULL).env("HF_TOKEN", "hf_secret").output();
    assert!(output.unwrap().status.success());
    let (storage, own): (Vec<_>, Vec<_>) = hub
        .seen()
        .into_iter()
        .partition(|seen| seen.path.starts_with("/cdn/"));
    assert_eq!(storage.len(), 3);
    assert!(storage.iter().all(|seen| seen.authorization.is_none()));
    let bearer = Some("Bearer hf_secret");
    assert!(own.len() > 3);
    assert!(
        own.iter()
            .all(|seen| seen.authorization.as_deref() == bearer)
    );
}

#[test]
fn hashes_come_from_the_headers_where_the_listing_has_none() {
    let hub = TestHub::with_fixture("sd15");
    hub.list_as(Listing {
        bare: true,
        ..Listing::default()
    });
    let person = Person::of(&hub);
    person.does(&PULL);
    assert_whole(&person.folder(), &hub);
    let asked = hub.seen();
    assert!(asked.iter().any(|seen| seen.method == Method::HEAD));

    hub.fail("unet/config.json", hub::Fault::Flipped);
    let other = Person::of(&hub);
    other.is_refused(&PULL, 1, &["unet/config.json", "hash"]);
}

#[test]
fn what_lies_in_the_models_folder_is_listed_and_found() {
    let hub = TestHub::empty();
    let person = Person::of(&hub);
    let source = hub::fixture("sketch");
    let own = person.models.path().join("own-model");
    for name in files_in(&source) {
        let place = own.join(&name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(source.join(&name), place).unwrap();
    }
    person.does(&["model", "check", "own-model"]);
    std::fs::remove_file(own.join("vae/config.json")).unwrap();
    let listed = person.listed();
    assert_eq!(listed[0]["id"], "own-model");
    assert_eq!(listed[0]["revision"], Value::Null);
    assert_eq!(listed[0]["usable"], false);
    assert!(listed[0]["problem"].as_str().unwrap().contains("vae"));
}
