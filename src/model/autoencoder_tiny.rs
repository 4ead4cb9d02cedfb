//! The small autoencoder (`diffusers.AutoencoderTiny`, after Ollin Boer Bohan's TAESD).

use candle_core::{DType, Result, Tensor};

use super::act_fn::Activation;
use super::layers::{ConvShape, conv2d};
use super::{ConfigFile, ModelError, Weights};
use crate::kernels::{Conv2d, ConvChain, Fused, Link, add, relu, stock};

/// Convolutions only, without normalisation: cheap enough to run at every stroke.
pub struct AutoencoderTiny {
    encoder: Network,
    decoder: Network,
    dtype: DType,
    latent_channels: usize,
    scale: usize,
    scaling_factor: f64,
}

/// Layers one after another.
enum Network {
    /// With ReLU, which convolutions can do on the way.
    Chain(ConvChain),
    /// With another activation.
    Layers(Vec<Layer>, Activation),
}

enum Layer {
    Conv(Conv2d),
    /// Pixels doubled, then a convolution: two entries of diffusers' list.
    Upsample(Conv2d),
    Activation,
    Block(Box<[Conv2d; 3]>),
    /// A block whose last convolution has no weights but its bias: the rest of it makes nothing.
    Bias(Box<[f32]>),
}

impl AutoencoderTiny {
    /// Builds the network from its configuration and weights.
    ///
    /// # Errors
    /// `Config` for what is not supported; a tensor that is missing or has another shape.
    pub fn load(config: &ConfigFile, weights: &Weights) -> std::result::Result<Self, ModelError> {
        config.only("in_channels", 3)?;
        config.only("out_channels", 3)?;
        config.only("upsample_fn", "nearest")?;
        config.only("upsampling_scaling_factor", 2)?;
        let activation = Activation::read(config, "relu")?;
        let latent_channels = config.or("latent_channels", 4)?;
        let encoder = stages(config, "encoder", [1, 3, 3, 3])?;
        let decoder = stages(config, "decoder", [3, 3, 3, 1])?;
        if encoder.len() != decoder.len() {
            return Err(config.refuse(
                "num_decoder_blocks",
                format!(
                    "must list as many stages as num_encoder_blocks, {}",
                    encoder.len()
                ),
            ));
        }
        let scale = 1 << (encoder.len() - 1);
        let layers = weights.scope("encoder.layers");
        let encoder = load_encoder(&layers, &encoder, latent_channels)?;
        let layers = weights.scope("decoder.layers");
        let decoder = load_decoder(&layers, &decoder, latent_channels)?;
        Ok(Self {
            encoder: weights.prepared(Network::new(encoder, activation))?,
            decoder: weights.prepared(Network::new(decoder, activation))?,
            dtype: weights.dtype(),
            latent_channels,
            scale,
            scaling_factor: config.or("scaling_factor", 1.0)?,
        })
    }

    /// An image in −1…1 to scaled latents.
    pub(super) fn encode(&self, image: &Tensor) -> Result<Tensor> {
        // The layers were trained on images in 0…1.
        let hidden = image.to_dtype(self.dtype)?.affine(0.5, 0.5)?;
        let latents = self.encoder.forward(hidden)?;
        self.scaled(latents, self.scaling_factor)?
            .to_dtype(image.dtype())
    }

    /// Scaled latents to an image in −1…1.
    pub(super) fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let unscaled = self.unscaled(&latents.to_dtype(self.dtype)?)?;
        // A soft clamp to −3…3, which the decoder was trained with.
        let clamped = unscaled.affine(1.0 / 3.0, 0.0)?.tanh()?.affine(3.0, 0.0)?;
        self.decoder
            .forward(clamped)?
            .affine(2.0, -1.0)?
            .to_dtype(latents.dtype())
    }

    /// Scaled latents as the network itself has them.
    pub(super) fn unscaled(&self, latents: &Tensor) -> Result<Tensor> {
        self.scaled(latents.clone(), 1.0 / self.scaling_factor)
    }

    pub(super) fn latent_channels(&self) -> usize {
        self.latent_channels
    }

    pub(super) fn scale(&self) -> usize {
        self.scale
    }

    fn scaled(&self, tensor: Tensor, factor: f64) -> Result<Tensor> {
        if factor == 1.0 {
            Ok(tensor)
        } else {
            tensor.affine(factor, 0.0)
        }
    }
}

