"""Trains the UNet: noise latents and sketch latents in, v out, told by the caption's words.

First at 128 x 128, then at 256 x 256. High noise comes often, as the product starts from pure noise and takes one
to four steps. The sketch is left out (zeros) in some samples and the words in others.
"""

import sys
import time

import cv2
import numpy as np
import torch

from architecture import make_scheduler, make_unet
from autoencoder import load_autoencoder
from concepts import FIRST, STARTERS, is_one_of
from data import CHUNKS, FOLDER, chunk_captions
from latents import encode_pictures
from muon import Muon
from settings import DEVICE, UNET_LARGE_MINUTES, UNET_SMALL_MINUTES, WORK, StopFlag, claim_pid, load_checkpoint, save_checkpoint
from team import WORKERS, run_team

CHECKPOINT = WORK / "unet.pt"
#: Muon's learning rate at the start and at the end of a phase; Adam, for the rest, takes a tenth.
RATES = {"small": (0.006, 0.002), "large": (0.012, 0.0)}
SIZES = {"small": 128, "large": 256}
BATCHES = {"small": 32, "large": 16}
AVERAGE_EVERY = 5
NO_WORDS = 0.1
#: How often the words alone tell what to paint.
NO_SKETCH = {"small": 0.15, "large": 0.15}
#: Where sampling starts, from noise alone. The schedule would leave a trace of the picture there, enough to read its
#: colours from, so that the network would trust it more than the sketch and the words (Lin et al., 2023).
FIRST_STEP = 999
#: The timesteps of the few-step sampler, which get a share of the samples of their own.
FEW_STEPS = (FIRST_STEP,) * 12 + (759, 499, 499, 259)
FEW_SHARE = 0.92
#: Shares of a batch: single things of concepts.FIRST, chunks of plain things and landscapes, and all chunks.
FIRST_SHARE, PLAIN_SHARE = 0.55, 0.4
#: The share of concepts.STARTERS among single things of concepts.FIRST.
STARTER_SHARE = 0.65


class Pairs:
    """Latents of pictures with their sketches and words, from all the chunks encoded so far."""

    def __init__(self, size, seed):
        self.size, self.random, self.chunks, self.first = size, np.random.default_rng(seed), {}, []
        self.starters = []
        #: Those of `first` that fill their sheet: what words alone should make.
        self.alone = []
        self.no_words = np.load(FOLDER / "no-words.npy")[0]
        white = np.full((1, SIZES[size], SIZES[size], 3), 255, np.uint8)
        self.sheet = encode_pictures(load_autoencoder(), white, 1)[0]
        self.look()

    def look(self):
        """Takes in chunks that appeared since; chunk 0 is held out."""
        for path in sorted(FOLDER.glob(f"latents-{self.size}-*.npy")):
            number = path.stem.split("-")[-1]
            if number != "000" and number not in self.chunks and (FOLDER / f"words-{number}.npy").exists():
                self.chunks[number] = (np.load(path), np.load(FOLDER / f"words-{number}.npy"))
                captions = list(enumerate(chunk_captions(path)))
                self.starters += [(number, row) for row, caption in captions if is_one_of(STARTERS, caption)]
                first = [(number, row) for row, caption in captions if is_one_of(FIRST, caption)]
                self.first += first
                self.alone += [(number, row) for number, row in first if self.extent(self.chunks[number][0][row, 0]) > 0.75]

    def extent(self, picture):
        """How much of the sheet's side the thing on it takes, 0 to 1."""
        shown = np.abs(picture - self.sheet).max(0) > 0.5
        return max((np.ptp(np.flatnonzero(shown.any(axis))) + 1) / len(shown) if shown.any() else 0.0 for axis in (0, 1))

    def moved(self, latents, centred):
        """A thing on white and its sketch, laid on another place of the sheet: anywhere near, or in the middle.

        Where nobody says where, a thing belongs in the middle; what words alone make is sharp only if it is always there.
        """
        side = latents.shape[-1]
        shown = np.abs(latents - self.sheet).max(1) > 0.5
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
        """A square part of a picture and its sketches, as windows on a canvas show it."""
        top, left = self.random.integers(latents.shape[-1] - side + 1, size=2)
        return latents[..., top : top + side, left : left + side]

    def batch(self, count, side=None):
        """Pictures, sketches and words as tensors, with sketches and words left out now and then; squares of `side` latents of them if it is given."""
        rows, names = [], sorted(self.chunks)
        plain = [name for name in names if int(name) >= CHUNKS] or names
        for _ in range(count):
            share, sketched = self.random.random(), self.random.random() >= NO_SKETCH[self.size]
            if share < FIRST_SHARE:
                chosen = self.starters if share < FIRST_SHARE * STARTER_SHARE else self.first if sketched else self.alone
                name, index = chosen[self.random.integers(len(chosen))]
            else:
                name = self.random.choice(plain if share < FIRST_SHARE + PLAIN_SHARE else names)
                index = self.random.integers(len(self.chunks[name][0]))
            latents, words = self.chunks[name]
            pair = latents[index][[0, self.random.integers(1, latents.shape[1])]]
            if share < FIRST_SHARE:
                pair = self.moved(pair, centred=not sketched)
            pair = self.cropped(pair, side) if side else pair
            rows.append((pair[0], pair[1] * sketched, words[index] if self.random.random() >= NO_WORDS else self.no_words))
        pictures, sketches, words = (torch.from_numpy(np.stack(column)).float() for column in zip(*rows))
        return pictures.to(DEVICE), sketches.to(DEVICE), words.to(DEVICE)


