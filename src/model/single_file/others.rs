//! What safetensors files are that are no checkpoint of Stable Diffusion, as far as their names
//! tell.

use super::autoencoder::is_autoencoder;
use super::line::{AUTOENCODER, UNET};
use super::shapes::Shapes;
use super::tiny_autoencoder::is_one_way;

/// What a file is, and what to do about it.
pub(in crate::model) struct Other {
    pub what: String,
    pub way_out: String,
}

/// Networks that are not here, by a part of their names.
const TRANSFORMERS: [(&str, &str); 9] = [
    ("double_stream_modulation", "FLUX.2"),
    ("double_blocks.", "FLUX"),
    ("joint_blocks.", "Stable Diffusion 3"),
    ("distilled_guidance_layer.", "Chroma"),
    ("cap_embedder.", "a Lumina or Z-Image model"),
    ("patchify_proj.", "LTX-Video"),
    ("caption_projection.", "a PixArt or SANA model"),
    ("patch_embedding.", "a Wan video model"),
    ("clip_txt_mapper.", "Stable Cascade"),
];

/// What a file with these tensors is; none where it is a checkpoint with a UNet.
pub(in crate::model) fn other_than_a_checkpoint(shapes: &Shapes) -> Option<Other> {
    let other = |what: &str, way_out: &str| {
        Some(Other {
            what: what.to_owned(),
            way_out: way_out.to_owned(),
        })
    };
    let any = |parts: &[&str]| parts.iter().any(|part| shapes.any_with(part));
    if any(&["lora_", "lokr_", "hada_", "oft_blocks"]) {
        let way_out = "give the model that it was made for, and the LoRA with --lora";
        return other("a LoRA", way_out);
    }
    let base = "give a model with --model";
    let steered = "give the model that it steers with --model, and this with --control";
    if any(&["control_model.", "controlnet_cond_embedding."]) {
        return other("a ControlNet", steered);
    }
    if any(&[
        "body.0.block1.",
        "body.0.resnets.0.block1.",
        "body.0.body.0.block1.",
    ]) {
        return other("a T2I-Adapter", steered);
    }
    if any(&["ip_adapter.", "image_proj."]) {
        let way_out = "give the model that it is for with --model, and this with --ip-adapter";
        return other("an IP-Adapter", way_out);
    }
    if any(&["motion_modules."]) {
        return other("an AnimateDiff motion module, which is not supported", base);
    }
    if shapes.any_under("model.diffusion_model.input_blocks.") {
        return None;
    }
    let transformer = TRANSFORMERS.iter().find(|(part, _)| shapes.any_with(part));
    if let Some((_, name)) = transformer {
        let what = format!("{name}, which is not supported");
        let way_out = "give a model of Stable Diffusion 1, 2 or SDXL";
        return other(&what, way_out);
    }
    let whole = "get the checkpoint with model.diffusion_model.*";
    if shapes.any_under("model_ema.") {
        let what = "a checkpoint whose UNet is only there as its running means (model_ema.*)";
        return other(what, whole);
    }
    if any(&["cond_stage_model.", "conditioner.embedders."]) {
        return other("a checkpoint without a UNet", whole);
    }
    let vae = shapes.under(AUTOENCODER);
    if is_autoencoder(shapes) || is_autoencoder(&vae) || is_one_way(shapes) {
        let way_out = "give the model that it belongs to with --model, and this with --vae";
        return other("an autoencoder alone", way_out);
    }
    if any(&["string_to_param", "emb_params"]) || shapes.has("clip_l") || shapes.has("clip_g") {
        return other("a textual inversion, which is words for a model", base);
    }
    let parts = "give the folder that save_pretrained wrote, with its model_index.json, or a \
                 checkpoint with all parts";
    if shapes.any_under("input_blocks.") || shapes.any_under("down_blocks.") {
        return other("a UNet alone", parts);
    }
    if any(&["text_model.encoder.", "transformer.resblocks."]) {
        return other("a text encoder alone", parts);
    }
    if shapes.any_under("encoder.down_blocks.") {
        let way_out = "give the model that it belongs to with --model, and the folder of this, with \
                       its config.json, with --vae";
        return other("an autoencoder alone", way_out);
    }
    let what = format!("a single safetensors file, but no checkpoint: it has no {UNET}*");
    other(&what, parts)
}
