"""Trains the UNet: noise latents and sketch latents in, v out, told by the caption's words.

High noise comes often, as the product starts from pure noise and takes one to four steps. The later of those steps do not
see a finished picture under their noise but what the first step made: some samples are made as sampling makes them.
refine.py goes on from here.
"""

import torch

from architecture import make_unet
from denoiser import FIRST_STEP, LATER_STEPS, Denoiser
from muon import Muon
from pairs import Pairs
from settings import DEVICE, UNET_MINUTES, WORK, TimeBox, claim_pid, like, load_checkpoint, save_checkpoint
from team import WORKERS, run_team

CHECKPOINT = WORK / "unet.pt"
#: Muon's learning rate at the start and at the end; Adam, for the rest, takes a tenth. What words mean in a small part of
#: a picture is learned when the rate is low: at 0.02 it drowns in the noise of the batches.
RATES = 0.006, 0.0005
#: A GPU is idle most of the time with fewer.
BATCH = 512 if DEVICE.type == "cuda" else 32
AVERAGE_EVERY = 5
#: The timesteps of the few-step sampler, which get a share of the samples of their own. The later ones as often as the
#: first: the third version, which saw them less, came out of its second step further from the picture than of its first.
FEW_STEPS = torch.tensor((FIRST_STEP,) * 4 + LATER_STEPS, device=DEVICE)
FEW_SHARE = 0.85
#: How many of the sampler's later steps go on from the network's own first step, not from the finished picture.
OWN_SHARE = 0.5


def pick_timesteps(pairs, count):
    """Mostly the few-step sampler's; of the rest half uniform, half leaning towards noise."""
    uniform = pairs.uniform(count)
    steps = torch.where(pairs.uniform(count) < 0.5, uniform, 1 - (1 - uniform) ** 2)
    few = FEW_STEPS[pairs.whole(0, len(FEW_STEPS), count)]
    return torch.where(pairs.uniform(count) < FEW_SHARE, few, (1000 * steps).long().clamp(0, 999))


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
    started = step
    torch.manual_seed(step * 100 + team.rank)
    pairs = Pairs(step, team.rank)
    denoiser = Denoiser(network)
    loss_mean, done, later = 0.0, box.done, torch.tensor(LATER_STEPS, device=DEVICE)
    while not done:
        share = team.agree_on_share(box.share)
        first, final = RATES
        rate = (first + (final - first) * share) * min(1, (step + 1) / 100)
        for optimizer, base in zip(optimizers, (1.0, 0.1)):
            for group in optimizer.param_groups:
                group["lr"] = rate * base
        pictures, sketches, words = pairs.batch(BATCH // WORKERS)
        times = pick_timesteps(pairs, len(pictures))
        noise = torch.randn_like(pictures)
        root, rest = denoiser.roots(times)
        sample = torch.where((times == FIRST_STEP)[:, None, None, None], noise, root * pictures + rest * noise)
        own = torch.isin(times, later) & (torch.rand(len(times), device=DEVICE) < OWN_SHARE)
        if own.any():
            with torch.no_grad():
                first_made = denoiser.denoised(noise[own], sketches[own], torch.full_like(times[own], FIRST_STEP), words[own])
                sample[own] = denoiser.noised(first_made, times[own])
        made = denoiser.v(sample, sketches, times, words)
        error = (made - (root * noise - rest * pictures)).square().flatten(1).mean(1)
        # There the noise of the sample is not the only thing between it and the picture: the picture is what counts.
        error[own] = (root * sample - rest * made - pictures)[own].square().flatten(1).mean(1)
        loss = error.mean()
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
        box.tick()
        done = bool(team.agree(box.done))
        if team.rank:
            continue
        if step % AVERAGE_EVERY == 0:
            for name, value in network.state_dict().items():
                average[name].lerp_(value, max(0.01, 1 / (1 + step / 8)) * AVERAGE_EVERY if step > 8 * AVERAGE_EVERY else 1.0)
        if step % 25 == 0:
            print(f"step {step} {box.minutes:.1f} min loss {loss_mean:.4f} rate {rate:.1e} scenes {len(pairs)}")
        if box.save_due() or done:
            save_checkpoint(CHECKPOINT, network=network.state_dict(), optimizer=optimizers[1].state_dict(), average=average, step=step, seconds=box.seconds)
    box.leave()


if __name__ == "__main__":
    claim_pid()
    run_team(train, sum(p.numel() for p in make_unet().parameters()), UNET_MINUTES)
