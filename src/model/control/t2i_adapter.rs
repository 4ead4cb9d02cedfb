//! A network that reads a control picture once and adds what it finds to a UNet's way down
//! (`diffusers.T2IAdapter`; Mou et al., arXiv 2302.08453).

use candle_core::{Result, Tensor};

use crate::kernels::{Conv2d, Fused};
use crate::model::config_file::ConfigFile;
use crate::model::error::ModelError;
use crate::model::layers::{ConvShape, conv2d};
use crate::model::weights::Weights;

/// The adapter's architecture (`adapter_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdapterType {
    /// `full_adapter`: SD 1.5's, and most.
    Full,
    /// `full_adapter_xl`: SDXL's, which halves the image once.
    FullXl,
    /// `light_adapter`: narrow in the middle.
    Light,
}

impl AdapterType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full_adapter",
            Self::FullXl => "full_adapter_xl",
            Self::Light => "light_adapter",
        }
    }
}

/// What decides an adapter's shape, with diffusers' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct T2IAdapterConfig {
    /// Channels of the control picture: 1 or 3.
    pub in_channels: usize,
    /// Channels of the features.
    pub channels: Vec<usize>,
    /// Residual blocks for each feature.
    pub num_res_blocks: usize,
    /// How many times smaller than the picture the first feature is.
    pub downscale_factor: usize,
    pub adapter_type: AdapterType,
}

impl T2IAdapterConfig {
    /// Reads a `config.json` and refuses what is not supported.
    ///
    /// # Errors
    /// `Config`, with the field's name.
    pub fn read(file: &ConfigFile) -> std::result::Result<Self, ModelError> {
        let name: String = file.or("adapter_type", "full_adapter".to_owned())?;
        let types = [AdapterType::Full, AdapterType::FullXl, AdapterType::Light];
        let adapter_type = types.into_iter().find(|kind| kind.name() == name);
        let adapter_type = adapter_type.ok_or_else(|| {
            let known = types.map(AdapterType::name).join(", ");
            file.refuse(
                "adapter_type",
                format!("is {name:?}, which is not supported: use one of {known}"),
            )
        })?;
        let config = Self {
            in_channels: file.or("in_channels", 3)?,
            channels: file.or("channels", vec![320, 640, 1280, 1280])?,
            num_res_blocks: file.or("num_res_blocks", 2)?,
            downscale_factor: file.or("downscale_factor", 8)?,
            adapter_type,
        };
        if !matches!(config.in_channels, 1 | 3) {
            let reason = format!(
                "is {}, but a control picture has 1 channel or 3",
                config.in_channels
            );
            return Err(file.refuse("in_channels", reason));
        }
        if config.channels.is_empty() || config.channels.contains(&0) {
            return Err(file.refuse("channels", "must list positive widths, at least one"));
        }
        // After its third block an XL adapter changes neither size nor width.
        if adapter_type == AdapterType::FullXl
            && config
                .channels
                .iter()
                .skip(3)
                .any(|c| *c != config.channels[2])
        {
            return Err(file.refuse("channels", "must repeat the third width to the end"));
        }
        if adapter_type == AdapterType::Light && config.channels.iter().any(|c| c / 4 == 0) {
            return Err(file.refuse("channels", "must list widths of 4 or more"));
        }
        if !config.downscale_factor.is_power_of_two() {
            return Err(file.refuse("downscale_factor", "must be a power of two, such as 8"));
        }
        Ok(config)
    }

    /// Channels of each feature, and how many times smaller than the picture it is.
    pub fn features(&self) -> Vec<(usize, usize)> {
        let factor = self.downscale_factor;
        let channels = self.channels.iter().copied().enumerate();
        match self.adapter_type {
            AdapterType::Full => channels.map(|(i, c)| (c, factor << i)).collect(),
            AdapterType::FullXl => channels
                .map(|(i, c)| (c, factor << usize::from(i >= 2)))
                .collect(),
            AdapterType::Light => {
                let last = self.channels.last().copied();
                let halved = self.channels.len();
                channels
                    .map(|(i, c)| (c, factor << i))
                    .chain(last.map(|c| (c, factor << halved)))
                    .collect()
            }
        }
    }
}

/// Features of a control picture for a UNet's way down.
pub struct T2IAdapter {
    config: T2IAdapterConfig,
    conv_in: Option<Conv2d>,
    body: Vec<Block>,
}

/// One feature's layers.
struct Block {
    halves: bool,
    in_conv: Option<Conv2d>,
    resnets: Vec<[Conv2d; 2]>,
    out_conv: Option<Conv2d>,
}

