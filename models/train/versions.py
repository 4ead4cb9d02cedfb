"""Paints the same sketches with several versions of the model, for docs/model-versions.md.

    python versions.py "b3cea81=version 1~" "ad1a7ab=version 2~" "8123749=version 3~" "8123749=version 3, no noise"

Each is a commit or a folder with its title. A title that ends in `~` stands for a version from before variation, which was
sampled with all of its noise.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from drawings import landscapes, objects, objects_in_landscapes
from painter import Painter
from settings import DEVICE
from sheets import labelled, save, sheet

ROOT = Path(__file__).resolve().parents[2]
PLACE = "models/storybook"
STEPS, SIDE = 2, 160


def six_sketches():
    """Two of each kind of the sketches painted by hand."""
    return [landscapes()[2], landscapes()[7], objects()[2], objects()[3], objects_in_landscapes()[0], objects_in_landscapes()[2]]


def painted_by(version, prompts, sketches, variation):
    """What a commit's model, or a folder's, makes of the sketches."""
    with tempfile.TemporaryDirectory() as unpacked:
        folder = Path(version)
        if not folder.is_dir():
            archive = subprocess.run(["git", "-C", ROOT, "archive", version, PLACE], check=True, capture_output=True).stdout
            subprocess.run(["tar", "-x", "-C", unpacked], check=True, input=archive)
            folder = Path(unpacked, PLACE)
        return Painter(folder).paint(sketches, prompts, STEPS, variation=variation)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", metavar="COMMIT=TITLE", help="or FOLDER=TITLE")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "model-versions.png")
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    prompts, sketches = zip(*six_sketches())
    columns = [("sketch", [labelled(prompt, [sketch], SIDE) for prompt, sketch in zip(prompts, sketches)])]
    for version in options.versions:
        name, title = version.rsplit("=", 1)
        made = painted_by(name, list(prompts), np.stack(sketches), 1.0 if title.endswith("~") else 0.0)
        columns.append((title.rstrip("~"), [labelled("", [picture], SIDE) for picture in made]))
    save(sheet(columns), options.out)
