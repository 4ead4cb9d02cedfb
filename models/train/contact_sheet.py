"""Samples the exported folder from rough sketches drawn by hand, as a stranger would paint them.

One row for each sketch: the sketch, then what 1, 2 and 4 steps make of it; `--guidance` several times for more columns.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny, LCMScheduler, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from architecture import LATENT_CHANNELS
from settings import DEVICE, MODEL

WHITE = (255, 255, 255)


class Paper:
    """A white sheet with a round brush."""

    def __init__(self, size=256):
        self.pixels = np.full((size, size, 3), 255, np.uint8)
        self.size = size

    def disc(self, colour, x, y, radius, tall=None):
        cv2.ellipse(self.pixels, (x, y), (radius, tall or radius), 0, 0, 360, colour, -1, cv2.LINE_AA)
        return self

    def line(self, colour, width, *points):
        cv2.polylines(self.pixels, [np.array(points, np.int32)], False, colour, width, cv2.LINE_AA)
        return self

    def shape(self, colour, *points):
        cv2.fillPoly(self.pixels, [np.array(points, np.int32)], colour, cv2.LINE_AA)
        return self

    def band(self, colour, top, bottom, left=0, right=256):
        return self.shape(colour, (left, top), (right, top), (right, bottom), (left, bottom))

    def soft(self, sigma=1.2):
        self.pixels = cv2.GaussianBlur(self.pixels, (0, 0), sigma)
        return self.pixels


def drawings():
    """Sketches with their prompts."""
    sky, grass, water, brown, red = (120, 190, 240), (80, 170, 70), (40, 110, 200), (120, 75, 40), (225, 35, 35)
    return [
        ("red apple", Paper().disc(red, 128, 136, 72).soft()),
        ("sea and meadow", Paper().band(water, 0, 128).band(grass, 128, 256).soft()),
        ("smiling face", Paper().disc((255, 215, 50), 128, 128, 84).soft()),
        ("a house", Paper().band(brown, 120, 215, 70, 190).shape(red, (55, 122), (205, 122), (130, 50)).soft()),
        ("tree", Paper().line(brown, 24, (128, 150), (128, 235)).disc((60, 150, 60), 128, 100, 66).soft()),
        ("mountains, meadow, lake, sun, sky", Paper().band(sky, 0, 130).disc((255, 220, 60), 200, 45, 22)
         .shape((120, 115, 130), (0, 140), (70, 60), (120, 110), (170, 70), (256, 140)).band(grass, 130, 256)
         .line(water, 44, (20, 190), (230, 195)).line((50, 110, 50), 16, (30, 150), (110, 148)).soft()),
        ("blue fish", Paper().disc((50, 130, 230), 116, 128, 66, 42).shape((50, 130, 230), (170, 128), (225, 90), (225, 168)).soft()),
        ("red car", Paper().band(red, 120, 170, 40, 216).band(red, 85, 122, 80, 175).disc((30, 30, 30), 80, 172, 22).disc((30, 30, 30), 176, 172, 22).soft()),
        ("sailboat on the sea", Paper().band(sky, 0, 140).band(water, 140, 256).shape(brown, (80, 150), (180, 150), (160, 182), (100, 182))
         .shape((250, 250, 250), (128, 50), (128, 145), (180, 145)).soft()),
        ("night sky, moon, snowy hills", Paper().band((25, 30, 80), 0, 150).disc((245, 240, 200), 70, 55, 24).band((225, 232, 242), 150, 256).soft()),
        ("cat face", Paper().disc((240, 170, 60), 128, 140, 72).shape((240, 170, 60), (64, 110), (72, 45), (118, 80)).shape((240, 170, 60), (192, 110), (184, 45), (138, 80)).soft()),
        ("palm tree on a beach", Paper().band(sky, 0, 110).band(water, 110, 160).band((240, 215, 150), 160, 256).line(brown, 14, (150, 195), (145, 80))
         .line((50, 150, 60), 18, (90, 80), (145, 60), (205, 85)).soft()),
        ("sea and meadow", Paper().line(water, 60, (40, 100), (215, 98)).line(grass, 60, (40, 160), (215, 162)).soft(2)),
        ("flower", Paper().line((60, 150, 60), 12, (128, 140), (128, 235)).disc((235, 80, 150), 128, 95, 52).disc((255, 215, 50), 128, 95, 18).soft()),
    ]


class Painter:
    """The folder's parts and the few-step loop."""

    def __init__(self, folder):
        load = {"dtype": torch.float32}
        self.vae = AutoencoderTiny.from_pretrained(folder / "vae", **load).to(DEVICE).eval()
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet", **load).to(DEVICE, memory_format=torch.channels_last).eval()
        self.text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).to(DEVICE).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.scheduler = LCMScheduler.from_pretrained(folder / "scheduler")

    def words(self, texts):
        ids = self.tokenizer(texts, padding="max_length", truncation=True, max_length=32, return_tensors="pt").input_ids
        return self.text(input_ids=ids.to(DEVICE)).last_hidden_state

    @torch.no_grad()
    def paint(self, pixels, prompts, steps, guidance, seed=1):
        """Sketches (N, S, S, 3) in bytes, or None for none, to pictures of the same shape."""
        count = len(prompts)
        if pixels is not None:
            sketch = torch.from_numpy(np.ascontiguousarray(pixels)).to(DEVICE).permute(0, 3, 1, 2).float() / 127.5 - 1
            sketch = self.vae.encode(sketch).latents
        else:
            sketch = torch.zeros(count, LATENT_CHANNELS, 16, 16, device=DEVICE)
        words, empty = self.words(prompts), self.words([""] * count)
        generator = torch.Generator().manual_seed(seed)
        latents = torch.randn(1, *sketch.shape[1:], generator=generator).expand(count, -1, -1, -1).to(DEVICE)
        self.scheduler.set_timesteps(steps)
        for time in self.scheduler.timesteps:
            inputs = torch.cat([latents, sketch], 1)
            if guidance > 1:
                made = self.unet(torch.cat([inputs, inputs]), time, encoder_hidden_states=torch.cat([empty, words])).sample
                without, having = made.chunk(2)
                made = without + guidance * (having - without)
            else:
                made = self.unet(inputs, time, encoder_hidden_states=words).sample
            result = self.scheduler.step(made, time, latents, generator=generator)
            latents = result.prev_sample
        decoded = self.vae.decode(result.denoised).sample.clamp(-1, 1)
        return ((decoded.permute(0, 2, 3, 1).cpu().numpy() + 1) * 127.5 + 0.5).astype(np.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--folder", type=Path, default=MODEL)
    parser.add_argument("--guidance", type=float, action="append")
    parser.add_argument("--steps", type=int, action="append")
    parser.add_argument("--size", type=int, default=256, help="pixels at which the model paints")
    parser.add_argument("--side", type=int, default=112, help="pixels of each picture on the sheet")
    parser.add_argument("--halves", type=int, default=2, help="pairs of columns side by side")
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    painter, examples = Painter(options.folder), drawings()
    prompts, sketches = [prompt for prompt, _ in examples], np.stack([pixels for _, pixels in examples])
    if options.size != sketches.shape[1]:
        sketches = np.stack([cv2.resize(pixels, (options.size, options.size), interpolation=cv2.INTER_AREA) for pixels in sketches])
    columns = [sketches]
    for guidance in options.guidance or [2.0]:
        for steps in options.steps or [1, 2, 4]:
            parts = [painter.paint(sketches[start : start + 7], prompts[start : start + 7], steps, guidance) for start in range(0, len(prompts), 7)]
            columns.append(np.concatenate(parts))
    rows = [np.concatenate([cv2.resize(column[row], (options.side, options.side), interpolation=cv2.INTER_AREA) for column in columns], 1) for row in range(len(prompts))]
    half = -(-len(rows) // options.halves)
    stacks = [np.concatenate(rows[start : start + half]) for start in range(0, len(rows), half)]
    gap = np.full((stacks[0].shape[0], 12, 3), 255, np.uint8)
    sheet = np.concatenate([part for stack in stacks for part in (stack, gap)][:-1], 1)
    Image.fromarray(sheet).quantize(192).save(options.output, optimize=True)
