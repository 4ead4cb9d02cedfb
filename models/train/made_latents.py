"""What the decoder learns from: latents that the few-step network makes, beside the pictures it should have made."""

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from architecture import LATENT_CHANNELS, make_unet
from data import FOLDER, chunk_plain
from denoiser import FIRST_STEP, Denoiser
from pairs import NO_SKETCH
from settings import DEVICE, MODEL, SIZE
from weights import newest_weights

#: The second of two steps.
SECOND = 499
#: Pixels to a side of one place of the latents, and places to a side.
CELL = 16
PLACES = SIZE // CELL


def load_denoiser():
    """The newest UNet, frozen: the last stage's, or the published one."""
    weights = newest_weights("unet")
    if weights is None:
        network = UNet2DConditionModel.from_pretrained(MODEL / "unet", dtype=torch.float32)
    else:
        network = make_unet()
        network.load_state_dict(weights)
    return Denoiser(network.to(DEVICE, memory_format=torch.channels_last).eval().requires_grad_(False))


@torch.no_grad()
def make_latents(denoiser, sketches, words):
    """What one step and two steps make without noise, as the product does: (N, 2, C, H, W)."""
    times = torch.full((len(sketches),), FIRST_STEP, device=DEVICE)
    first = denoiser.denoised(torch.zeros_like(sketches), sketches, times, words)
    times.fill_(SECOND)
    root, _ = denoiser.roots(times)
    return torch.stack([first, denoiser.denoised(root * first, sketches, times, words)], 1)


def example_latents(count):
    """True latents of some training pictures, the same ones in every worker."""
    path = next(path for path in sorted(FOLDER.glob("latents-*.npy")) if path.stem != "latents-000")
    return torch.from_numpy(np.array(np.load(path, mmap_mode="r")[:count, 0])).to(DEVICE).float()


class Pool:
    """Some training pictures with the latents that are made for them; new ones take the place of the oldest, since all
    sketches of all pictures would take longer to make than a short training lasts."""

    def __init__(self, denoiser, size, seed):
        self.random, self.denoiser, self.size = np.random.default_rng(seed), denoiser, size
        self.chunks = []
        for path in sorted(FOLDER.glob("pictures-*.npy")):
            number = path.stem.split("-")[-1]
            files = [FOLDER / f"{kind}-{number}.npy" for kind in ("pictures", "latents", "words")]
            # Chunk 0 is held out.
            if number != "000" and all(file.exists() for file in files):
                self.chunks.append([np.load(file, mmap_mode="r") for file in files] + [np.flatnonzero(chunk_plain(path))])
        if not self.chunks:
            raise SystemExit(f"There are no encoded pictures in {FOLDER}; run data.py and latents.py first.")
        self.next = 0
        self.pictures = np.zeros((size, SIZE, SIZE, 3), np.uint8)
        #: The picture's own latents, the sketch's (zeros where the words alone told), and what one step and two made.
        self.clean, self.sketches = (torch.zeros(size, LATENT_CHANNELS, PLACES, PLACES, device=DEVICE) for _ in range(2))
        self.made = torch.zeros(size, 2, LATENT_CHANNELS, PLACES, PLACES, device=DEVICE)

    def pick(self):
        """A picture's bytes, its latents, a sketch's and the words' hidden states."""
        pictures, latents, words, plain = self.chunks[self.random.integers(len(self.chunks))]
        alone = self.random.random() < NO_SKETCH and len(plain)
        row = self.random.choice(plain) if alone else self.random.integers(len(pictures))
        sketch = np.zeros_like(latents[row, 0]) if alone else latents[row, self.random.integers(1, latents.shape[1])]
        return pictures[row, 0], latents[row, 0], sketch, words[row]

    def renew(self, count):
        """Makes latents for `count` other pictures."""
        pictures, *parts = zip(*(self.pick() for _ in range(count)))
        clean, sketches, words = (torch.from_numpy(np.stack(part)).to(DEVICE).float() for part in parts)
        places = (self.next + np.arange(count)) % self.size
        self.pictures[places], self.clean[places], self.sketches[places] = np.stack(pictures), clean, sketches
        self.made[places] = make_latents(self.denoiser, sketches, words)
        self.next = (self.next + count) % self.size
