"""Encodes the pictures and sketches of every chunk with the trained autoencoder, and their captions.

Chunk 0 is held out. A chunk's latents lie beside it as half-precision numbers; chunks that are done are not done again.
"""

import sys

import numpy as np
import torch

from autoencoder import load_autoencoder, to_tensor
from data import FOLDER, chunk_captions, chunk_paths
from precision import fast
from settings import DEVICE, replace_file
from text_encoder import embed, load_text_encoder
from tokenizer import load_tokenizer

#: Few at once: their many pixels should stay in the caches.
BATCH = 64 if DEVICE.type == "cuda" else 2


@torch.no_grad()
def encode_pictures(network, pictures, batch):
    """Bytes (N, S, S, 3) to latents (N, 32, S/16, S/16)."""
    parts = []
    for start in range(0, len(pictures), batch):
        with fast():
            parts.append(network.encode(to_tensor(pictures[start : start + batch])).latents.half().cpu().contiguous())
    return torch.cat(parts).numpy()


def encode_chunk(network, path):
    """Writes latents-NUMBER.npy: for each scene its picture's latents, then its sketches'."""
    target = FOLDER / path.name.replace("pictures", "latents")
    if target.exists():
        return False
    pictures = np.load(path, mmap_mode="r")
    latents = encode_pictures(network, pictures.reshape(-1, *pictures.shape[2:]), BATCH)
    latents = latents.reshape(*pictures.shape[:2], *latents.shape[1:])
    replace_file(target, lambda part: np.save(open(part, "wb"), latents))
    return True


def encode_captions():
    """Writes words-NUMBER.npy for every chunk: the captions' hidden states."""
    tokenizer, network = load_tokenizer(), load_text_encoder()
    for path in chunk_paths():
        target = FOLDER / f"words-{path.stem.split('-')[1]}.npy"
        if not target.exists():
            words = embed(tokenizer, network, chunk_captions(path)).cpu().numpy()
            replace_file(target, lambda part: np.save(open(part, "wb"), words))
    target = FOLDER / "no-words.npy"
    if not target.exists():
        replace_file(target, lambda part: np.save(open(part, "wb"), embed(tokenizer, network, [""]).cpu().numpy()))


if __name__ == "__main__":
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    workers, worker = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (1, 0)
    if worker == 0:
        encode_captions()
    network = load_autoencoder()
    for path in chunk_paths()[1 + worker :: workers]:
        if encode_chunk(network, path):
            print("encoded", path.stem, flush=True)
