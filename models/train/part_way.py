"""Puts the UNet between two others: an earlier one, and what training has made of it.

    python part_way.py BEFORE AFTER OUT --share 0.35

Between a network and what it was trained on to lie networks that keep more of what the first could do (Wortsman et al.,
Robust fine-tuning of zero-shot models, 2022). The folders are diffusers folders; all but the UNet comes from BEFORE.
"""

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from settings import replace_file

WEIGHTS = Path("unet", "diffusion_pytorch_model.safetensors")


def between(before, after, share):
    """Weights by name: `before` at a share of 0, `after` at 1."""
    return {name: before[name].float().lerp(after[name].float(), share).to(after[name].dtype) for name in after}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("out", type=Path, help="may be the folder BEFORE itself")
    parser.add_argument("--share", type=float, default=0.35, help="how far to go, 0 to 1")
    options = parser.parse_args()
    if options.out.resolve() != options.before.resolve():
        shutil.copytree(options.before, options.out, dirs_exist_ok=True)
    weights = between(load_file(options.before / WEIGHTS), load_file(options.after / WEIGHTS), options.share)
    replace_file(options.out / WEIGHTS, lambda path: save_file(weights, path, metadata={"format": "pt"}))
    (options.out / WEIGHTS).chmod(0o644)
