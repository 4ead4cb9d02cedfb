//! What the networks of single files compute.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use impasto::model::{
    AddedConditioning, ClipTextModel, ClipTokenizer, Family, LoraChoice, Model, Supplied, convert,
};
use safetensors::Dtype;

use crate::{Expected, Scratch, checkpoint, fixture, load, own_words, report};

const LINES: [(&str, Family, usize); 3] = [
    ("sd15", Family::Sd, 64),
    ("sd21", Family::Sd, 96),
    ("sdxl", Family::Sdxl, 128),
];

fn check_unet(expected: &Expected, model: &Model) {
    let added = AddedConditioning {
        text_embeds: expected.optional("unet.text_embeds"),
        time_ids: expected.optional("unet.time_ids"),
        ..AddedConditioning::default()
    };
    let output = model.denoiser().forward(
        &expected.get("unet.sample"),
        &expected.get("unet.timesteps"),
        &expected.get("unet.encoder_hidden_states"),
        &added,
    );
    expected.check("unet.output", &output.unwrap());
}

fn check_text(
    expected: &Expected,
    name: &str,
    (encoder, tokenizer): (&ClipTextModel, &ClipTokenizer),
) {
    let wanted = expected
        .get(&format!("{name}.ids"))
        .to_dtype(DType::U32)
        .unwrap();
    for (row, prompt) in ["", "red apple"].into_iter().enumerate() {
        let wanted: Vec<u32> = wanted.get(row).unwrap().to_vec1().unwrap();
        assert_eq!(tokenizer.encode(prompt).unwrap(), wanted, "{name} {prompt}");
    }
    let output = encoder.forward_all(&wanted).unwrap();
    let part = |part: &str| format!("{name}.{part}");
    expected.check(&part("last_hidden_state"), &output.last_hidden_state);
    expected.check(
        &part("penultimate_hidden_state"),
        &output.penultimate_hidden_state,
    );
    let projected = expected.optional(&part("text_embeds")).is_some();
    assert_eq!(output.text_embeds.is_some(), projected);
    if let Some(embeds) = output.text_embeds {
        expected.check(&part("text_embeds"), &embeds);
    }
}

fn check_all(expected: &Expected, model: &Model) {
    check_unet(expected, model);
    let image = expected.get("vae.image");
    expected.check("vae.latents", &model.vae.encode(&image).unwrap());
    let latents = expected.get("vae.given");
    expected.check("vae.decoded", &model.vae.decode(&latents).unwrap());
    let encoders = model.text_encoders();
    check_text(expected, "text", encoders.first);
    if let Some(second) = encoders.second {
        check_text(expected, "text_2", second);
    }
}

#[test]
fn every_line_computes_what_diffusers_computes() {
    for (line, family, side) in LINES {
        let model = load(&checkpoint(line), own_words()).unwrap();
        assert_eq!((model.family, model.name.as_str()), (family, line));
        let native = side * model.vae.scale();
        assert_eq!(model.native_size(), Some((native, native)), "{line}");
        check_all(&Expected::of(line), &model);
    }
}

/// In the fixtures there are half floats of both kinds; whole ones are the same model.
#[test]
fn a_file_in_float32_is_the_same_model() {
    let scratch = Scratch::new();
    let file = scratch.edited("sdxl", |all| {
        for (dtype, shape, bytes) in all.values_mut().filter(|raw| raw.0 == Dtype::F16) {
            let half = Tensor::from_raw_buffer(bytes, DType::F16, shape, &Device::Cpu).unwrap();
            let whole = half.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
            let whole: Vec<f32> = whole.to_vec1().unwrap();
            *bytes = whole
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            *dtype = Dtype::F32;
        }
    });
    let model = load(&file, own_words()).unwrap();
    check_all(&Expected::of("sdxl"), &model);
    let report = report(&file, &own_words());
    for component in report.components {
        assert!(component.dtypes.iter().eq(["F32"]), "{component:?}");
    }
}

/// SSD-1B's, SDXS' and a UNet with as many layers as it likes, with the line's other parts.
#[test]
fn distilled_unets_are_told_from_their_tensors() {
    for (line, unet) in [("sdxl", "ssd-1b"), ("sd21", "sdxs"), ("sd15", "uneven")] {
        let scratch = Scratch::new();
        let file = scratch.with_unet(line, unet);
        let model = load(&file, own_words()).unwrap();
        check_unet(&Expected::of(unet), &model);
    }
}

/// CLIP's own vocabulary, which comes with the program.
#[test]
fn clips_words_are_split_as_transformers_does() {
    let text = std::fs::read_to_string(fixture("clip_words.json")).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let tokenizer = ClipTokenizer::of_clip(77).unwrap();
    for row in &rows {
        let prompt = row["prompt"].as_str().unwrap();
        let mut wanted: Vec<u64> = serde_json::from_value(row["ids"].clone()).unwrap();
        wanted.resize(77, 49407);
        let found = tokenizer.encode(prompt).unwrap();
        assert!(
            found.iter().map(|id| u64::from(*id)).eq(wanted),
            "{prompt:?}"
        );
    }
}

