//! What the networks give, from folders and from single files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use impasto::model::{AddedConditioning, ControlNetwork};

use super::{check, choice, control, load, tensors};

/// Largest difference allowed, relative to the largest expected value.
const TOLERANCE: f32 = 1e-4;

fn check_network(family: &str, name: &str, path: PathBuf) {
    let expected = tensors(&control(name).join("expected.safetensors"));
    let model = load(family, &[choice(name, path)]);
    let numbered = |kind: &str, found: &[Tensor]| {
        for (number, tensor) in found.iter().enumerate() {
            let part = format!("{kind}.{number}");
            check(
                &format!("{name} {part}"),
                tensor,
                &expected[&part],
                TOLERANCE,
            );
        }
        assert!(!expected.contains_key(&format!("{kind}.{}", found.len())));
    };
    match &model.controls()[0].network {
        ControlNetwork::T2IAdapter(adapter) => {
            numbered("feature", &adapter.forward(&expected["image"]).unwrap());
        }
        ControlNetwork::ControlNet(network) => {
            let added = AddedConditioning {
                text_embeds: expected.get("text_embeds").cloned(),
                time_ids: expected.get("time_ids").cloned(),
                ..AddedConditioning::default()
            };
            let embedded = network.embed(&expected["image"]).unwrap();
            let found = network
                .forward(
                    &expected["sample"],
                    &expected["timesteps"].to_dtype(DType::F32).unwrap(),
                    &expected["encoder_hidden_states"],
                    &added,
                    &embedded,
                )
                .unwrap();
            numbered("down", &found.down_block);
            let middle = found.mid_block.unwrap();
            check(&format!("{name} mid"), &middle, &expected["mid"], TOLERANCE);
        }
    }
}

#[test]
fn adapters_of_all_kinds() {
    for name in ["t2i-sketch", "t2i-color", "t2i-depth"] {
        check_network("sd15", name, control(name));
    }
    check_network("sdxl", "t2i-sketch-xl", control("t2i-sketch-xl"));
}

#[test]
fn controlnets() {
    check_network(
        "sd15",
        "controlnet-scribble",
        control("controlnet-scribble"),
    );
    check_network(
        "sdxl",
        "controlnet-canny-xl",
        control("controlnet-canny-xl"),
    );
}

/// The tensors of a control's folder in one file, under other names.
fn renamed(name: &str, folder: &Path, rename: impl Fn(&str) -> String) -> PathBuf {
    let file = control(name).join("diffusion_pytorch_model.safetensors");
    let renamed: HashMap<String, Tensor> = tensors(&file)
        .into_iter()
        .map(|(name, tensor)| (rename(&name), tensor))
        .collect();
    let path = folder.join(format!("{name}.safetensors"));
    candle_core::safetensors::save(&renamed, &path).unwrap();
    path
}

/// In diffusers' naming, with `adapter.` and without, and in the original's.
#[test]
fn adapters_in_single_files() {
    let folder = tempfile::tempdir().unwrap();
    for (family, name) in [
        ("sd15", "t2i-sketch"),
        ("sd15", "t2i-color"),
        ("sdxl", "t2i-sketch-xl"),
    ] {
        let path = renamed(name, folder.path(), str::to_owned);
        check_network(family, name, path);
        let path = renamed(name, folder.path(), |name| {
            name.strip_prefix("adapter.").unwrap().to_owned()
        });
        check_network(family, name, path);
    }
    // Two residual blocks for each feature, numbered in one row.
    let in_one_row = |name: &str| {
        let name = name.strip_prefix("adapter.").unwrap();
        let Some((feature, rest)) = name
            .strip_prefix("body.")
            .and_then(|inside| inside.split_once('.'))
        else {
            return name.to_owned();
        };
        let feature: usize = feature.parse().unwrap();
        match rest.strip_prefix("resnets.").map(|it| it.split_once('.')) {
            Some(Some((resnet, part))) => {
                format!(
                    "body.{}.{part}",
                    2 * feature + resnet.parse::<usize>().unwrap()
                )
            }
            _ => format!("body.{}.{rest}", 2 * feature),
        }
    };
    let path = renamed("t2i-sketch", folder.path(), in_one_row);
    check_network("sd15", "t2i-sketch", path);
    let light = |name: &str| {
        let name = name.strip_prefix("adapter.").unwrap();
        name.replace(".resnets.", ".body.")
    };
    let path = renamed("t2i-color", folder.path(), light);
    check_network("sd15", "t2i-color", path);
}

/// diffusers' names; everything else is told by the tensors and the UNet.
#[test]
fn controlnets_in_single_files() {
    let folder = tempfile::tempdir().unwrap();
    for (family, name) in [
        ("sd15", "controlnet-scribble"),
        ("sdxl", "controlnet-canny-xl"),
    ] {
        check_network(family, name, renamed(name, folder.path(), str::to_owned));
    }
    // The original's names, of a UNet of three blocks of two layers.
    let original = |name: &str| {
        let (module, end) = name.rsplit_once('.').unwrap();
        let parts: Vec<&str> = module.split('.').collect();
        let number = |part: usize| parts[part].parse::<usize>().unwrap();
        let resnet = |part: &str| match part {
            "norm1" => "in_layers.0",
            "conv1" => "in_layers.2",
            "time_emb_proj" => "emb_layers.1",
            "norm2" => "out_layers.0",
            "conv2" => "out_layers.3",
            "conv_shortcut" => "skip_connection",
            other => panic!("{other}"),
        };
        let module = match parts[0] {
            "conv_in" => "input_blocks.0.0".to_owned(),
            "time_embedding" => format!("time_embed.{}", 2 * (parts[1] == "linear_2") as usize),
            "controlnet_cond_embedding" => match parts[1] {
                "conv_in" => "input_hint_block.0".to_owned(),
                "conv_out" => "input_hint_block.14".to_owned(),
                _ => format!("input_hint_block.{}", 2 * (number(2) + 1)),
            },
            "controlnet_down_blocks" => format!("zero_convs.{}.0", number(1)),
            "controlnet_mid_block" => "middle_block_out.0".to_owned(),
            "mid_block" if parts[1] == "resnets" => {
                format!("middle_block.{}.{}", 2 * number(2), resnet(parts[3]))
            }
            "mid_block" => format!("middle_block.1.{}", parts[3..].join(".")),
            "down_blocks" => {
                let first = 1 + 3 * number(1);
                match parts[2] {
                    "resnets" => {
                        format!("input_blocks.{}.0.{}", first + number(3), resnet(parts[4]))
                    }
                    "attentions" => {
                        format!(
                            "input_blocks.{}.1.{}",
                            first + number(3),
                            parts[4..].join(".")
                        )
                    }
                    _ => format!("input_blocks.{}.0.op", first + 2),
                }
            }
            other => panic!("{other}"),
        };
        format!("control_model.{module}.{end}")
    };
    let path = renamed("controlnet-scribble", folder.path(), original);
    check_network("sd15", "controlnet-scribble", path);
}
