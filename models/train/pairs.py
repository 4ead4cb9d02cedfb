"""What the UNet learns from: latents of pictures with a sketch and words for each."""

import cv2
import numpy as np
import torch

from autoencoder import load_autoencoder
from data import FOLDER, chunk_plain
from latents import encode_pictures
from settings import DEVICE, SIZE

NO_WORDS = 0.1
#: How often the words alone tell what to paint.
NO_SKETCH = 0.2
#: Latents along the side of a batch, and how often: a canvas shows the model windows of all sizes.
SIDES, SIDE_SHARES = (16, 12, 8), (0.8, 0.1, 0.1)


class Pairs:
    """Random batches from all the chunks encoded so far."""

    def __init__(self, seed):
        self.random, self.chunks = np.random.default_rng(seed), {}
        #: Chunk and row of every scene, and of those that words alone should make.
        self.all, self.plain = [], []
        self.no_words = np.load(FOLDER / "no-words.npy")[0]
        self.sheet = encode_pictures(load_autoencoder(), np.full((1, SIZE, SIZE, 3), 255, np.uint8), 1)[0]
        self.look()

    def look(self):
        """Takes in chunks that appeared since; chunk 0 is held out."""
        for path in sorted(FOLDER.glob("latents-*.npy")):
            number = path.stem.split("-")[-1]
            if number == "000" or number in self.chunks or not (FOLDER / f"words-{number}.npy").exists():
                continue
            latents = np.load(path)
            self.chunks[number] = latents, np.load(FOLDER / f"words-{number}.npy")
            for row, plain in enumerate(chunk_plain(path)):
                self.all.append((number, row))
                if plain:
                    self.plain.append((number, row))

    def shown(self, latents):
        """Where latents differ from the white sheet's."""
        return np.abs(latents - self.sheet).max(-3) > 0.5

    def moved(self, latents):
        """A thing on white and its sketch, laid on another place of the sheet; a landscape stays as it is."""
        side = latents.shape[-1]
        shown = self.shown(latents)
        if shown[0][[0, 0, -1, -1], [0, -1, 0, -1]].any() or not shown[0].any():
            return latents
        by = self.random.integers(-(side // 8), side // 8 + 1, size=2).tolist()
        reach = cv2.dilate(shown.any(0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        laid = np.repeat(self.sheet[None], len(latents), 0)
        rows, columns = np.nonzero(reach)
        keep = (0 <= rows + by[0]) & (rows + by[0] < side) & (0 <= columns + by[1]) & (columns + by[1] < side)
        rows, columns = rows[keep], columns[keep]
        laid[..., rows + by[0], columns + by[1]] = latents[..., rows, columns]
        return laid

    def cropped(self, latents, side):
        """A square part of a picture and its sketch, as windows on a canvas show it."""
        top, left = self.random.integers(latents.shape[-1] - side + 1, size=2)
        return latents[..., top : top + side, left : left + side]

    def pick(self, sketched):
        """One picture with one of its sketches, and its words."""
        chosen = self.all if sketched else self.plain
        name, row = chosen[self.random.integers(len(chosen))]
        latents, words = self.chunks[name]
        pair = latents[row][[0, self.random.integers(1, latents.shape[1])]]
        return self.moved(pair) if sketched else pair, words[row]

    def batch(self, count):
        """Pictures, sketches and words as tensors, with sketches and words left out now and then."""
        rows, side = [], int(self.random.choice(SIDES, p=SIDE_SHARES))
        for _ in range(count):
            sketched = self.random.random() >= NO_SKETCH
            pair, words = self.pick(sketched)
            pair = self.cropped(pair, side)
            rows.append((pair[0], pair[1] * sketched, words if self.random.random() >= NO_WORDS else self.no_words))
        return [torch.from_numpy(np.stack(column)).float().to(DEVICE) for column in zip(*rows)]
