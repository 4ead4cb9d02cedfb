"""What the UNet learns from: latents of pictures with a sketch and words for each."""

import cv2
import numpy as np
import torch

from autoencoder import load_autoencoder
from concepts import FIRST, STARTERS, is_one_of
from data import FOLDER, chunk_captions
from latents import encode_pictures
from settings import DEVICE, SIZE

NO_WORDS = 0.1
#: How often the words alone tell what to paint.
NO_SKETCH = 0.15
#: Shares of a batch: single things of concepts.STARTERS, those of concepts.FIRST, landscapes; the rest from all chunks.
#: Little time teaches few things.
STARTER_SHARE, FIRST_SHARE, LANDSCAPE_SHARE = 0.5, 0.1, 0.3
#: Latents along the side of a batch, and how often: a canvas shows the model windows of all sizes.
SIDES, SIDE_SHARES = (16, 12, 8), (0.8, 0.1, 0.1)


class Pairs:
    """Random batches from all the chunks encoded so far."""

    def __init__(self, seed):
        self.random, self.chunks = np.random.default_rng(seed), {}
        self.starters, self.first, self.landscapes = [], [], []
        #: Those of the first two that fill their sheet: what words alone should make.
        self.starters_alone, self.first_alone = [], []
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
            for row, caption in enumerate(chunk_captions(path)):
                if self.shown(latents[row, 0])[[0, 0, -1, -1], [0, -1, 0, -1]].all():
                    self.landscapes.append((number, row))
                alone = self.extent(latents[row, 0]) > 0.75
                for labels, some, some_alone in ((STARTERS, self.starters, self.starters_alone), (FIRST, self.first, self.first_alone)):
                    if is_one_of(labels, caption):
                        some.append((number, row))
                        if alone:
                            some_alone.append((number, row))

    def shown(self, latents):
        """Where latents differ from the white sheet's."""
        return np.abs(latents - self.sheet).max(-3) > 0.5

    def extent(self, picture):
        """How much of the sheet's side the thing on it takes, 0 to 1."""
        shown = self.shown(picture)
        return max((np.ptp(np.flatnonzero(shown.any(axis))) + 1) / len(shown) if shown.any() else 0.0 for axis in (0, 1))

    def moved(self, latents, centred):
        """A thing on white and its sketch, laid on another place of the sheet: anywhere near, or in the middle.

        Where nobody says where, a thing belongs in the middle; what words alone make is sharp only if it is always there.
        """
        side = latents.shape[-1]
        shown = self.shown(latents)
        places = [np.flatnonzero(shown[0].any(axis)) for axis in (1, 0)]
        if not len(places[0]):
            return latents
        if centred:
            by = [(side - 1 - int(place[0] + place[-1])) // 2 for place in places]
        else:
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
        share = self.random.random()
        single = share < STARTER_SHARE + FIRST_SHARE
        if share < STARTER_SHARE:
            chosen = self.starters if sketched else self.starters_alone
        elif single:
            chosen = self.first if sketched else self.first_alone
        elif share < STARTER_SHARE + FIRST_SHARE + LANDSCAPE_SHARE:
            chosen = self.landscapes
        else:
            name = self.random.choice(sorted(self.chunks))
            chosen = [(name, self.random.integers(len(self.chunks[name][0])))]
        name, index = chosen[self.random.integers(len(chosen))]
        latents, words = self.chunks[name]
        pair = latents[index][[0, self.random.integers(1, latents.shape[1])]]
        return self.moved(pair, centred=not sketched) if single else pair, words[index]

    def batch(self, count):
        """Pictures, sketches and words as tensors, with sketches and words left out now and then."""
        rows, side = [], int(self.random.choice(SIDES, p=SIDE_SHARES))
        for _ in range(count):
            sketched = self.random.random() >= NO_SKETCH
            pair, words = self.pick(sketched)
            pair = self.cropped(pair, side)
            rows.append((pair[0], pair[1] * sketched, words if self.random.random() >= NO_WORDS else self.no_words))
        return [torch.from_numpy(np.stack(column)).float().to(DEVICE) for column in zip(*rows)]
