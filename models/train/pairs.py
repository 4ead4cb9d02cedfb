"""What the UNet learns from: latents of pictures with a sketch and words for each."""

import numpy as np
import torch
from torch.nn import functional

from autoencoder import load_autoencoder
from data import FOLDER, chunk_plain
from latents import encode_pictures
from settings import DEVICE, SIZE

NO_WORDS = 0.1
#: How often the words alone tell what to paint.
NO_SKETCH = 0.45
#: How often a batch sees parts of its pictures, and their possible sides in latents: a canvas shows the model windows of
#: all sizes, most of them not square.
PART_SHARE, PART_SIDES = 0.3, (8, 12, 16)
#: How often a thing's sketch comes with another thing and its words: of so many plain ones the one most like the sketch.
#: Sketches that always fit teach the network to read them and to pass over the words.
OTHER_SHARE, OTHER_CHOICE = 0.15, 24


class Pairs:
    """Random batches from all the chunks encoded so far, made where the training runs."""

    def __init__(self, seed, worker=0):
        self.random = torch.Generator(DEVICE).manual_seed(2 * seed + 1_000_003 * worker)
        #: The same in all workers: they wait for one another, so their batches should be of one size.
        self.sizes = np.random.default_rng(seed)
        self.no_words = torch.from_numpy(np.load(FOLDER / "no-words.npy")[0]).to(DEVICE)
        sheet = encode_pictures(load_autoencoder(), np.full((1, SIZE, SIZE, 3), 255, np.uint8), 1)[0]
        self.sheet = torch.from_numpy(sheet).to(DEVICE)
        self.known = set()
        #: Latents (N, 1 + sketches, C, H, W) of pictures and their sketches, hidden states of their words (N, T, D), and
        #: which of them words alone should make.
        self.latents, self.words, self.plain = [], [], []
        self.look()

    def __len__(self):
        return len(self.words)

    def look(self):
        """Takes in chunks that appeared since; chunk 0 is held out."""
        latents, words, plain = [self.latents], [self.words], [self.plain]
        for path in sorted(FOLDER.glob("latents-*.npy")):
            number = path.stem.split("-")[-1]
            if number == "000" or number in self.known or not (FOLDER / f"words-{number}.npy").exists():
                continue
            self.known.add(number)
            latents.append(torch.from_numpy(np.load(path)).to(DEVICE))
            words.append(torch.from_numpy(np.load(FOLDER / f"words-{number}.npy")).to(DEVICE))
            plain.append(torch.tensor(chunk_plain(path), device=DEVICE))
        if len(latents) > 1:
            self.latents, self.words, self.plain = (torch.cat([part for part in parts if len(part)]) for parts in (latents, words, plain))
            self.plain_rows = self.plain.nonzero()[:, 0]

    def uniform(self, *shape):
        return torch.rand(*shape, generator=self.random, device=DEVICE)

    def whole(self, low, high, *shape):
        return torch.randint(low, high, shape, generator=self.random, device=DEVICE)

    def moved(self, pairs):
        """Things on white and their sketches, laid on other places of the sheet; landscapes stay as they are.

        `pairs` are (N, 2, C, H, W), the picture before its sketch.
        """
        count, side = len(pairs), pairs.shape[-1]
        shown = (pairs - self.sheet).abs().amax(2) > 0.5
        picture = shown[:, 0]
        edge = picture[:, 0, 0] | picture[:, 0, -1] | picture[:, -1, 0] | picture[:, -1, -1]
        stays = (edge | ~picture.flatten(1).any(1))[:, None]
        by = self.whole(-(side // 8), side // 8 + 1, count, 2).masked_fill(stays, 0)
        # Where each place of the sheet takes its latents from; the sheet's own where that lies outside the thing.
        reach = functional.max_pool2d(shown.any(1).float()[:, None], 3, 1, 1)[:, 0] > 0
        places = torch.arange(side, device=DEVICE)
        rows, columns = places - by[:, :1], places - by[:, 1:]
        inside = ((0 <= rows) & (rows < side))[:, :, None] & ((0 <= columns) & (columns < side))[:, None]
        rows, columns = rows.clamp(0, side - 1), columns.clamp(0, side - 1)
        reach = taken_from(reach[:, None, None], rows, columns)[:, 0, 0]
        inside &= reach | stays[:, :, None]
        return torch.where(inside[:, None, None], taken_from(pairs, rows, columns), self.sheet)

    def parts(self, pairs, height, width):
        """Parts of pictures and their sketches, as windows on a canvas show them."""
        top, left = (self.whole(0, pairs.shape[-1] - side + 1, len(pairs), 1) for side in (height, width))
        return taken_from(pairs, top + torch.arange(height, device=DEVICE), left + torch.arange(width, device=DEVICE))

    def others(self, rows, sketches, is_sketched):
        """The rows, some of those that show a thing on white exchanged for another thing that fits the sketch."""
        candidates = self.plain_rows[self.whole(0, len(self.plain_rows), len(rows), OTHER_CHOICE)]
        pictures = self.latents[candidates, 0].float()
        nearest = (pictures - sketches[:, None].float()).square().flatten(2).mean(2).argmin(1)
        other = candidates.gather(1, nearest[:, None])[:, 0]
        on_white = (self.latents[rows, 0, :, 0, 0] - self.sheet[:, 0, 0]).abs().amax(1) < 0.5
        is_other = is_sketched & on_white & (self.uniform(len(rows)) < OTHER_SHARE)
        return torch.where(is_other, other, rows)

    def batch(self, count):
        """Pictures (N, C, H, W), sketches and words, with sketches and words left out now and then."""
        is_sketched = self.uniform(count) >= NO_SKETCH
        rows = torch.where(is_sketched, self.whole(0, len(self), count), self.plain_rows[self.whole(0, len(self.plain_rows), count)])
        sketch = self.whole(1, self.latents.shape[1], count)
        pairs = torch.stack([self.latents[rows, 0], self.latents[rows, sketch]], 1)
        rows = self.others(rows, pairs[:, 1], is_sketched)
        pairs[:, 0] = self.latents[rows, 0]
        is_sketched = is_sketched[:, None, None, None]
        pairs = torch.where(is_sketched[:, None], self.moved(pairs), pairs)
        if self.sizes.random() < PART_SHARE:
            pairs = self.parts(pairs, *self.sizes.choice(PART_SIDES, 2).tolist())
        words = torch.where((self.uniform(count) >= NO_WORDS)[:, None, None], self.words[rows], self.no_words)
        return pairs[:, 0].float(), pairs[:, 1].float() * is_sketched, words.float()


def taken_from(latents, rows, columns):
    """From each of (N, M, C, H, W) its own rows (N, h) and columns (N, w): (N, M, C, h, w)."""
    each = torch.arange(len(latents), device=latents.device)[:, None, None]
    return latents[each, :, :, rows[:, :, None], columns[:, None]].permute(0, 3, 4, 1, 2)
