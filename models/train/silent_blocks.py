"""Takes the weights out of blocks of the autoencoder that never say anything.

A block of AutoencoderTiny adds three convolutions to what it is given. Where the last ReLU inside never lets anything
through, they add the last bias and nothing else. Its weights are made zeros then, which changes no picture, and a server
that looks at them can leave the block's convolutions out. Run it after export.py: it rewrites the folder's `vae`.
"""

import numpy as np
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file

from autoencoder import to_tensor
from blocks import loudest
from data import FOLDER
from settings import MODEL, replace_file

#: A ReLU counts as silent when everything that came to it was below this.
MARGIN = -0.02


def images():
    """Batches (N, 3, H, W) in -1 to 1: held-out pictures and sketches, flat colours, and noise of every kind."""
    pictures = np.load(FOLDER / "pictures-000.npy", mmap_mode="r")
    for start in range(0, 96, 4):
        yield to_tensor(pictures[start : start + 4].reshape(-1, *pictures.shape[2:]))
    generator = torch.Generator().manual_seed(5)
    rand = lambda *shape: 2 * torch.rand(*shape, generator=generator) - 1
    yield rand(64, 3, 1, 1).expand(64, 3, 64, 64)
    yield rand(4, 3, 128, 128)
    yield rand(4, 3, 128, 128).sign()
    yield torch.nn.functional.interpolate(rand(4, 3, 16, 16), scale_factor=8)
    yield rand(8, 3, 1, 128).expand(8, 3, 128, 128).sign()


@torch.no_grad()
def outputs(network):
    """What the network makes of every batch."""
    made = []
    for batch in images():
        latents = network.encode(batch).latents
        shaken = latents + 0.5 * torch.randn(latents.shape, generator=torch.Generator().manual_seed(7))
        made += [latents, network.decode(latents).sample, network.decode(shaken).sample]
    return made


if __name__ == "__main__":
    path = MODEL / "vae" / "diffusion_pytorch_model.safetensors"
    network = AutoencoderTiny.from_pretrained(MODEL / "vae", dtype=torch.float32).eval()
    before = []
    greatest = loudest(network, lambda: before.extend(outputs(network)))
    weights = load_file(path)
    silent = [f"{name}.conv.4.weight" for name, value in greatest.items() if value < MARGIN]
    for name, value in greatest.items():
        print(f"{name:24} {value:8.3f}{'  silent' if value < MARGIN else ''}")
    for name in silent:
        weights[name].zero_()
        network.get_parameter(name).data.zero_()
    after = outputs(network)
    assert all(torch.equal(one, other) for one, other in zip(before, after)), "a block said something after all"
    replace_file(path, lambda part: save_file(weights, part, metadata={"format": "pt"}))
    print(f"{len(silent)} of {len(greatest)} blocks are silent")
