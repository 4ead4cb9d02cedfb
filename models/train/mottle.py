"""Measures mottle: how restless a picture is where its sketch is one flat colour.

    python mottle.py                      # the published folder, without noise
    python mottle.py --variation 1        # with the noise of diffusers' LCM sampling
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from drawings import landscapes, objects, objects_in_landscapes
from settings import DEVICE, MODEL

#: Pixels from an area's edge that do not count, the picture's own edge among them.
MARGIN = 22
#: Of the Gaussian blur that is subtracted, in pixels.
SIGMA = 8.0
#: Areas of fewer pixels, after the margin, are left out.
SMALLEST = 200
PAPER = (255, 255, 255)


def flat_areas(sketch):
    """Where a sketch (H, W, 3) is one colour, MARGIN from where it ceases to be: (mask, is bare paper) for each area."""
    codes = sketch.astype(np.int32) @ (65536, 256, 1)
    for code, count in zip(*np.unique(codes, return_counts=True)):
        if count < SMALLEST:
            continue
        same = np.pad((codes == code).astype(np.uint8), 1)
        inside = cv2.distanceTransform(same, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] > MARGIN
        count, places = cv2.connectedComponents(inside.astype(np.uint8))
        for index in range(1, count):
            mask = places == index
            if mask.sum() >= SMALLEST:
                yield mask, tuple(sketch[mask][0]) == PAPER


def mottle(pictures, sketches):
    """The standard deviation, of 255, of what is left of flat areas after subtracting a blur: its mean over areas and
    channels, for painted areas and for bare paper, and how many areas there are of each."""
    found = {"painted": [], "paper": []}
    for picture, sketch in zip(pictures, sketches):
        picture = picture.astype(np.float32)
        rest = picture - cv2.GaussianBlur(picture, (0, 0), SIGMA)
        for mask, is_paper in flat_areas(sketch):
            found["paper" if is_paper else "painted"].append(rest[mask].std(0).mean())
    return {kind: {"areas": len(some), "deviation": float(np.mean(some)) if some else None} for kind, some in found.items()}


def mottle_of_sketches(painter, steps, variation=0.0):
    """Of the 32 sketches painted by hand."""
    prompts, sketches = zip(*landscapes(), *objects(), *objects_in_landscapes())
    return mottle(painter.paint(np.stack(sketches), list(prompts), steps, variation=variation), sketches)


if __name__ == "__main__":
    from painter import Painter

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=MODEL, help="the diffusers folder")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--variation", type=float, default=0.0, help="0 to 1")
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    for kind, some in mottle_of_sketches(Painter(options.folder), options.steps, options.variation).items():
        print(f"{kind}: {some['areas']} areas" + (f", deviation {some['deviation']:.2f}" if some["areas"] else ""))
