"""Trains the UNet: noise latents and sketch latents in, v out, told by the caption's words.

Most samples are what the product's one to four steps see: a first step from zeros, and a later step from what the network's
own first step made, without noise. In some of them the noise is there in part, as the painter's variation asks for it; the
rest is ordinary diffusion, which many steps and inversion need. refine.py goes on from here.
"""

import torch

from architecture import make_unet
from denoiser import FIRST_STEP, LATER_STEPS, Denoiser
from muon import Muon
from pairs import Pairs
from progress import Means
from settings import DEVICE, UNET_MINUTES, WORK, TimeBox, claim_pid, like, load_checkpoint, save_checkpoint
from team import WORKERS, run_team

CHECKPOINT = WORK / "unet.pt"
#: Muon's learning rate at the start and at the end; Adam, for the rest, takes a tenth. What words mean in a small part of
#: a picture is learned when the rate is low: at 0.02 it drowns in the noise of the batches.
RATES = 0.003, 0.0003
#: Steps until the rate is reached: Muon's momentum must have gathered.
WARM_UP = 20
#: A GPU is idle most of the time with fewer.
BATCH = 512 if DEVICE.type == "cuda" else 32
AVERAGE_EVERY = 5
#: How many of a batch's samples are ordinary diffusion; the others are first steps, and LATER_SHARE of those go on to a
#: later one.
PLAIN_SHARE, LATER_SHARE = 0.2, 0.6
#: How often there is no noise in the first and later steps, which is the product's default; else its scale is anything
#: up to 1.
STILL_SHARE = 0.7


def pick_timesteps(pairs, count):
    """Of ordinary diffusion: half uniform, half leaning towards noise."""
    uniform = pairs.uniform(count)
    return (1000 * torch.where(pairs.uniform(count) < 0.5, uniform, 1 - (1 - uniform) ** 2)).long().clamp(0, 999)


def pick_variation(pairs, count):
    """How much noise each sample's steps have, as (N, 1, 1, 1)."""
    return torch.where(pairs.uniform(count) < STILL_SHARE, torch.zeros(count, device=DEVICE), pairs.uniform(count))[:, None, None, None]


def learn_ordinary(denoiser, pairs, pictures, sketches, words):
    """The squared errors of v, (N,), at any timestep of ordinary diffusion."""
    times, noise = pick_timesteps(pairs, len(pictures)), torch.randn_like(pictures)
    root, rest = denoiser.roots(times)
    # At the last timestep the schedule would leave a trace of the picture, which sampling does not have.
    sample = torch.where((times == FIRST_STEP)[:, None, None, None], noise, root * pictures + rest * noise)
    made = denoiser.v(sample, sketches, times, words)
    return (made - (root * noise - rest * pictures)).square().flatten(1).mean(1)


def learn_step(denoiser, sample, pictures, sketches, times, words):
    """A step of few: what it makes, and its squared errors (N,), of the picture itself."""
    made = denoiser.denoised(sample, sketches, times, words)
    return made, (made - pictures).square().flatten(1).mean(1)


def ends_and_inner(network):
    """The parameters that Adam moves, and the matrices inside, which Muon moves."""
    ends = [p for name, p in network.named_parameters() if p.ndim < 2 or name.startswith(("conv_in", "conv_out", "time_emb"))]
    return ends, [p for p in network.parameters() if all(p is not end for end in ends)]


def train(team, minutes):
    """Trains until the time box is used up."""
    state = load_checkpoint(CHECKPOINT) or {"step": 0, "seconds": 0.0}
    torch.manual_seed(17)
    network = make_unet().to(DEVICE, memory_format=torch.channels_last)
    parameters = list(network.parameters())
    ends, inner = ends_and_inner(network)
    optimizers = [Muon(inner, team=team), torch.optim.AdamW(ends, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]
    average = {name: value.clone() for name, value in network.state_dict().items()}
    if "network" in state:
        network.load_state_dict(state["network"])
        average = like(network, state["average"])
    if "optimizer" in state:
        optimizers[1].load_state_dict(state["optimizer"])
    step, box = state["step"], TimeBox(minutes, state["seconds"])
    torch.manual_seed(step * 100 + team.rank)
    pairs = Pairs(step, team.rank)
    denoiser = Denoiser(network)
    means, done, steps = Means(3), box.done, torch.tensor(LATER_STEPS, device=DEVICE)
    count = BATCH // WORKERS
    plain = round(PLAIN_SHARE * count)
    later = round(LATER_SHARE * (count - plain))
    seen = count + later
    while not done:
        share = team.agree_on_share(box.share)
        rate = (RATES[0] + (RATES[1] - RATES[0]) * share) * min(1, (step + 1) / WARM_UP)
        for optimizer, base in zip(optimizers, (1.0, 0.1)):
            for group in optimizer.param_groups:
                group["lr"] = rate * base
        rows = pairs.batch(count)
        few = [part[plain:] for part in rows]
        variation = pick_variation(pairs, count - plain)
        network.zero_grad()
        ordinary = learn_ordinary(denoiser, pairs, *(part[:plain] for part in rows))
        first_times = torch.full((count - plain,), FIRST_STEP, device=DEVICE)
        made, first = learn_step(denoiser, variation * torch.randn_like(few[0]), few[0], few[1], first_times, few[2])
        ((ordinary.sum() + first.sum()) / seen).backward()
        times = steps[pairs.whole(0, len(steps), later)]
        root, rest = denoiser.roots(times)
        sample = root * made[:later].detach() + rest * variation[:later] * torch.randn_like(few[0][:later])
        _, second = learn_step(denoiser, sample, few[0][:later], few[1][:later], times, few[2][:later])
        (second.sum() / seen).backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        means.take(*(errors.mean().item() for errors in (ordinary, first, second)))
        if step % 50 == 0:
            pairs.look()
        box.tick()
        done = bool(team.agree(box.done))
        if team.rank:
            continue
        if step % AVERAGE_EVERY == 0:
            for name, value in network.state_dict().items():
                average[name].lerp_(value, max(0.01, 1 / (1 + step / 8)) * AVERAGE_EVERY if step > 8 * AVERAGE_EVERY else 1.0)
        if step % 10 == 0:
            print(f"step {step} {box.minutes:.1f} min ordinary {means.values[0]:.4f} first {means.values[1]:.4f} later {means.values[2]:.4f} rate {rate:.1e} scenes {len(pairs)}")
        if box.save_due() or done:
            save_checkpoint(CHECKPOINT, network=network.state_dict(), optimizer=optimizers[1].state_dict(), average=average, step=step, seconds=box.seconds)
    box.leave()


if __name__ == "__main__":
    claim_pid()
    run_team(train, sum(p.numel() for p in make_unet().parameters()), UNET_MINUTES)
