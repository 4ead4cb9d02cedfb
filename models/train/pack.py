"""Packs into a small folder what the stages from data.py on need, for a machine with a GPU that reaches no package registry.

    python3 pack.py FOLDER            # here, after icons.py, text_encoder.py and autoencoder.py
    export IMPASTO_TRAIN_DIR=FOLDER   # there
    python3 data.py && python3 latents.py && python3 unet.py && python3 refine.py && python3 decoder.py && python3 export.py

Half precision and few photos: some 40 MB, and twice as much with `--unet`, to go on from a UNet.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from concepts import THINGS
from icons import SETS, render_all
from photos import load_photos
from settings import SIZE, WORK, load_checkpoint, save_checkpoint

#: Photos are three scenes in a hundred.
PHOTOS_KEPT = 24
PARTS = ("autoencoder.pt", "text_encoder.pt")


def pack_icons(folder):
    """Only the drawings that scenes are composed of."""
    entries, icons = render_all()
    kept = [row for row, entry in enumerate(entries) if entry["style"] == SETS[0] and entry["label"] in THINGS]
    np.save(folder / "icons.npy", icons[kept])
    (folder / "icons.json").write_text(json.dumps([entries[row] for row in kept]))


def pack_photos(folder):
    """Some of the large pictures; the small ones are the autoencoder's."""
    large = [photo for photo in load_photos() if photo.shape[:2] != (SIZE, SIZE)]
    np.savez_compressed(folder / "photos.npz", *large[:: max(1, len(large) // PHOTOS_KEPT)][:PHOTOS_KEPT])


def pack_checkpoint(folder, name):
    """The averaged weights in half precision, with what says how far the stage is."""
    state = load_checkpoint(WORK / name)
    weights = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state["average"].items()}
    save_checkpoint(folder / name, network=weights, average=weights, step=state["step"], seconds=state["seconds"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unet", action="store_true", help="with the UNet's checkpoint")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    pack_icons(arguments.folder)
    pack_photos(arguments.folder)
    for part in PARTS + ("unet.pt",) * arguments.unet:
        pack_checkpoint(arguments.folder, part)
    shutil.copytree(WORK / "tokenizer", arguments.folder / "tokenizer", dirs_exist_ok=True)
    print(sum(path.stat().st_size for path in arguments.folder.rglob("*") if path.is_file()) >> 20, "MiB")
