"""The UNet with the arithmetic of its noise, on tensors."""

import torch

from architecture import make_scheduler
from precision import fast
from settings import DEVICE

#: Where sampling starts, from noise alone. The schedule would leave a trace of the picture there, enough to read its
#: colours from, so that the network would trust it more than the sketch and the words (Lin et al., 2023).
FIRST_STEP = 999
#: The few-step sampler's timesteps after it, those of two to four steps: two are what the product takes.
LATER_STEPS = (759, 499, 499, 499, 499, 259)


class Denoiser:
    """A UNet that is asked about noised latents, each with its own timestep."""

    def __init__(self, network):
        self.network, self.signal = network, make_scheduler().alphas_cumprod.to(DEVICE)

    def roots(self, times):
        """How much of the picture and how much of the noise is in a sample."""
        kept = self.signal[times][:, None, None, None]
        return kept.sqrt(), (1 - kept).sqrt()

    def noised(self, latents, times):
        """Latents with fresh noise."""
        root, rest = self.roots(times)
        return root * latents + rest * torch.randn_like(latents)

    def v(self, sample, sketches, times, words):
        """What the UNet makes of a sample: noise less picture, each in its share."""
        inputs = torch.cat([sample, sketches], 1).contiguous(memory_format=torch.channels_last)
        with fast():
            return self.network(inputs, times, encoder_hidden_states=words).sample.float()

    def denoised(self, sample, sketches, times, words):
        """The picture that the UNet sees behind a sample."""
        root, rest = self.roots(times)
        return root * sample - rest * self.v(sample, sketches, times, words)
