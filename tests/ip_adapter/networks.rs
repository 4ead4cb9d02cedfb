//! What adapters make of a picture, and what a UNet answers that sees it.

use std::collections::HashMap;

use candle_core::Tensor;
use impasto::model::{AddedConditioning, ImagePrompt, IpAdapterKind, Model};

use super::{ADAPTERS, adapters, check, load, pixels, relative_error, tensors};

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

#[test]
fn tokens_of_a_picture_and_of_nothing() {
    let expected = tensors(&adapters().join("expected.safetensors"));
    for (family, name) in ADAPTERS {
        let model = load(family, &[name]);
        let adapter = &model.ip_adapters()[0];
        let kind = match name.contains("plus") {
            true => IpAdapterKind::Plus,
            false => IpAdapterKind::Base,
        };
        assert_eq!(adapter.kind(), kind);
        let tokens = adapter.encode(&expected["pixel_values"]).unwrap();
        let wanted = &expected[&format!("{name}.image_embeds")];
        check(&format!("{name} tokens"), &tokens, wanted, TOLERANCE);
        // Of the size that CLIP takes: nothing is resampled.
        let embeds = adapter.embed(&pixels(&expected["picture"])).unwrap();
        check(name, &embeds.image_embeds, wanted, TOLERANCE);
        let wanted = &expected[&format!("{name}.negative_image_embeds")];
        let nothing = embeds.negative_image_embeds;
        check(&format!("{name} nothing"), &nothing, wanted, TOLERANCE);
        let again = adapter.embed(&pixels(&expected["picture"])).unwrap();
        let again = again.negative_image_embeds;
        assert_eq!(relative_error(&again, &nothing), 0.0, "it is kept");
    }
}

/// What the UNet answers for the fixture's rows.
fn answer(
    model: &Model,
    name: &str,
    expected: &HashMap<String, Tensor>,
    image_prompts: Vec<ImagePrompt>,
) -> Tensor {
    let of = |part: &str| expected.get(&format!("{name}.{part}"));
    let added = AddedConditioning {
        text_embeds: of("text_embeds").cloned(),
        time_ids: of("time_ids").cloned(),
        image_prompts,
        ..AddedConditioning::default()
    };
    let (sample, text) = (of("sample").unwrap(), of("encoder_hidden_states").unwrap());
    let timesteps = of("timesteps").unwrap();
    model
        .denoiser()
        .forward(sample, timesteps, text, &added)
        .unwrap()
}

/// A row that sees the picture and one that sees nothing, at scales of their own.
#[test]
fn a_unet_sees_what_diffusers_lets_it_see() {
    let expected = tensors(&adapters().join("expected.safetensors"));
    for (family, name) in ADAPTERS {
        let model = load(family, &[name]);
        let adapter = &model.ip_adapters()[0];
        let of = |part: &str| &expected[&format!("{name}.{part}")];
        let rows = [of("image_embeds"), of("negative_image_embeds")];
        let rows = Tensor::cat(&rows, 0).unwrap();
        let prompt = |scale: &[f32]| adapter.image_prompt(rows.clone(), scale).unwrap();
        let seen = answer(&model, name, &expected, vec![prompt(&[0.7, 0.3])]);
        check(name, &seen, of("output"), TOLERANCE);

        let plain = answer(&model, name, &expected, Vec::new());
        assert!(relative_error(&plain, of("output")) > 1e-2, "it is seen");
        let unseen = answer(&model, name, &expected, vec![prompt(&[0.0, 0.0])]);
        assert_eq!(relative_error(&unseen, &plain), 0.0, "{name} at scale 0");
        // One row's picture is nothing to the other.
        let half = answer(&model, name, &expected, vec![prompt(&[0.7, 0.0])]);
        let row = |tensor: &Tensor, row| tensor.narrow(0, row, 1).unwrap();
        check("first", &row(&half, 0), &row(&seen, 0), 1e-5);
        check("second", &row(&half, 1), &row(&plain, 1), 1e-5);
    }
}

#[test]
fn rows_and_scales_have_to_agree() {
    let model = load("sd15", &["ip-adapter_sd15"]);
    let adapter = &model.ip_adapters()[0];
    let expected = tensors(&adapters().join("expected.safetensors"));
    let tokens = &expected["ip-adapter_sd15.image_embeds"];
    assert!(adapter.image_prompt(tokens.clone(), &[0.1, 0.2]).is_err());
    // One row where the UNet has two.
    let added = AddedConditioning {
        image_prompts: vec![adapter.image_prompt(tokens.clone(), &[0.1]).unwrap()],
        ..AddedConditioning::default()
    };
    let of = |part: &str| &expected[&format!("ip-adapter_sd15.{part}")];
    let (sample, text) = (of("sample"), of("encoder_hidden_states"));
    let answer = model
        .denoiser()
        .forward(sample, of("timesteps"), text, &added);
    let message = answer.unwrap_err().to_string();
    assert!(message.contains("2 rows"), "{message}");
}
