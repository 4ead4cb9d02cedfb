"""Measures how far the few-step pictures of a folder are from held-out ones, in latents: of its first step and its second.

    python errors.py                       # the published folder
    python errors.py --folder FOLDER --count 100
"""

import argparse
from pathlib import Path

import torch

from denoiser import FIRST_STEP, Denoiser
from figures import HeldOut
from painter import BATCH, Painter
from settings import DEVICE, MODEL

#: The second of two steps.
SECOND = 499


@torch.no_grad()
def step_errors(painter, pictures, sketches, captions, variation):
    """Mean squared errors of the first step's latents and the second's, with a sketch."""
    denoiser, totals = Denoiser(painter.unet), torch.zeros(2)
    generator = torch.Generator().manual_seed(1)
    for start in range(0, len(pictures), BATCH):
        some = slice(start, start + BATCH)
        wanted, sketch, words = painter.encode(pictures[some]), painter.encode(sketches[some]), painter.words(captions[some])
        noise = lambda: variation * torch.randn(wanted.shape, generator=generator).to(DEVICE)
        times = torch.full((len(wanted),), FIRST_STEP, device=DEVICE)
        first = denoiser.denoised(noise(), sketch, times, words)
        root, rest = denoiser.roots(times.fill_(SECOND))
        second = denoiser.denoised(root * first + rest * noise(), sketch, times, words)
        totals += torch.stack([(made - wanted).square().flatten(1).mean(1).sum().cpu() for made in (first, second)])
    return (totals / len(pictures)).tolist()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=MODEL, help="the diffusers folder")
    parser.add_argument("--count", type=int, default=64, help="held-out pictures to take")
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    held, painter = HeldOut(options.count), Painter(options.folder)
    for variation in (0.0, 1.0):
        first, second = step_errors(painter, held.pictures, held.sketches[:, 0], held.captions, variation)
        print(f"variation {variation:g}: first step {first:.4f}, second {second:.4f}")