impl Network {
    fn new(layers: Vec<Layer>, activation: Activation) -> Result<Self> {
        match activation {
            Activation::Relu => Ok(Self::Chain(ConvChain::new(links(layers))?)),
            _ => Ok(Self::Layers(layers, activation)),
        }
    }

    fn forward(&self, input: Tensor) -> Result<Tensor> {
        let (layers, activation) = match self {
            Self::Chain(chain) => return chain.forward(&input),
            Self::Layers(layers, activation) => (layers, activation),
        };
        let mut hidden = input;
        for layer in layers {
            hidden = match layer {
                Layer::Conv(conv) => conv.forward(&hidden)?,
                Layer::Upsample(conv) => conv.forward_upsampled(&hidden, Fused::default())?,
                Layer::Activation => activation.forward(&hidden)?,
                Layer::Bias(bias) => stock::relu_with_bias(&hidden, bias)?,
                Layer::Block(convs) => {
                    let [first, second, third] = &**convs;
                    let inner = activation.forward(&first.forward(&hidden)?)?;
                    let inner = activation.forward(&second.forward(&inner)?)?;
                    // diffusers' block ends with ReLU whatever its activation is.
                    relu(&add(&third.forward(&inner)?, &hidden)?)?
                }
            };
        }
        Ok(hidden)
    }
}

/// Layers with ReLU as convolutions that do all else on the way.
fn links(layers: Vec<Layer>) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for layer in layers {
        match layer {
            Layer::Conv(conv) => links.push(Link::new(conv)),
            Layer::Upsample(conv) => links.push(Link {
                upsampled: true,
                ..Link::new(conv)
            }),
            Layer::Activation => {
                if let Some(last) = links.last_mut() {
                    last.relu = true;
                }
            }
            Layer::Bias(bias) => {
                if let Some(last) = links.last_mut() {
                    last.shifts.push(bias);
                }
            }
            Layer::Block(convs) => {
                let [first, second, third] = *convs;
                // Every network begins with a convolution, so a block follows one.
                let residual = links.len().checked_sub(1);
                links.push(Link::new(first).relu());
                links.push(Link::new(second).relu());
                links.push(Link {
                    residual,
                    ..Link::new(third).relu()
                });
            }
        }
    }
    links
}

/// One stage: how many blocks, and their channels.
type Stage = (usize, usize);

fn stages(
    config: &ConfigFile,
    side: &str,
    usual: [usize; 4],
) -> std::result::Result<Vec<Stage>, ModelError> {
    let channels_field = format!("{side}_block_out_channels");
    let blocks_field = format!("num_{side}_blocks");
    let channels: Vec<usize> = config.or(&channels_field, vec![64; 4])?;
    let blocks: Vec<usize> = config.or(&blocks_field, usual.to_vec())?;
    if blocks.is_empty() || blocks.len() != channels.len() {
        return Err(config.refuse(
            &blocks_field,
            format!(
                "must list as many stages as {channels_field}, {}, and at least one",
                channels.len()
            ),
        ));
    }
    if channels.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(config.refuse(&channels_field, "must be the same for all stages"));
    }
    Ok(blocks.into_iter().zip(channels).collect())
}

fn block(weights: &Weights, channels: usize) -> std::result::Result<Layer, ModelError> {
    let shape = ConvShape::same(channels, channels, 3);
    let conv = |number: usize| conv2d(&weights.scope("conv").scope(number), shape);
    let convs = Box::new([conv(0)?, conv(2)?, conv(4)?]);
    let last = weights.scope("conv").scope(4);
    let weight = last.tensor("weight", &[channels, channels, 3, 3])?;
    let zero = weights.prepared(is_zero(&weight))?;
    if !zero {
        return Ok(Layer::Block(convs));
    }
    let bias = last.tensor("bias", &[channels])?.to_dtype(DType::F32);
    let bias = weights.prepared(bias.and_then(|bias| bias.to_vec1()))?;
    Ok(Layer::Bias(bias.into_boxed_slice()))
}

