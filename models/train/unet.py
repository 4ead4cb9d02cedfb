"""Trains the UNet: noise latents and sketch latents in, v out, told by the caption's words.

First at 128 x 128, then at 256 x 256. High noise comes often, as the product starts from pure noise and takes one
to four steps. The sketch is left out (zeros) in some samples and the words in others.
"""

import sys
import time

import numpy as np
import torch

from architecture import LATENT_CHANNELS, make_scheduler, make_unet
from concepts import is_first
from data import CHUNKS, FOLDER, chunk_captions
from muon import Muon
from settings import DEVICE, UNET_LARGE_MINUTES, UNET_SMALL_MINUTES, WORK, StopFlag, claim_pid, load_checkpoint, save_checkpoint
from team import WORKERS, run_team

CHECKPOINT = WORK / "unet.pt"
#: Muon's learning rate at the start and at the end of a phase; Adam, for the rest, takes a tenth.
RATES = {"small": (0.025, 0.008), "large": (0.012, 0.0)}
BATCHES = {"small": 32, "large": 16}
AVERAGE_EVERY = 5
NO_SKETCH, NO_WORDS = 0.2, 0.1
#: Where sampling starts, from noise alone. The schedule would leave a trace of the picture there, enough to read its
#: colours from, so that the network would trust it more than the sketch and the words (Lin et al., 2023).
FIRST_STEP = 999
#: The timesteps of the few-step sampler, which get a share of the samples of their own.
FEW_STEPS = (FIRST_STEP,) * 4 + (759, 499, 499, 259)
FEW_SHARE = 0.8
#: Shares of a batch: single things of concepts.FIRST, chunks of plain things and landscapes, and all chunks.
FIRST_SHARE, PLAIN_SHARE = 0.4, 0.4


class Pairs:
    """Latents of pictures with their sketches and words, from all the chunks encoded so far."""

    def __init__(self, size, seed):
        self.size, self.random, self.chunks, self.first = size, np.random.default_rng(seed), {}, []
        self.no_words = torch.from_numpy(np.load(FOLDER / "no-words.npy"))[0].float()
        self.look()

    def look(self):
        """Takes in chunks that appeared since; chunk 0 is held out."""
        for path in sorted(FOLDER.glob(f"latents-{self.size}-*.npy")):
            number = path.stem.split("-")[-1]
            if number != "000" and number not in self.chunks and (FOLDER / f"words-{number}.npy").exists():
                self.chunks[number] = (np.load(path), np.load(FOLDER / f"words-{number}.npy"))
                self.first += [(number, row) for row, caption in enumerate(chunk_captions(path)) if is_first(caption)]

    def batch(self, count):
        """Pictures, sketches and words as tensors, with sketches and words left out now and then."""
        rows, names = [], sorted(self.chunks)
        plain = [name for name in names if int(name) >= CHUNKS] or names
        for _ in range(count):
            share = self.random.random()
            if share < FIRST_SHARE:
                name, index = self.first[self.random.integers(len(self.first))]
            else:
                name = self.random.choice(plain if share < FIRST_SHARE + PLAIN_SHARE else names)
                index = self.random.integers(len(self.chunks[name][0]))
            latents, words = self.chunks[name]
            rows.append((latents[index, 0], latents[index, self.random.integers(1, latents.shape[1])], words[index]))
        pictures, sketches, words = (torch.from_numpy(np.stack(column)).float() for column in zip(*rows))
        without = torch.from_numpy(self.random.random((2, count)))
        sketches[without[0] < NO_SKETCH] = 0
        words[without[1] < NO_WORDS] = self.no_words
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
