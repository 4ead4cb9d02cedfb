//! TAESD's own files (`taesd_encoder.safetensors`, `taesd_decoder.safetensors`): layers by number,
//! one file for each way.

use serde_json::{Map, Value, json};

use super::shapes::Shapes;
use crate::model::stored::{Stored, TensorMap};

/// Whether these are the layers of one way.
pub(in crate::model) fn is_one_way(shapes: &Shapes) -> bool {
    let first = layers(shapes).next();
    first.is_some_and(|layer| matches!(layer, Layer::Conv)) && shapes.any_with(".conv.4.weight")
}

enum Layer {
    Conv,
    Block,
}

/// The layers that have weights, in order.
fn layers(shapes: &Shapes) -> impl Iterator<Item = Layer> {
    let most = shapes.iter().count();
    (0..most).filter_map(|number| {
        if shapes.has(&format!("{number}.weight")) {
            return Some(Layer::Conv);
        }
        let block = format!("{number}.conv.0.weight");
        shapes.has(&block).then_some(Layer::Block)
    })
}

/// diffusers' names of the encoder's tensors, and of the decoder's. The decoder begins with a clamp
/// that diffusers does not count.
pub(in crate::model) fn tensors(encoder: &Shapes, decoder: &Shapes) -> [TensorMap; 2] {
    let of = |side: &str, shapes: &Shapes, uncounted: usize| {
        let ours = shapes.iter().filter_map(|(name, shape)| {
            let (number, rest) = name.split_once('.')?;
            let number = number.parse::<usize>().ok()?.checked_sub(uncounted)?;
            let ours = format!("{side}.layers.{number}.{rest}");
            Some((ours, Stored::plain(name, shape)))
        });
        ours.collect()
    };
    [of("encoder", encoder, 0), of("decoder", decoder, 1)]
}

/// `config.json` as diffusers would have it.
///
/// # Errors
/// What is missing.
pub(in crate::model) fn config(
    encoder: &Shapes,
    decoder: &Shapes,
) -> Result<Map<String, Value>, String> {
    // Each stage begins with a convolution; the last convolution leaves the network.
    let stages = |shapes: &Shapes| {
        let mut stages: Vec<usize> = Vec::new();
        for layer in layers(shapes) {
            match (layer, stages.last_mut()) {
                (Layer::Conv, _) => stages.push(0),
                (Layer::Block, Some(blocks)) => *blocks += 1,
                (Layer::Block, None) => {}
            }
        }
        stages.pop();
        stages
    };
    let (down, up) = (stages(encoder), stages(decoder));
    let width = encoder.side("0.weight", 0)?;
    let config = json!({
        "_class_name": "AutoencoderTiny",
        "in_channels": 3,
        "out_channels": 3,
        "act_fn": "relu",
        "latent_channels": decoder.side("1.weight", 1)?,
        "encoder_block_out_channels": vec![width; down.len()],
        "decoder_block_out_channels": vec![width; up.len()],
        "num_encoder_blocks": down,
        "num_decoder_blocks": up,
        "upsampling_scaling_factor": 2,
        "scaling_factor": 1.0,
    });
    match config {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}
