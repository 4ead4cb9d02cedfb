//! Networks of 3×3 convolutions that keep channels last from end to end.
//!
//! Between two operations that each take and give planes an image is turned around twice, and
//! every result is memory that the processor has not seen before. Here the images between the
//! first and the last convolution lie in a few places of one piece of memory, which is kept.

use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Tensor};

use super::blocks::Blocks;
use super::picture::{Picture, Target};
use super::plan::Image;
use super::run::Sums;
use super::winograd::{Sink, Source, Transformed};
use super::{Conv2d, Fused, Weights, direct, winograd};
use crate::kernels::buffer::Buffer;
use crate::kernels::instructions::InstructionSet;
use crate::kernels::storage::{Output, Parts, Values, is_cpu_f32};
use crate::kernels::{interrupt, profile, stock};

/// One convolution of a [`ConvChain`] and what happens to its result.
#[derive(Clone)]
pub struct Link {
    /// The convolution.
    pub conv: Conv2d,
    /// Whether its input is doubled in height and width before it, by repeating pixels.
    pub upsampled: bool,
    /// Added to its result: the result of the link with this number, counted from 0.
    pub residual: Option<usize>,
    /// Whether negative values become 0, after the sums.
    pub relu: bool,
    /// Values, one for each channel, that are added after all that, and negative ones become 0: one
    /// set after the other.
    pub shifts: Vec<Box<[f32]>>,
}

impl Link {
    /// A convolution and nothing else.
    pub fn new(conv: Conv2d) -> Self {
        Self {
            conv,
            upsampled: false,
            residual: None,
            relu: false,
            shifts: Vec::new(),
        }
    }

    /// The same, and negative values become 0.
    pub fn relu(self) -> Self {
        Self { relu: true, ..self }
    }
}

/// Convolutions one after another, each of the result of the one before.
pub struct ConvChain {
    links: Vec<Link>,
    /// Where each result but the last lies, and how many places there are; none for chains that
    /// are run link by link.
    places: Option<(Vec<usize>, usize)>,
}

/// Memory for the images of a chain that nobody runs at the moment.
static SPARE: Mutex<Option<Buffer>> = Mutex::new(None);

/// Values that are kept for the next call: 64 MiB, enough for windows of 384² with 32 channels.
const KEPT: usize = 16 << 20;

impl ConvChain {
    /// A chain of these links.
    ///
    /// # Errors
    /// When a link adds a result that is not there before it, or there is no link.
    pub fn new(links: Vec<Link>) -> Result<Self> {
        for (number, link) in links.iter().enumerate() {
            let channels = link.conv.kernel.channels_out;
            if link.shifts.iter().any(|shift| shift.len() != channels) {
                candle_core::bail!("link {number} of a chain shifts other channels than it has");
            }
            if link.residual.is_some_and(|residual| residual >= number) {
                candle_core::bail!("link {number} of a chain adds a result that is not there yet");
            }
        }
        if links.is_empty() {
            candle_core::bail!("a chain of convolutions needs at least one");
        }
        let set = links[0].set();
        let stay = links
            .iter()
            .all(|link| link.set().is_some() && link.set() == set && link.stays());
        // The ends take and give planes.
        let ends = |link: Option<&Link>| {
            link.is_some_and(|link| link.conv.kernel.is_three_by_three() && link.residual.is_none())
        };
        let plain_end = links.last().is_some_and(|link| link.shifts.is_empty());
        let stay = stay && ends(links.first()) && ends(links.last()) && plain_end;
        let places = stay.then(|| places(&links));
        Ok(Self { links, places })
    }

