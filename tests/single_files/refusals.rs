//! Files that are no model, or not all of one: what they are, and the way out.

use std::collections::BTreeMap;

use impasto::model::{Supplied, inspect_with};
use safetensors::Dtype;

use crate::{Raw, Scratch, checkpoint, fixture, is_refused, own_words, write};

fn number() -> Raw {
    (Dtype::F16, vec![1], vec![0, 0])
}

fn is_told(names: &[&str], parts: &[&str]) {
    let scratch = Scratch::new();
    let file = scratch.path("some.safetensors");
    let all: BTreeMap<String, Raw> = names
        .iter()
        .map(|name| ((*name).to_owned(), number()))
        .collect();
    write(&file, &all);
    is_refused(
        &file,
        &Supplied::default(),
        &[&["some.safetensors"], parts].concat(),
    );
}

#[test]
fn missing_parts_are_named() {
    let without = |line: &str, prefix: &str, parts: &[&str]| {
        let scratch = Scratch::new();
        let file = scratch.edited(line, |all| all.retain(|name, _| !name.starts_with(prefix)));
        is_refused(&file, &own_words(), parts);
    };
    without(
        "sd15",
        "first_stage_model.",
        &["autoencoder", "first_stage_model.*", "--vae"],
    );
    without(
        "sd15",
        "cond_stage_model.",
        &["text encoder", "cond_stage_model.*"],
    );
    without(
        "sdxl",
        "conditioner.",
        &["text encoder", "conditioner.embedders.*"],
    );
    without(
        "sdxl",
        "conditioner.embedders.0.",
        &["text_encoder (conditioner.embedders.0."],
    );
    without("sd15", "model.diffusion_model.", &["UNet", "running means"]);
    without("sdxl", "model.diffusion_model.", &["without a UNet"]);
    without(
        "sd15",
        "model.diffusion_model.output_blocks.",
        &["UNet", "output_blocks"],
    );
    let scratch = Scratch::new();
    let file = scratch.edited("sd15", |all| {
        all.retain(|name, _| name.starts_with("model.diffusion_model."));
    });
    is_refused(
        &file,
        &own_words(),
        &["text encoder", " and an autoencoder"],
    );
    // One tensor of many, under the name that diffusers gives it.
    let name = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight";
    let file = scratch.edited("sd15", |all| {
        all.remove(name).unwrap();
    });
    is_refused(
        &file,
        &own_words(),
        &["sd15.safetensors", "down_blocks.0.resnets.0.conv1.weight"],
    );
}

#[test]
fn damaged_files_are_named() {
    let scratch = Scratch::new();
    let bytes = std::fs::read(checkpoint("sd15")).unwrap();
    let file = scratch.path("cut.safetensors");
    std::fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    is_refused(
        &file,
        &own_words(),
        &["cut.safetensors", "damaged", "ends within tensor"],
    );
    std::fs::write(&file, &bytes[..100]).unwrap();
    is_refused(
        &file,
        &own_words(),
        &["cut.safetensors", "damaged", "header"],
    );
    std::fs::write(&file, "version https://git-lfs.github.com/spec/v1\n").unwrap();
    is_refused(&file, &own_words(), &["cut.safetensors", "Git LFS"]);
    // Tensors of shapes that nothing can be made of.
    for (line, name, shape) in [
        (
            "sd21",
            "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight",
            vec![49, 16],
        ),
        (
            "sdxl",
            "conditioner.embedders.1.model.text_projection",
            vec![320],
        ),
        (
            "sd15",
            "model.diffusion_model.input_blocks.0.0.weight",
            vec![288],
        ),
        ("sd15", "first_stage_model.decoder.conv_in.weight", vec![0]),
    ] {
        let file = scratch.edited(line, |all| {
            let bytes = vec![0; shape.iter().product::<usize>() * 2];
            let dtype = all[name].0;
            all.insert(name.to_owned(), (dtype, shape, bytes));
        });
        is_refused(&file, &own_words(), &[line]);
    }
}

#[test]
fn number_formats_that_are_none_here_are_named() {
    let scratch = Scratch::new();
    let name = "model.diffusion_model.input_blocks.0.0.weight";
    let file = scratch.edited("sd15", |all| {
        let (dtype, _, bytes) = all.get_mut(name).unwrap();
        *dtype = Dtype::F8_E4M3;
        bytes.truncate(bytes.len() / 2);
    });
    is_refused(&file, &own_words(), &[name, "F8_E4M3", "float16"]);
    // Said once, not for each of hundreds.
    let file = scratch.edited("sd15", |all| {
        let unet = all
            .iter_mut()
            .filter(|(name, _)| name.starts_with("model.diffusion_model."));
        for (_, (dtype, _, bytes)) in unet {
            *dtype = Dtype::F8_E4M3;
            bytes.truncate(bytes.len() / 2);
        }
    });
    let report = inspect_with(&file, &own_words()).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}

