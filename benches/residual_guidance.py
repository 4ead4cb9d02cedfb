"""Measures residual guidance (StreamDiffusion, arXiv 2312.12491) against plain classifier-free guidance in few steps.

    python benches/residual_guidance.py [--seeds 2] [--scales 1.25,1.5,2] [--steps 2,4] [--asked words,sketches] [--delta 1] [--json FILE]

The bundled model paints the model card's 64 prompts from words alone and its 32 sketches, and the bundled CLIP says how
well each picture fits its words (CLIP score: 100 cosine). Guidance pulls the prompt's output away from another one, which

- `plain` asks the UNet for with the empty prompt, at every step: two rows a step;
- `self-negative` makes up: the noise that would be left if the picture were the sketch (zeros for words alone): one row;
- `one-time-negative` makes up from the image that the UNet saw with the empty prompt in the first step: one row, and one more
  in the first step.

`delta` scales the made-up noise, as in the paper. Rows are what a picture costs: what the UNet does for one row once.
Needs what `models/train` needs: torch, diffusers, transformers, numpy and opencv.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "models" / "train"))

from drawings import landscapes, objects, objects_in_landscapes
from painter import Painter
from prompts import groups
from scores import Clip
from settings import DEVICE, SIZE

METHODS = ("plain", "self-negative", "one-time-negative")


class Guided(Painter):
    """The few-step loop, with guidance of each kind."""

    method, delta = "plain", 1.0

    @torch.no_grad()
    def _paint(self, pixels, prompts, steps, guidance, many, generators):
        if guidance <= 1 or self.method == "plain":
            return super()._paint(pixels, prompts, steps, guidance, many, generators)
        words, empty = self.words(prompts), self.words([""]).expand(len(prompts), -1, -1)
        side, channels = SIZE // 16, self.unet.config.out_channels
        sketch = torch.zeros(len(prompts), channels, side, side, device=DEVICE) if pixels is None else self.encode(pixels)
        latents = torch.stack([torch.randn(sketch.shape[1:], generator=generator) for generator in generators]).to(DEVICE)
        scheduler, negative = self.few_steps, sketch
        scheduler.set_timesteps(steps)
        for index, timestep in enumerate(scheduler.timesteps):
            alpha = scheduler.alphas_cumprod[timestep]
            signal, deviation = alpha.sqrt(), (1 - alpha).sqrt()
            inputs = torch.cat([latents, sketch], 1)
            having = self.unet(inputs, timestep, encoder_hidden_states=words).sample
            if self.method == "one-time-negative" and index == 0:
                without = self.unet(inputs, timestep, encoder_hidden_states=empty).sample
                negative = signal * latents - deviation * without
            # The UNet predicts v: to its noise and back.
            noise = self.delta * (latents - signal * negative) / deviation
            noise = noise + guidance * (deviation * latents + signal * having - noise)
            made = (noise - deviation * latents) / signal
            latents = scheduler.step(made, timestep, latents, generator=generators).prev_sample
        return self.decode(latents)


def rows(method, steps, guidance):
    """Rows of the UNet that a picture takes."""
    if guidance <= 1:
        return steps
    return {"plain": 2 * steps, "self-negative": steps, "one-time-negative": steps + 1}[method]


def figure(name, steps, scale, method, found, plain, unguided):
    """The figures of one setting. Differences are those of the same prompts and noise: they vary much less than the scores."""
    mean_and_error = lambda values: (float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5))
    return dict(asked=name, steps=steps, guidance_scale=scale, method=method, rows=rows(method, steps, scale),
                clip_score=float(found.mean()), against_none=mean_and_error(found - unguided), against_plain=mean_and_error(found - plain))


def row(figure):
    """A row of the table."""
    signed = lambda pair: "{:+.2f} ± {:.2f}".format(*pair)
    return "| {asked} | {steps} | {guidance_scale:g} | {method} | {rows} | {clip_score:.1f} | ".format(**figure) + (
        f"{signed(figure['against_none'])} | {signed(figure['against_plain'])} |")


def main():
    numbers = lambda kind: lambda text: [kind(part) for part in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--scales", type=numbers(float), default=[1.25, 1.5, 2.0])
    parser.add_argument("--steps", type=numbers(int), default=[2, 4])
    parser.add_argument("--asked", type=numbers(str), default=["words", "sketches"])
    parser.add_argument("--delta", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    painter, clip = Guided(ROOT / "models" / "storybook"), Clip(ROOT / "models" / "storybook-clip")
    painter.delta = options.delta
    words = [prompt for group in groups().values() for prompt in group]
    texts, sketches = zip(*(example for some in (landscapes, objects, objects_in_landscapes) for example in some()))
    asked = {"words": (words, None), "sketches": (list(texts), np.stack(sketches))}
    said = {name: clip.said(prompts) for name, (prompts, _) in asked.items()}

    def scores(name, method, steps, scale):
        """The CLIP score of each prompt and seed."""
        painter.method = method
        prompts, pixels = asked[name]
        made = [painter.paint(pixels, prompts, steps, guidance=scale, seed=seed) for seed in range(options.seeds)]
        return np.concatenate([100 * (clip.seen(pictures) * said[name]).sum(-1) for pictures in made])

    print("| | steps | guidance_scale | method | rows | CLIP score | against none | against plain |\n|---|---|---|---|---|---|---|---|")
    figures = []
    for name in options.asked:
        for steps in options.steps:
            unguided = scores(name, "plain", steps, 1.0)
            runs = [(1.0, "none", unguided, unguided)]
            for scale in options.scales:
                plain = scores(name, "plain", steps, scale)
                for method in METHODS:
                    runs.append((scale, method, plain if method == "plain" else scores(name, method, steps, scale), plain))
                for run in runs:
                    figures.append(figure(name, steps, *run, unguided))
                    print(row(figures[-1]), flush=True)
                runs = []
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