fn is_zero(tensor: &Tensor) -> Result<bool> {
    let values = tensor.flatten_all()?.to_dtype(DType::F32)?;
    Ok(values.to_vec1::<f32>()?.iter().all(|value| *value == 0.0))
}

fn load_encoder(
    weights: &Weights,
    stages: &[Stage],
    latent_channels: usize,
) -> std::result::Result<Vec<Layer>, ModelError> {
    let mut layers = Vec::new();
    let mut width = 3;
    for (number, &(blocks, channels)) in stages.iter().enumerate() {
        let shape = if number == 0 {
            ConvShape::same(width, channels, 3)
        } else {
            ConvShape::same(width, channels, 3).stride(2).bias(false)
        };
        layers.push(Layer::Conv(conv2d(&weights.scope(layers.len()), shape)?));
        for _ in 0..blocks {
            layers.push(block(&weights.scope(layers.len()), channels)?);
        }
        width = channels;
    }
    let shape = ConvShape::same(width, latent_channels, 3);
    layers.push(Layer::Conv(conv2d(&weights.scope(layers.len()), shape)?));
    Ok(layers)
}

fn load_decoder(
    weights: &Weights,
    stages: &[Stage],
    latent_channels: usize,
) -> std::result::Result<Vec<Layer>, ModelError> {
    let width = stages.first().map_or(0, |stage| stage.1);
    let enter = ConvShape::same(latent_channels, width, 3);
    let mut layers = vec![
        Layer::Conv(conv2d(&weights.scope(0), enter)?),
        Layer::Activation,
    ];
    // diffusers numbers the upsampling as a layer of its own.
    let mut place = layers.len();
    for (number, &(blocks, channels)) in stages.iter().enumerate() {
        for _ in 0..blocks {
            layers.push(block(&weights.scope(place), channels)?);
            place += 1;
        }
        if number + 1 < stages.len() {
            let shape = ConvShape::same(channels, channels, 3).bias(false);
            layers.push(Layer::Upsample(conv2d(&weights.scope(place + 1), shape)?));
            place += 2;
        } else {
            let shape = ConvShape::same(channels, 3, 3);
            layers.push(Layer::Conv(conv2d(&weights.scope(place), shape)?));
        }
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn conv(input: usize, output: usize, weights: f64, bias: f64) -> Result<Conv2d> {
        let weight = Tensor::randn(0f32, 0.3, (output, input, 3, 3), &Device::Cpu)?;
        let bias = (Tensor::randn(0f32, 1.0, output, &Device::Cpu)? * bias)?;
        Conv2d::new((weight * weights)?, Some(bias), 1, 1)
    }

    /// A network around a block whose last convolution has only its bias, as a block and as a bias.
    #[test]
    fn a_block_without_weights_is_its_bias() -> Result<()> {
        let (first, last) = (conv(3, 8, 1.0, 1.0)?, conv(8, 4, 1.0, 1.0)?);
        let (inner, middle) = (conv(8, 8, 1.0, 1.0)?, conv(8, 8, 1.0, 1.0)?);
        let bias = Tensor::randn(0f32, 0.5, 8, &Device::Cpu)?;
        let weight = Tensor::zeros((8, 8, 3, 3), DType::F32, &Device::Cpu)?;
        assert!(is_zero(&weight)? && !is_zero(&bias)?);
        let nothing = Conv2d::new(weight, Some(bias.clone()), 1, 1)?;
        let network = |layer, activation| {
            let layers = vec![Layer::Conv(first.clone()), layer, Layer::Conv(last.clone())];
            Network::new(layers, activation)
        };
        let image = Tensor::randn(0f32, 1.0, (1, 3, 13, 22), &Device::Cpu)?;
        for activation in [Activation::Relu, Activation::Silu] {
            let convs = Box::new([inner.clone(), middle.clone(), nothing.clone()]);
            let whole = network(Layer::Block(convs), activation)?.forward(image.clone())?;
            let bias = Layer::Bias(bias.to_vec1()?.into_boxed_slice());
            let short = network(bias, activation)?.forward(image.clone())?;
            let apart = (whole - short)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(apart < 1e-5, "{apart}");
        }
        Ok(())
    }
}
