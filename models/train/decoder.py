"""Teaches the autoencoder's decoder what the few-step network really makes, after unet.py and refine.py.

Few-step latents are means over what a sketch leaves open, which the decoder of true latents shows as blur. Here it sees
them beside the pictures they stand for: colours and flat surfaces count pixel by pixel, edges and texture are judged by a
critic, so that they may lie a little elsewhere. Half of the crops are true latents, so that photos stay true. The encoder
is frozen: latents that are stored stay valid, and so does the UNet.
"""

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from architecture import make_autoencoder
from autoencoder import HELD_OUT, load_autoencoder, reconstruction_loss, to_tensor
from blocks import blocks_of, loudest
from icons import render_all
from made_latents import CELL, PLACES, Pool, example_latents, load_denoiser
from patch_critic import PatchCritic, critic_advice, critic_loss
from photos import load_photos
from precision import fast
from progress import Means, save_with_critic
from settings import DECODER_MINUTES, DEVICE, WORK, TimeBox, claim_pid, like, load_checkpoint
from team import WORKERS, run_team

CHECKPOINT = WORK / "decoder.pt"
#: Made latents, the true latents of scenes, the same with a little noise, and objects and photos, in a batch of one worker.
SCALE = 16 if DEVICE.type == "cuda" else 1
MADE, CLEAN, NOISED, OTHERS = (max(1, count * SCALE // WORKERS) for count in (8, 2, 2, 4))
#: Latent places to a side that are scored, and that are decoded: the rest is what the decoder sees around them.
SCORED, SEEN = 8, 10
#: Between one step's latents and two steps', which the product takes more often.
TWO_STEPS = 0.75
NOISE = 0.03, 0.2
RATE, CRITIC_RATE = 2e-4, 4e-4
#: How strong the critic's pull on a picture is beside that of the pixels.
CRITIC_SHARE = 1.0
#: Steps until the rate and the critic's pull are reached: Adam's first steps shake weights that are good already, and the
#: critic's first advice is worth little.
WARM_UP = 50
#: Pictures in a worker's pool, and how many are made anew at once, every so many steps.
POOL, RENEWED, RENEW_EVERY = 64 * SCALE, 8 * SCALE, 4
#: A difference between neighbours, over three channels in -1 to 1, that is no flat surface's; and pixels around it.
EDGE, AROUND = 0.06, 9
#: How much differences between neighbours count where there are edges, beside flat surfaces.
EDGES_SHARE = 0.15


class Others:
    """Crops of objects on plain grounds and of photos, as autoencoder.py takes them, in bytes."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.photos = [photo for index, photo in enumerate(load_photos()) if index % HELD_OUT]
        _, self.icons = render_all()
        self.shown = [row for row in range(len(self.icons)) if row % HELD_OUT]

    def batch(self, count):
        """As many photos as objects: (N, 3, S, S) of SEEN places."""
        return to_tensor(np.stack([self.photo() if index % 2 else self.object() for index in range(count)]))

    def photo(self):
        return self.cut(self.photos[self.random.integers(len(self.photos))])

    def object(self):
        icon = self.cut(self.icons[self.random.choice(self.shown)]).astype(np.float32)
        ground = np.full(3, 255.0) if self.random.random() < 0.4 else self.random.integers(0, 256, 3)
        alpha = icon[..., 3:] / 255
        return (icon[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)

    def cut(self, image):
        side = SEEN * CELL
        top, left = (self.random.integers(length - side + 1) for length in image.shape[:2])
        return image[top : top + side, left : left + side, :]


class Crops:
    """Random crops of the pool's pictures: latents to decode, and which part of the picture is scored."""

    def __init__(self, pool, random, rows):
        self.pool, self.rows = pool, rows
        self.corners = random.integers(0, PLACES - SEEN + 1, (len(rows), 2))
        # What lies on the picture's own border is scored up to there: a decoder sees nothing beyond it.
        last = PLACES - SEEN
        self.inner = np.where(self.corners == 0, 0, np.where(self.corners == last, SEEN - SCORED, (SEEN - SCORED) // 2))

    def latents(self, latents):
        """SEEN places of (N, C, H, W) for each crop."""
        return _cut(latents, self.corners, SEEN)

    def scored_latents(self, latents):
        return _cut(latents, self.corners + self.inner, SCORED)

    def scored(self, decoded):
        """The scored part of what was decoded."""
        return _cut(decoded, self.inner * CELL, SCORED * CELL)

    def pictures(self):
        """The true pictures of the scored parts."""
        side = SCORED * CELL
        corners = (self.corners + self.inner) * CELL
        return to_tensor(np.stack([self.pool.pictures[row, top : top + side, left : left + side] for row, (top, left) in zip(self.rows, corners)]))


def _cut(tensors, corners, side):
    return torch.stack([tensor[:, top : top + side, left : left + side] for tensor, (top, left) in zip(tensors, corners.tolist())])


def slopes(pictures):
    """Horizontal and vertical differences between neighbours, each (N, C, H - 1, W - 1)."""
    return pictures[..., 1:, :].diff(dim=-1), pictures[..., 1:].diff(dim=-2)


def loose_loss(made, wanted):
    """How far a few-step picture is off in its broad colours, a little in its pixels, and in its flat surfaces: a surface
    that is flat in the true picture should have neither rings nor mottle. Edges may lie elsewhere."""
    difference = made - wanted
    steepness = sum(slope.abs().sum(1, keepdim=True) for slope in slopes(wanted))
    is_flat = (functional.max_pool2d(steepness, AROUND, 1, AROUND // 2) < EDGE).float()
    weights = EDGES_SHARE + (1 - EDGES_SHARE) * is_flat
    loss = functional.avg_pool2d(difference, 8).abs().mean() + 0.3 * difference.abs().mean()
    return loss + sum((slope.abs() * weights).mean() for slope in slopes(difference))


@torch.no_grad()
def revive(network, latents):
    """Begins blocks anew that have died, and tells how many: those whose last rectifier lets nothing through whatever it
    is shown, so that they never learn again. They still change nothing at first, since their last weights are zeros."""
    greatest = loudest(network.decoder, lambda: network.decode(latents))
    dead = [block for name, block in blocks_of(network.decoder).items() if greatest[name] <= 0]
    for block in dead:
        for place in (0, 2):
            nn.init.kaiming_normal_(block.conv[place].weight)
            nn.init.zeros_(block.conv[place].bias)
        nn.init.zeros_(block.conv[4].weight)
    return len(dead), len(greatest)


def train(team, minutes):
    """Trains until the time box is used up; begins with autoencoder.py's averaged weights."""
    torch.manual_seed(29)
    network, critic = load_autoencoder(), PatchCritic().to(DEVICE)
    network.decoder.requires_grad_(True)
    state = load_checkpoint(CHECKPOINT)
    if state is None:
        dead, blocks = revive(network, example_latents(8))
        if team.rank == 0:
            print(f"{dead} of the decoder's {blocks} blocks were dead and begin anew")
        state = {"step": 0, "seconds": 0.0, "network": network.state_dict(), "critic": critic.state_dict()}
        state["average"] = {name: value.clone() for name, value in state["network"].items()}
    network.load_state_dict(state["network"])
    critic.load_state_dict(state["critic"])
    average, step = like(network, state["average"]), state["step"]
    parameters, judges = list(network.decoder.parameters()), list(critic.parameters())
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    judge = torch.optim.AdamW(judges, betas=(0.5, 0.9), weight_decay=0.0, fused=True)
    for taught, saved_state in zip((optimizer, judge), state.get("optimizers", ())):
        taught.load_state_dict(saved_state)
    seed = step * 100 + team.rank + 1
    torch.manual_seed(seed)
    random, others = np.random.default_rng(seed), Others(seed)
    cv2.setNumThreads(1)
    box = TimeBox(minutes, state["seconds"])
    pool = None if box.done else Pool(load_denoiser(), POOL, seed)
    for _ in range(0 if box.done else POOL // RENEWED):
        pool.renew(RENEWED)
    started, means, done = step, Means(3), bool(team.agree(box.done))
    while not done:
        share = team.agree_on_share(box.share)
        warm = min(1, (step + 1) / WARM_UP)
        for taught, rate in ((optimizer, RATE * warm), (judge, CRITIC_RATE)):
            for group in taught.param_groups:
                group["lr"] = rate * (1 - share)
        if (step - started) % RENEW_EVERY == RENEW_EVERY - 1:
            pool.renew(RENEWED)
        crops = Crops(pool, random, random.choice(POOL, MADE + CLEAN + NOISED, replace=False))
        two = torch.from_numpy((random.random(MADE) < TWO_STEPS).astype(np.int64)).to(DEVICE)
        latents = torch.cat([pool.made[crops.rows[:MADE], two], pool.clean[crops.rows[MADE:]]])
        noise = torch.from_numpy(random.uniform(*NOISE, NOISED)).to(DEVICE).float()[:, None, None, None]
        latents[MADE + CLEAN :] += noise * torch.randn_like(latents[MADE + CLEAN :])
        other_pictures = others.batch(OTHERS)
        with fast():
            with torch.no_grad():
                encoded = network.encode(other_pictures).latents
            inputs = torch.cat([crops.latents(latents), encoded]).contiguous(memory_format=torch.channels_last)
            decoded = network.decode(inputs).sample.float()
        wanted, sketches = crops.pictures(), crops.scored_latents(pool.sketches[crops.rows[:MADE]])
        ours, others_made = crops.scored(decoded[: len(wanted)]), decoded[len(wanted) :]
        made, true = ours[:MADE], wanted[:MADE]

        loss_critic, gap = critic_loss(critic, true, made.detach(), sketches)
        critic.zero_grad()
        loss_critic.backward()
        team.average_gradients(judges)
        judge.step()

        loose = loose_loss(made, true)
        faithful = reconstruction_loss(ours[MADE:], wanted[MADE:])
        photos = reconstruction_loss(others_made, other_pictures)
        judged = made.detach().requires_grad_()
        pull = torch.autograd.grad(critic_advice(critic, true, judged, sketches), judged)[0]
        drag = torch.autograd.grad(loose, made, retain_graph=True)[0]
        pull = pull * (warm * CRITIC_SHARE * drag.norm() / (pull.norm() + 1e-12))
        network.zero_grad()
        counts = MADE, CLEAN + NOISED, OTHERS
        losses = loose + (made * pull).sum(), faithful, photos
        (sum(count * loss for count, loss in zip(counts, losses)) / sum(counts)).backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

        step += 1
        means.take(loose.item(), (faithful.item() + photos.item()) / 2, gap)
        box.tick()
        done = bool(team.agree(box.done))
        if team.rank:
            continue
        for name, value in network.state_dict().items():
            average[name].lerp_(value, max(0.01, 1 / (1 + step / 4)))
        if step % 10 == 0:
            print(f"decoder step {step} {box.minutes:.1f} min made {means.values[0]:.4f} clean {means.values[1]:.4f} critic's gap {means.values[2]:.2f} share {share:.3f}")
        if box.save_due() or done:
            save_with_critic(CHECKPOINT, network, critic, (optimizer, judge), average, step, box)
    box.leave()


if __name__ == "__main__":
    claim_pid()
    most = max(sum(p.numel() for p in part.parameters()) for part in (make_autoencoder().decoder, PatchCritic()))
    run_team(train, most, DECODER_MINUTES)