def pick_timesteps(random, count):
    """Mostly the few-step sampler's; of the rest half uniform, half leaning towards noise."""
    uniform = random.random(count)
    steps = (1000 * np.where(random.random(count) < 0.5, uniform, 1 - (1 - uniform) ** 2 * 1.0)).astype(np.int64).clip(0, 999)
    few = random.random(count) < FEW_SHARE
    steps[few] = random.choice(FEW_STEPS, few.sum())
    return torch.from_numpy(steps).to(DEVICE)


def ends_and_inner(network):
    """The parameters that Adam moves, and the matrices inside, which Muon moves."""
    ends = [p for name, p in network.named_parameters() if p.ndim < 2 or name.startswith(("conv_in", "conv_out", "time_emb"))]
    return ends, [p for p in network.parameters() if all(p is not end for end in ends)]


def train(team, size, minutes, key):
    """One phase of training, until its time box is used up; `key` names its clock in the checkpoint."""
    state = load_checkpoint(CHECKPOINT) or {"step": 0, "seconds": {}}
    torch.manual_seed(17)
    network = make_unet().to(DEVICE, memory_format=torch.channels_last)
    parameters = list(network.parameters())
    ends, inner = ends_and_inner(network)
    optimizers = [Muon(inner, team=team), torch.optim.AdamW(ends, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]
    average = {name: value.clone() for name, value in network.state_dict().items()}
    if state["step"]:
        network.load_state_dict(state["network"])
        optimizers[1].load_state_dict(state["optimizer"])
        average = state["average"]
    clocks, step, stop = dict(state["seconds"]), state["step"], StopFlag()
    seconds, started = clocks.get(key, 0.0), step
    torch.manual_seed(step * 100 + team.rank)
    pairs = Pairs(size, step * 100 + team.rank)
    signal = make_scheduler().alphas_cumprod.to(DEVICE)
    last = saved = time.time()
    loss_mean, done = 0.0, seconds >= minutes * 60
    while not done:
        share = team.agree(1_000_000 * seconds / (minutes * 60)) / 1_000_000
        first, final = RATES[size]
        rate = (first + (final - first) * min(1.0, share)) * min(1, (step + 1) / 100)
        for optimizer, base in zip(optimizers, (1.0, 0.1)):
            for group in optimizer.param_groups:
                group["lr"] = rate * base
        pictures, sketches, words = pairs.batch(BATCHES[size] // WORKERS)
        times = pick_timesteps(pairs.random, len(pictures))
        noise = torch.randn_like(pictures)
        root, rest = signal[times].sqrt()[:, None, None, None], (1 - signal[times]).sqrt()[:, None, None, None]
        sample = torch.where((times == FIRST_STEP)[:, None, None, None], noise, root * pictures + rest * noise)
        inputs = torch.cat([sample, sketches], 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            made = network(inputs, times, encoder_hidden_states=words).sample
        # The error of the picture, not of v, counts most where there is much noise: they are the same there.
        loss = (made.float() - (root * noise - rest * pictures)).square().mean()
        network.zero_grad()
        loss.backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        loss_mean += max(0.02, 1 / (step - started)) * (loss.item() - loss_mean)
        if step % 50 == 0:
            pairs.look()
        now = time.time()
        seconds, last = seconds + min(now - last, 20.0), now
        done = bool(team.agree(bool(stop) or seconds >= minutes * 60))
        if team.rank:
            continue
        if step % AVERAGE_EVERY == 0:
            for name, value in network.state_dict().items():
                average[name].lerp_(value, max(0.01, 1 / (1 + step / 8)) * AVERAGE_EVERY if step > 8 * AVERAGE_EVERY else 1.0)
        if step % 25 == 0:
            print(f"{size} step {step} {seconds / 60:.1f} min loss {loss_mean:.4f} rate {rate:.1e} scenes {250 * len(pairs.chunks)}")
        if done or now - saved > 90:
            clocks[key] = seconds
            save_checkpoint(CHECKPOINT, network=network.state_dict(), optimizer=optimizers[1].state_dict(), average=average, step=step, seconds=clocks)
            saved = now


if __name__ == "__main__":
    claim_pid()
    numbers = sum(p.numel() for p in make_unet().parameters())
    for size, minutes in (("small", UNET_SMALL_MINUTES), ("large", UNET_LARGE_MINUTES)):
        if not sys.argv[1:] or size in sys.argv[1:]:
            run_team(train, numbers, size, minutes, size)
            if load_checkpoint(CHECKPOINT)["seconds"].get(size, 0.0) < minutes * 60:
                break  # asked to stop