    /// `[batch, in, height, width]` through all convolutions.
    ///
    /// # Errors
    /// When shapes disagree, or the device fails.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        match &self.places {
            Some(places) if is_cpu_f32(input) && input.elem_count() > 0 => {
                self.forward_channels_last(input, places)
            }
            _ => self.forward_links(input),
        }
    }

    /// What a chain is by definition: the links one after another.
    fn forward_links(&self, input: &Tensor) -> Result<Tensor> {
        let mut results: Vec<Tensor> = Vec::new();
        for link in &self.links {
            let input = results.last().unwrap_or(input);
            let fused = Fused {
                per_channel: None,
                residual: link.residual.map(|residual| &results[residual]),
                relu: link.relu,
            };
            let mut result = if link.upsampled {
                link.conv.forward_upsampled(input, fused)?
            } else {
                link.conv.forward_fused(input, fused)?
            };
            for shift in &link.shifts {
                result = stock::relu_with_bias(&result, shift)?;
            }
            results.push(result);
        }
        match results.pop() {
            Some(result) => Ok(result),
            None => Ok(input.clone()),
        }
    }

    fn forward_channels_last(
        &self,
        input: &Tensor,
        (places, count): &(Vec<usize>, usize),
    ) -> Result<Tensor> {
        let (batch, channels, height, width) = input.dims4()?;
        let sizes = self.sizes(channels, (height, width))?;
        let input = input.contiguous()?;
        let values = Values::of(&input)?;
        let lanes = self.links[0].set().map_or(1, InstructionSet::lanes);
        let size = |&(channels, height, width): &(usize, usize, usize)| {
            Picture::size(height, width, usize::next_multiple_of(channels, lanes))
        };
        let place = sizes.iter().map(size).max().unwrap_or(0);
        let Some(&(out_channels, out_height, out_width)) = sizes.last() else {
            return Ok(input.clone());
        };
        let one = out_channels * out_height * out_width;
        let mut output = Output::new(batch * one);
        with_memory(place * count, |memory| -> Result<()> {
            for (index, values) in values.chunks_exact(channels * height * width).enumerate() {
                let image = Image {
                    batch: 1,
                    height,
                    width,
                };
                let mut source = Source::Planes { image, values };
                let mut pictures: Vec<Picture> = Vec::with_capacity(self.links.len());
                for (number, link) in self.links.iter().enumerate() {
                    interrupt::check()?;
                    let (channels, height, width) = sizes[number];
                    let _span = profile::span("convolution", || {
                        let (channels, height, width) = match number {
                            0 => (channels, height, width),
                            _ => sizes[number - 1],
                        };
                        let dims = [1, sizes[number].0, sizes[number].1, sizes[number].2];
                        link.conv.kernel.work(channels * height * width, dims)
                    });
                    let sums = Sums {
                        per_channel: None,
                        residual: None,
                        relu: link.relu,
                    };
                    if number + 1 == self.links.len() {
                        let output = output.parts().narrow(index * one, one);
                        let sums = &sums;
                        link.run(source, Sink::Planes { sums, output });
                        break;
                    }
                    // SAFETY: the memory outlives the loop, and no result that is still to be read
                    // lies in this place.
                    let picture = unsafe {
                        let pitch = channels.next_multiple_of(lanes);
                        Picture::new(memory, places[number] * place, (height, width), pitch)
                    };
                    let residual = link.residual.map(|residual| pictures[residual]);
                    let relu = link.relu;
                    link.run(
                        source,
                        Sink::Picture(Target {
                            picture,
                            residual,
                            relu,
                        }),
                    );
                    // SAFETY: the link has written the picture, and nothing reads it yet.
                    unsafe { picture.shift(&link.shifts) };
                    pictures.push(picture);
                    source = Source::Picture(picture);
                }
            }
            Ok(())
        })?;
        // SAFETY: the last link writes every pixel of every channel of each image.
        unsafe { output.into_tensor((batch, out_channels, out_height, out_width)) }
    }

    /// Channels, height and width of each result.
    fn sizes(
        &self,
        channels: usize,
        (height, width): (usize, usize),
    ) -> Result<Vec<(usize, usize, usize)>> {
        let mut sizes: Vec<(usize, usize, usize)> = Vec::with_capacity(self.links.len());
        let mut size = (channels, height, width);
        for link in &self.links {
            let kernel = &link.conv.kernel;
            let scale = if link.upsampled { 2 } else { 1 };
            let image = Image {
                batch: 1,
                height: size.1 * scale,
                width: size.2 * scale,
            };
            let (height, width) = match kernel.output_size(&image) {
                Some(output) if size.0 == kernel.channels_in => output,
                _ => candle_core::bail!(
                    "a convolution over {} channels was given {size:?}",
                    kernel.channels_in
                ),
            };
            size = (kernel.channels_out, height, width);
            if let Some(residual) = link.residual
                && sizes[residual] != size
            {
                candle_core::bail!("a sum of {size:?} and {:?}", sizes[residual]);
            }
            sizes.push(size);
        }
        Ok(sizes)
    }
}

impl Link {
    /// Whether there are kernels for it that take and give channels last.
    fn stays(&self) -> bool {
        let kernel = &self.conv.kernel;
        let direct = kernel.is_three_by_three_with(2) && !self.upsampled;
        kernel.channels_in * kernel.channels_out > 0 && (kernel.is_three_by_three() || direct)
    }

    /// What its weights are packed for.
    fn set(&self) -> Option<InstructionSet> {
        match &*self.conv.weights {
            Weights::Packed { weights, .. } => Some(weights.set),
            Weights::Stock { .. } => None,
        }
    }

    fn run(&self, source: Source, sink: Sink) {
        let Weights::Packed {
            weights,
            transformed,
            direct: blocks,
            ..
        } = &*self.conv.weights
        else {
            return;
        };
        match (source, sink) {
            (Source::Picture(picture), Sink::Picture(target)) if self.conv.kernel.stride > 1 => {
                let blocks = blocks.get_or_init(|| Box::new(Blocks::direct(weights)));
                direct::run(blocks, self.conv.kernel.stride, picture, target);
            }
            _ => {
                let transformed = transformed[usize::from(self.upsampled)]
                    .get_or_init(|| Box::new(Transformed::new(weights, self.upsampled)));
                winograd::run(transformed, source, sink);
            }
        }
    }
}

