"""Samples an exported folder: the few-step loop that the product runs, and the many-step one that it is held against."""

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, LCMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from autoencoder import to_tensor
from settings import DEVICE, SIZE
from tokenizer import token_ids

#: Pictures painted at once, and those encoded or decoded at once: their many pixels should stay in the caches.
BATCH, CODED = 16, 2


class Painter:
    """The folder's parts, and the loops over its UNet."""

    def __init__(self, folder):
        self.vae = AutoencoderTiny.from_pretrained(folder / "vae", dtype=torch.float32).to(DEVICE).eval()
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32)
        self.unet = unet.to(DEVICE, memory_format=torch.channels_last).eval()
        self.text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).to(DEVICE).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        #: Channels of the latents, and pixels to a side of one of their places.
        self.channels, self.cell = self.unet.config.out_channels, 2 ** (len(self.vae.config.num_encoder_blocks) - 1)
        self.few_steps = LCMScheduler.from_pretrained(folder / "scheduler")
        self.many_steps = DDIMScheduler.from_pretrained(folder / "scheduler")

    def words(self, texts):
        """What the UNet attends to: the last hidden states of padded texts."""
        return self.text(input_ids=token_ids(self.tokenizer, texts).to(DEVICE)).last_hidden_state

    def encode(self, pixels):
        """Bytes (N, S, S, 3) to latents (N, 32, S/16, S/16)."""
        return torch.cat([self.vae.encode(part).latents for part in to_tensor(pixels).split(CODED)])

    def decode(self, latents):
        """Latents to bytes."""
        decoded = torch.cat([self.vae.decode(part).sample.clamp(-1, 1) for part in latents.split(CODED)])
        return ((decoded.permute(0, 2, 3, 1).cpu().numpy() + 1) * 127.5 + 0.5).astype(np.uint8)

    @torch.no_grad()
    def through_autoencoder(self, pixels):
        """Pictures encoded and decoded: the best that any latents can give back."""
        return self.decode(self.encode(pixels))

    def paint(self, pixels, prompts, steps, guidance=1.0, many=False, seed=1, variation=0.0):
        """Sketches (N, S, S, 3) in bytes, or None for words alone, to pictures of the same shape.

        LCM sampling, whose first latents are noise times `variation`, 0 to 1, and whose later noise is, too: with 0, the
        product's default, every seed paints the same. DDIM (eta 0) from noise alone where `many` is set. Each picture has
        its own noise, from `seed` and its place, so that it does not matter what else is painted with it. A
        guidance_scale above 1 asks the UNet twice a step.
        """
        parts = []
        for start in range(0, len(prompts), BATCH):
            some = slice(start, start + BATCH)
            sketches = None if pixels is None else pixels[some]
            generators = [torch.Generator().manual_seed(seed * 100_000 + start + row) for row in range(len(prompts[some]))]
            parts.append(self._paint(sketches, prompts[some], steps, guidance, many, generators, 1.0 if many else variation))
        return np.concatenate(parts)

    @torch.no_grad()
    def _paint(self, pixels, prompts, steps, guidance, many, generators, variation):
        side = SIZE // self.cell
        sketch = torch.zeros(len(prompts), self.channels, side, side, device=DEVICE) if pixels is None else self.encode(pixels)
        words, empty = self.words(prompts), self.words([""]).expand(len(prompts), -1, -1)
        noise = lambda: variation * torch.stack([torch.randn(sketch.shape[1:], generator=generator) for generator in generators]).to(DEVICE)
        latents = noise()
        scheduler = self.many_steps if many else self.few_steps
        scheduler.set_timesteps(steps)
        following = [*scheduler.timesteps[1:], None]
        for timestep, later in zip(scheduler.timesteps, following):
            inputs = torch.cat([latents, sketch], 1)
            if guidance > 1:
                both = self.unet(torch.cat([inputs, inputs]), timestep, encoder_hidden_states=torch.cat([empty, words])).sample
                without, having = both.chunk(2)
                made = without + guidance * (having - without)
            else:
                made = self.unet(inputs, timestep, encoder_hidden_states=words).sample
            step = scheduler.step(made, timestep, latents, generator=generators)
            if many or later is None:
                latents = step.prev_sample
            else:
                kept = scheduler.alphas_cumprod[later]
                latents = kept.sqrt() * step.denoised + (1 - kept).sqrt() * noise()
        return self.decode(latents)
