"""Trains the autoencoder on 64 x 64 crops, and measures it on held-out pictures.

Loss: L1, squares, L1 of horizontal and vertical differences, L1 of the 4x-pooled picture; a little noise on the
latents, and a weak pull of their mean square to 1, so that they need no scaling factor.
"""

import sys

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from architecture import make_autoencoder
from data import chunk_paths
from icons import render_all
from muon import Muon
from photos import load_photos
from precision import fast
from settings import AUTOENCODER_MINUTES, DEVICE, WORK, TimeBox, claim_pid, like, load_checkpoint, save_checkpoint
from team import WORKERS, run_team

CHECKPOINT = WORK / "autoencoder.pt"
BATCH, CROP, RATE = 24 // WORKERS, 64, 0.015
HELD_OUT = 20


class Crops:
    """Random crops of objects on random grounds, composed scenes (where there are any yet) and photos."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        _, icons = render_all()
        self.icons = np.asarray(icons)
        self.photos = [photo for index, photo in enumerate(load_photos()) if index % HELD_OUT]
        chunks = [np.load(path, mmap_mode="r") for path in chunk_paths()[1:]]
        self.scenes = np.concatenate([chunk[:, 0] for chunk in chunks]) if chunks else None

    def one(self):
        kind = self.random.random()
        if self.scenes is not None and kind < 0.35:
            return self.cut(self.scenes[self.random.integers(len(self.scenes))])
        if kind < 0.75:
            icon = self.cut(self.icons[self.train_index(len(self.icons))])
            ground = np.full((1, 1, 3), 255) if self.random.random() < 0.4 else self.random.integers(0, 256, (1, 1, 3))
            alpha = icon[..., 3:].astype(np.float32) / 255
            return (icon[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)
        return self.cut(self.photos[self.random.integers(len(self.photos))])

    def train_index(self, count):
        """A random index that is not held out."""
        index = self.random.integers(count)
        return index if index % HELD_OUT else self.train_index(count)

    def cut(self, image):
        side = CROP * 2 if self.random.random() < 0.3 else CROP
        top = self.random.integers(image.shape[0] - side + 1)
        left = self.random.integers(image.shape[1] - side + 1)
        piece = image[top : top + side, left : left + side]
        if side != CROP:
            piece = cv2.resize(np.ascontiguousarray(piece), (CROP, CROP), interpolation=cv2.INTER_AREA)
        return piece[:, ::-1] if self.random.random() < 0.5 else piece

    def batch(self):
        pixels = np.stack([self.one() for _ in range(BATCH)])
        return to_tensor(pixels)


def to_tensor(pixels):
    """Bytes (N, H, W, 3) to a tensor (N, 3, H, W) in -1 to 1."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(DEVICE).permute(0, 3, 1, 2)
    return (tensor.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def reconstruction_loss(made, wanted):
    """How far the picture is off, in itself, in its edges and in its broad colours."""
    difference = made - wanted
    loss = difference.abs().mean() + 2 * difference.square().mean()
    loss = loss + 0.5 * (difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean())
    return loss + F.avg_pool2d(difference, 4).abs().mean()


def train(team, minutes):
    """Trains until the time box is used up; resumes from the checkpoint, and leaves one now and then."""
    state = load_checkpoint(CHECKPOINT) or {"seconds": 0.0, "step": 0}
    torch.manual_seed(7)
    network = make_autoencoder().to(DEVICE, memory_format=torch.channels_last)
    parameters = list(network.parameters())
    optimizers = [Muon([p for p in parameters if p.ndim > 1], RATE), torch.optim.Adam([p for p in parameters if p.ndim == 1], RATE / 10)]
    if state["step"]:
        network.load_state_dict(state["network"])
        for optimizer, saved_state in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved_state)
    average = like(network, state["average"]) if state["step"] else {name: value.clone() for name, value in network.state_dict().items()}
    step, box = state["step"], TimeBox(minutes, state["seconds"])
    torch.manual_seed(step * 100 + team.rank)
    crops = Crops(step * 100 + team.rank)
    loss_mean, done = 0.0, box.done
    while not done:
        share = team.agree_on_share(box.share)
        for optimizer, base in zip(optimizers, (RATE, RATE / 10)):
            for group in optimizer.param_groups:
                group["lr"] = base * min(1, (step + 1) / 50) * max(0.0, 1 - share)
        pixels = crops.batch()
        with fast():
            latents = network.encode(pixels).latents
            made = network.decode(latents + 0.03 * torch.randn_like(latents)).sample
        loss = reconstruction_loss(made.float(), pixels)
        square = latents.float().square().mean(dim=(0, 2, 3))
        (loss + 0.01 * (square - 1).square().mean()).backward()
        team.average_gradients(parameters)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        loss_mean += max(0.02, 1 / step) * (loss.item() - loss_mean)
        box.tick()
        done = bool(team.agree(box.done))
        if team.rank:
            continue
        for name, value in network.state_dict().items():
            average[name].lerp_(value, max(0.01, 1 / step))
        if step % 50 == 0:
            print(f"step {step} {box.minutes:.1f} min loss {loss_mean:.4f} deviation {square.mean().item() ** 0.5:.2f} share {share:.3f}")
        if box.save_due() or done:
            save_checkpoint(CHECKPOINT, network=network.state_dict(), optimizers=[o.state_dict() for o in optimizers], average=average, step=step, seconds=box.seconds)
    box.leave()


def load_autoencoder():
    """The trained autoencoder (averaged weights), frozen."""
    network = make_autoencoder().to(DEVICE, memory_format=torch.channels_last).eval().requires_grad_(False)
    network.load_state_dict(load_checkpoint(CHECKPOINT)["average"])
    return network


def held_out_pictures():
    """Pictures that no crop came from, by kind."""
    icons = np.asarray(render_all()[1][::HELD_OUT]).astype(np.float32)
    alpha = icons[..., 3:] / 255
    kinds = {"objects on white": (icons[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)}
    kinds["photos and painted wallpapers"] = np.stack([photo[:256, :256] for photo in load_photos()[::HELD_OUT]])
    if chunk_paths():
        kinds["scenes"] = np.load(chunk_paths()[0], mmap_mode="r")[:, 0]
    return kinds


@torch.no_grad()
def held_out_psnr(network, count=160):
    """PSNR in dB of up to `count` held-out pictures of each kind, as a mean over pictures and over all their pixels together."""
    kinds = {}
    for name, pixels in held_out_pictures().items():
        errors = []
        for start in range(0, min(len(pixels), count), 8):
            batch = to_tensor(pixels[start : start + 8])
            made = network.decode(network.encode(batch).latents).sample.clamp(-1, 1)
            errors += ((made - batch) / 2).square().mean(dim=(1, 2, 3)).tolist()
        errors = np.maximum(errors, 1e-6)
        kinds[name] = {"count": len(errors), "mean": float(np.mean(-10 * np.log10(errors))), "pooled": float(-10 * np.log10(np.mean(errors)))}
    return kinds


if __name__ == "__main__":
    if sys.argv[1:] != ["measure"]:
        claim_pid()
        run_team(train, sum(p.numel() for p in make_autoencoder().parameters()), AUTOENCODER_MINUTES)
    for kind, psnr in held_out_psnr(load_autoencoder()).items():
        print(f"{kind}: {psnr['mean']:.1f} dB over {psnr['count']} (pooled {psnr['pooled']:.1f})")