/// Gives every result but the last the first place in which no result lies that is still to be
/// read.
fn places(links: &[Link]) -> (Vec<usize>, usize) {
    let mut last_read: Vec<usize> = (1..links.len()).collect();
    for (number, link) in links.iter().enumerate() {
        if let Some(residual) = link.residual {
            last_read[residual] = last_read[residual].max(number);
        }
    }
    let mut places: Vec<usize> = Vec::new();
    // The last link that reads what lies in each place.
    let mut busy_until: Vec<usize> = Vec::new();
    for (number, &until) in last_read.iter().enumerate() {
        let free = busy_until.iter().position(|&until| until < number);
        let place = free.unwrap_or(busy_until.len());
        if place == busy_until.len() {
            busy_until.push(until);
        } else {
            busy_until[place] = until;
        }
        places.push(place);
    }
    (places, busy_until.len())
}

/// Calls `work` with memory for `length` values, kept from the last call where it was not much.
fn with_memory<R>(length: usize, work: impl FnOnce(Parts) -> R) -> R {
    let spare = || SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut buffer = spare().take().unwrap_or_default();
    buffer.reserve(length);
    let result = work(Parts::of(buffer.values_mut()));
    if length <= KEPT {
        *spare() = Some(buffer);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::Padding;
    use super::*;
    use crate::kernels::testing::{assert_close, random};

    /// A conv of each set.
    fn conv(set: InstructionSet, channels: (usize, usize), stride: usize) -> Result<Conv2d> {
        let weight = (random((channels.1, channels.0, 3, 3))? * 0.2)?;
        let bias = Some(random(channels.1)?);
        Conv2d::for_set(set, weight, bias, stride, Padding::all(1))
    }

    /// Something else for each channel.
    fn shift(channels: usize, by: f32) -> Box<[f32]> {
        let sign = |channel: usize| if channel.is_multiple_of(2) { by } else { -by };
        (0..channels).map(sign).collect()
    }

    /// What an autoencoder is made of: a first layer, a block with a residual, a smaller image, a
    /// doubled one, and a last layer.
    fn links(set: InstructionSet, width: usize) -> Result<Vec<Link>> {
        let plain = || Ok::<_, candle_core::Error>(Link::new(conv(set, (width, width), 1)?));
        Ok(vec![
            Link::new(conv(set, (3, width), 1)?),
            plain()?.relu(),
            plain()?.relu(),
            Link {
                residual: Some(0),
                shifts: vec![shift(width, 0.3)],
                ..plain()?.relu()
            },
            Link {
                shifts: vec![shift(width, -0.2), shift(width, 0.1)],
                ..Link::new(conv(set, (width, width), 2)?)
            },
            Link {
                residual: Some(4),
                ..plain()?
            },
            Link {
                upsampled: true,
                ..plain()?
            },
            Link::new(conv(set, (width, 5), 1)?),
        ])
    }

    #[test]
    fn a_chain_is_its_links() -> Result<()> {
        for set in InstructionSet::available() {
            for (batch, width, size) in [
                (1, 32, (32, 32)),
                (2, 8, (17, 30)),
                (1, 20, (1, 1)),
                (1, 5, (70, 9)),
                (1, 16, (6, 131)),
            ] {
                let chain = ConvChain::new(links(set, width)?)?;
                assert!(chain.places.is_some());
                let input = random((batch, 3, size.0, size.1))?;
                // Memory that other chains have left is as good as zeros.
                for _ in 0..2 {
                    assert_close(&chain.forward(&input)?, &chain.forward_links(&input)?);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn places_are_free_when_they_are_taken() -> Result<()> {
        let links = links(InstructionSet::Portable, 8)?;
        let (places, count) = places(&links);
        assert_eq!(places, [0, 1, 2, 1, 0, 1, 0]);
        assert_eq!(count, 3);
        Ok(())
    }

    #[test]
    fn other_convolutions_run_one_by_one() -> Result<()> {
        let pointwise = Conv2d::new(random((4, 3, 1, 1))?, None, 1, 0)?;
        let next = Conv2d::new(random((2, 4, 3, 3))?, None, 1, 1)?;
        let chain = ConvChain::new(vec![Link::new(pointwise.clone()), Link::new(next.clone())])?;
        assert!(chain.places.is_none());
        let input = random((2, 3, 9, 7))?;
        let theirs = next.forward(&pointwise.forward(&input)?)?;
        assert_close(&chain.forward(&input)?, &theirs);
        Ok(())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() -> Result<()> {
        let set = InstructionSet::best();
        assert!(ConvChain::new(Vec::new()).is_err());
        let mut own = Link::new(conv(set, (3, 3), 1)?);
        own.residual = Some(0);
        assert!(ConvChain::new(vec![own]).is_err());
        let mut narrow = Link::new(conv(set, (3, 3), 1)?);
        narrow.shifts = vec![shift(2, 1.0)];
        assert!(ConvChain::new(vec![narrow]).is_err());
        let chain = ConvChain::new(links(set, 8)?)?;
        assert!(chain.forward(&random((1, 4, 8, 8))?).is_err());
        let mut wrong = links(set, 8)?;
        wrong[5].residual = Some(0);
        assert!(
            ConvChain::new(wrong)?
                .forward(&random((1, 3, 8, 8))?)
                .is_err()
        );
        Ok(())
    }
}
