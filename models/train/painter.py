"""Samples an exported folder: the few-step loop that the product runs, and the many-step one that it is held against."""

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, LCMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from architecture import LATENT_CHANNELS
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

    def paint(self, pixels, prompts, steps, guidance=1.0, many=False, seed=1):
        """Sketches (N, S, S, 3) in bytes, or None for words alone, to pictures of the same shape.

        LCM sampling; DDIM (eta 0) where `many` is set. Each picture has its own noise, from `seed` and its place, so
        that it does not matter what else is painted with it. A guidance_scale above 1 asks the UNet twice a step.
        """
        parts = []
        for start in range(0, len(prompts), BATCH):
            some = slice(start, start + BATCH)
            sketches = None if pixels is None else pixels[some]
            generators = [torch.Generator().manual_seed(seed * 100_000 + start + row) for row in range(len(prompts[some]))]
            parts.append(self._paint(sketches, prompts[some], steps, guidance, many, generators))
        return np.concatenate(parts)

    @torch.no_grad()
    def _paint(self, pixels, prompts, steps, guidance, many, generators):
        side = SIZE // 16
        sketch = torch.zeros(len(prompts), LATENT_CHANNELS, side, side, device=DEVICE) if pixels is None else self.encode(pixels)
        words, empty = self.words(prompts), self.words([""]).expand(len(prompts), -1, -1)
        latents = torch.stack([torch.randn(sketch.shape[1:], generator=generator) for generator in generators]).to(DEVICE)
        scheduler = self.many_steps if many else self.few_steps
        scheduler.set_timesteps(steps)
        for timestep in scheduler.timesteps:
            inputs = torch.cat([latents, sketch], 1)
            if guidance > 1:
                both = self.unet(torch.cat([inputs, inputs]), timestep, encoder_hidden_states=torch.cat([empty, words])).sample
                without, having = both.chunk(2)
                made = without + guidance * (having - without)
            else:
                made = self.unet(inputs, timestep, encoder_hidden_states=words).sample
            latents = scheduler.step(made, timestep, latents, generator=generators).prev_sample
        return self.decode(latents)