impl T2IAdapter {
    /// Builds the network.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration calls for.
    pub(super) fn load(
        config: &T2IAdapterConfig,
        weights: &Weights,
    ) -> std::result::Result<Self, ModelError> {
        let weights = weights.scope("adapter");
        let unshuffled = config.in_channels * config.downscale_factor.pow(2);
        let is_light = config.adapter_type == AdapterType::Light;
        let first = config.channels[0];
        let conv_in = (!is_light).then(|| {
            let shape = ConvShape::same(unshuffled, first, 3);
            conv2d(&weights.scope("conv_in"), shape)
        });
        let features = config.features();
        let mut body = Vec::with_capacity(features.len());
        let mut above = (
            if is_light { unshuffled } else { first },
            config.downscale_factor,
        );
        for (number, (channels, scale)) in features.into_iter().enumerate() {
            let module = weights.scope("body").scope(number);
            body.push(Block::load(
                &module,
                above.0,
                channels,
                scale > above.1,
                is_light,
                config.num_res_blocks,
            )?);
            above = (channels, scale);
        }
        Ok(Self {
            conv_in: conv_in.transpose()?,
            body,
            config: config.clone(),
        })
    }

    /// Channels of the control picture: 1 (grey) or 3.
    pub fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    /// What the sides of a control picture are multiples of, in pixels.
    pub fn downscale_factor(&self) -> usize {
        self.config.downscale_factor
    }

    /// From a control picture in 0 … 1, `[batch, in_channels, height, width]`, to its features,
    /// each smaller than the one before or as large. What is halved is rounded up.
    ///
    /// # Errors
    /// When the picture's sides are no multiples of [`T2IAdapter::downscale_factor`].
    pub fn forward(&self, image: &Tensor) -> Result<Vec<Tensor>> {
        let mut hidden = pixel_unshuffle(image, self.config.downscale_factor)?;
        if let Some(conv) = &self.conv_in {
            hidden = conv.forward(&hidden)?;
        }
        let mut features = Vec::with_capacity(self.body.len());
        for block in &self.body {
            hidden = block.forward(&hidden)?;
            features.push(hidden.clone());
        }
        Ok(features)
    }
}

impl Block {
    fn load(
        weights: &Weights,
        input: usize,
        output: usize,
        halves: bool,
        is_light: bool,
        resnets: usize,
    ) -> std::result::Result<Self, ModelError> {
        let inner = if is_light { output / 4 } else { output };
        let pointwise = |name: &str, input, output| {
            conv2d(&weights.scope(name), ConvShape::same(input, output, 1))
        };
        let enters = is_light || input != output;
        let second = if is_light { 3 } else { 1 };
        let resnet = |number: usize| -> std::result::Result<_, ModelError> {
            let module = weights.scope("resnets").scope(number);
            let conv = |name: &str, kernel| {
                conv2d(&module.scope(name), ConvShape::same(inner, inner, kernel))
            };
            Ok([conv("block1", 3)?, conv("block2", second)?])
        };
        Ok(Self {
            halves,
            in_conv: enters
                .then(|| pointwise("in_conv", input, inner))
                .transpose()?,
            resnets: (0..resnets)
                .map(resnet)
                .collect::<std::result::Result<_, ModelError>>()?,
            out_conv: is_light
                .then(|| pointwise("out_conv", inner, output))
                .transpose()?,
        })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let mut hidden = match self.halves {
            true => halved(input)?,
            false => input.clone(),
        };
        if let Some(conv) = &self.in_conv {
            hidden = conv.forward(&hidden)?;
        }
        for [block1, block2] in &self.resnets {
            let fused = Fused {
                relu: true,
                ..Fused::default()
            };
            let inner = block1.forward_fused(&hidden, fused)?;
            let fused = Fused {
                residual: Some(&hidden),
                ..Fused::default()
            };
            hidden = block2.forward_fused(&inner, fused)?;
        }
        match &self.out_conv {
            Some(conv) => conv.forward(&hidden),
            None => Ok(hidden),
        }
    }
}

/// Each square of `factor` pixels becomes one pixel with a channel for each of them, torch's
/// `PixelUnshuffle`.
fn pixel_unshuffle(image: &Tensor, factor: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = image.dims4()?;
    if !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
        candle_core::bail!(
            "a control picture of {width} x {height} pixels has sides that are no multiples of {factor}"
        );
    }
    let (rows, columns) = (height / factor, width / factor);
    image
        .reshape(vec![batch, channels, rows, factor, columns, factor])?
        .permute(vec![0, 1, 3, 5, 2, 4])?
        .contiguous()?
        .reshape((batch, channels * factor * factor, rows, columns))
}

/// The mean of each 2×2 square; at an odd edge, of what is there.
fn halved(input: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = input.dims4()?;
    let whole = input
        .pad_with_same(2, 0, height % 2)?
        .pad_with_same(3, 0, width % 2)?;
    whole.contiguous()?.avg_pool2d(2)
}