#[test]
fn words_that_are_not_clips_want_a_tokenizer() {
    let parts = ["604 words", "--tokenizer"];
    is_refused(&checkpoint("sd15"), &Supplied::default(), &parts);
    let nowhere = Supplied {
        tokenizer: Some(fixture("sd15")),
        ..Supplied::default()
    };
    is_refused(&checkpoint("sd15"), &nowhere, &["vocab.json"]);
}

#[test]
fn relatives_are_refused_by_name() {
    let scratch = Scratch::new();
    let refiner = scratch.edited("sdxl", |all| {
        let old = std::mem::take(all).into_iter();
        let others = old.filter(|(name, _)| !name.starts_with("conditioner.embedders.0."));
        let renamed = |name: String| name.replace("embedders.1.", "embedders.0.");
        *all = others.map(|(name, raw)| (renamed(name), raw)).collect();
    });
    is_refused(&refiner, &own_words(), &["refiner", "base model"]);
    let marked = |line: &str, mark: &str, parts: &[&str]| {
        let file = scratch.edited(line, |all| {
            all.insert(mark.to_owned(), number());
        });
        is_refused(&file, &own_words(), parts);
    };
    marked("sdxl", "edm_mean", &["Playground", "EDM"]);
    marked("sdxl", "edm_vpred.sigma_max", &["CosXL", "EDM"]);
    marked(
        "sd21",
        "model.diffusion_model.label_emb.weight",
        &["upscaler"],
    );
    marked("sd21", "control_model.time_embed.0.weight", &["ControlNet"]);
    let file = scratch.edited("sd21", |all| {
        let raw = (Dtype::F16, vec![32, 8], vec![0; 512]);
        all.insert("model.diffusion_model.label_emb.0.0.weight".to_owned(), raw);
    });
    is_refused(&file, &own_words(), &["unCLIP"]);
}

#[test]
fn what_is_no_checkpoint_is_told() {
    is_told(&["lora_unet_x.lora_down.weight"], &["a LoRA", "--lora"]);
    is_told(
        &["decoder.conv_in.weight", "decoder.up.0.x"],
        &["autoencoder alone", "--vae"],
    );
    is_told(
        &["0.weight", "1.conv.4.weight"],
        &["autoencoder alone", "--vae"],
    );
    is_told(
        &["controlnet_cond_embedding.conv_in.weight"],
        &["ControlNet"],
    );
    is_told(&["ip_adapter.1.to_k_ip.weight"], &["IP-Adapter"]);
    is_told(&["model.diffusion_model.double_blocks.0.x"], &["FLUX"]);
    is_told(
        &["model.diffusion_model.joint_blocks.0.x"],
        &["Stable Diffusion 3"],
    );
    is_told(&["model_ema.diffusion_modelout2weight"], &["running means"]);
    is_told(&["clip_g", "clip_l"], &["textual inversion"]);
    is_told(
        &["down_blocks.0.resnets.0.conv1.weight"],
        &["UNet alone", "model_index.json"],
    );
    is_told(&["text_model.encoder.layers.0.x"], &["text encoder alone"]);
    is_told(
        &["something"],
        &["no checkpoint", "model.diffusion_model.*"],
    );
}

/// Opening them may run anything, so they never are.
#[test]
fn pickles_are_not_opened() {
    let scratch = Scratch::new();
    for name in ["a.ckpt", "b.pt", "c.pth", "d.bin", "E.CKPT", "f.pkl"] {
        let file = scratch.path(name);
        std::fs::write(&file, b"PK\x03\x04").unwrap();
        is_refused(
            &file,
            &own_words(),
            &[name, "pickled", "any code", "safetensors"],
        );
    }
    let file = scratch.path("notes.txt");
    std::fs::write(&file, "words").unwrap();
    is_refused(&file, &own_words(), &["notes.txt", "neither"]);
    let folder = scratch.path("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(checkpoint("sd15"), folder.join("sd15.safetensors")).unwrap();
    is_refused(
        &folder,
        &own_words(),
        &["single-file checkpoint", "sd15.safetensors", "the file"],
    );
}