/// LoRAs find the weights by diffusers' names, as in the folder.
#[test]
fn a_lora_fits_the_file_as_it_fits_the_folder() {
    let scratch = Scratch::new();
    let folder = scratch.path("folder");
    convert(&checkpoint("sd15"), &own_words(), &folder, &mut |_, _| {}).unwrap();
    let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/networks");
    let expected = Expected::of("sd15");
    let run = |model: &Model| {
        let output = model.denoiser().forward(
            &expected.get("unet.sample"),
            &expected.get("unet.timesteps"),
            &expected.get("unet.encoder_hidden_states"),
            &AddedConditioning::default(),
        );
        let numbers = output.unwrap().flatten_all().unwrap();
        numbers.to_vec1::<f32>().unwrap()
    };
    for name in ["diffusers", "kohya"] {
        let file = networks.join(format!("lora/{name}.safetensors"));
        let choice = [LoraChoice::new(file, 0.7)];
        let mut from_file = load(&checkpoint("sd15"), own_words()).unwrap();
        let plain = run(&from_file);
        from_file.set_loras(&choice).unwrap();
        let mut from_folder = load(&folder, Supplied::default()).unwrap();
        from_folder.set_loras(&choice).unwrap();
        assert_eq!(run(&from_file), run(&from_folder), "{name}");
        assert_ne!(run(&from_file), plain, "{name}");
    }
}

/// The first convolution tells inpainting and InstructPix2Pix.
#[test]
fn more_channels_are_another_family() {
    for (line, channels, family, class) in [
        (
            "sd15",
            9,
            Family::Inpainting,
            "StableDiffusionInpaintPipeline",
        ),
        (
            "sdxl",
            9,
            Family::Inpainting,
            "StableDiffusionXLInpaintPipeline",
        ),
        (
            "sd15",
            8,
            Family::InstructPix2Pix,
            "StableDiffusionInstructPix2PixPipeline",
        ),
    ] {
        let scratch = Scratch::new();
        let file = scratch.edited(line, |all| {
            let name = "model.diffusion_model.input_blocks.0.0.weight";
            let (_, shape, bytes) = all.get_mut(name).unwrap();
            shape[1] = channels;
            *bytes = vec![0; shape.iter().product::<usize>() * 2];
        });
        let report = report(&file, &own_words());
        assert_eq!(
            (report.family, report.pipeline_class.as_str()),
            (Some(family), class)
        );
        assert_eq!(report.prediction_type.as_deref(), Some("epsilon"));
        assert_eq!(load(&file, own_words()).unwrap().family, family);
    }
}

/// LCM's guidance embedding, under either name that is in use.
#[test]
fn a_guidance_embedding_is_a_latent_consistency_model() {
    for name in [
        "time_embed.cond_proj.weight",
        "time_embedding.cond_proj.weight",
    ] {
        let scratch = Scratch::new();
        let file = scratch.edited("sd15", |all| {
            let weight = (Dtype::F16, vec![8, 12], vec![0; 8 * 12 * 2]);
            all.insert(format!("model.diffusion_model.{name}"), weight);
        });
        let model = load(&file, own_words()).unwrap();
        assert_eq!(model.family, Family::Lcm);
        assert_eq!(
            model
                .denoiser()
                .config()
                .as_unet()
                .unwrap()
                .time_cond_proj_dim,
            Some(12)
        );
        assert_eq!(model.scheduler.class.as_deref(), Some("LCMScheduler"));
    }
}

/// Old files lack `text_model.`; and a file that went through diffusers has 23 of OpenCLIP's layers.
#[test]
fn other_names_of_text_encoders() {
    let scratch = Scratch::new();
    let file = scratch.edited("sd15", |all| {
        let old = std::mem::take(all).into_iter();
        let part = "cond_stage_model.transformer.";
        let shorter = |name: String| name.replace(&format!("{part}text_model."), part);
        *all = old.map(|(name, raw)| (shorter(name), raw)).collect();
    });
    check_all(&Expected::of("sd15"), &load(&file, own_words()).unwrap());
    let file = scratch.edited("sd21", |all| {
        all.retain(|name, _| !name.contains("resblocks.23.") && !name.ends_with("text_projection"));
    });
    check_all(&Expected::of("sd21"), &load(&file, own_words()).unwrap());
}

#[test]
fn what_other_tools_keep_in_a_file_is_no_fault() {
    let supplied = own_words();
    for (line, _, _) in LINES {
        let report = report(&checkpoint(line), &supplied);
        for component in &report.components {
            assert!(component.unexpected_tensors.is_empty(), "{component:?}");
        }
        assert!(
            report
                .notices
                .iter()
                .all(|notice| !notice.contains("belong to nothing"))
        );
        assert!(
            report.notices[0].contains("no scheduler and no tokenizer"),
            "{:?}",
            report.notices
        );
    }
    let scratch = Scratch::new();
    let file = scratch.edited("sd15", |all| {
        let number = (Dtype::F16, vec![1], vec![0, 0]);
        all.insert("somebody.else".to_owned(), number);
    });
    let notices = report(&file, &supplied).notices;
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("`somebody.else`")),
        "{notices:?}"
    );
}
