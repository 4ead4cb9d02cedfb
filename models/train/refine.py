"""Sharpens what one and two steps make, after unet.py.

Regression to the mean leaves few-step pictures soft. Here the network's own one- and two-step pictures, made from
pure noise as the product makes them, are also judged by a critic (adversarial diffusion distillation, Sauer et al.,
2023). Some samples stay ordinary diffusion, so that many steps and inversion still work.
"""

import time

import numpy as np
import torch

from architecture import make_scheduler, make_unet
from critic import Critic, critic_loss
from pairs import Pairs
from settings import DEVICE, REFINE_MINUTES, WORK, StopFlag, claim_pid, load_checkpoint, save_checkpoint
from team import WORKERS, run_team
from unet import AVERAGE_EVERY, CHECKPOINT as START

CHECKPOINT = WORK / "refined.pt"
BATCH = 32
RATE, CRITIC_RATE = 4e-4, 4e-4
#: How strong the critic's pull on a picture is beside that of the mean squared error.
CRITIC_SHARE = 1.0
FIRST, SECOND = 999, 499


class Few:
    """The few-step sampler's own arithmetic, on tensors."""

    def __init__(self, network):
        self.network, self.signal = network, make_scheduler().alphas_cumprod.to(DEVICE)

    def roots(self, times):
        kept = self.signal[times][:, None, None, None]
        return kept.sqrt(), (1 - kept).sqrt()

    def noised(self, latents, times):
        root, rest = self.roots(times)
        return root * latents + rest * torch.randn_like(latents)

    def denoised(self, sample, sketches, times, words):
        """The picture that the network sees behind a sample, from its v."""
        inputs = torch.cat([sample, sketches], 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            made = self.network(inputs, times, encoder_hidden_states=words).sample
        root, rest = self.roots(times)
        return root * sample - rest * made.float()


def later_timesteps(random, count):
    """Timesteps after the first: mostly the few-step sampler's."""
    few = random.choice((759, 499, 499, 259), count)
    return torch.from_numpy(np.where(random.random(count) < 0.7, few, random.integers(0, FIRST, count))).to(DEVICE)


def refine(team, minutes):
    """Trains until the time box is used up; begins with unet.py's averaged weights."""
    torch.manual_seed(23)
    network, critic = make_unet().to(DEVICE, memory_format=torch.channels_last), Critic().to(DEVICE)
    state = load_checkpoint(CHECKPOINT)
    if state is None:
        state = {"step": 0, "seconds": 0.0, "network": load_checkpoint(START)["average"], "critic": critic.state_dict()}
        state["average"] = {name: value.clone() for name, value in state["network"].items()}
    network.load_state_dict(state["network"])
    critic.load_state_dict(state["critic"])
    average, step, seconds = state["average"], state["step"], state["seconds"]
    # Adam, not Muon: what is left to learn is small beside what is known, and a step costs half.
    painter = torch.optim.AdamW(network.parameters(), betas=(0.5, 0.98), weight_decay=0.0, fused=True)
    judge = torch.optim.AdamW(critic.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.9), weight_decay=0.0, fused=True)
    parameters, judges = list(network.parameters()), list(critic.parameters())
    torch.manual_seed(step * 100 + team.rank + 1)
    pairs, few = Pairs(step * 100 + team.rank + 1), Few(network)
    stop, last, saved, started = StopFlag(), time.time(), time.time(), step
    means, done = [0.0, 0.0, 0.0], seconds >= minutes * 60
    quarter = BATCH // WORKERS // 4
    while not done:
        share = team.agree(1_000_000 * seconds / (minutes * 60)) / 1_000_000
        # The critic learns alone at first, so that its first advice is worth taking.
        rate = RATE * (1 - 0.8 * share) * min(1, max(0, step - 40) / 40)
        for group in painter.param_groups:
            group["lr"] = rate
        pictures, sketches, words = pairs.batch(4 * quarter)
        # One half is a first step from noise, a quarter a second step after it, a quarter ordinary diffusion.
        times = torch.full((4 * quarter,), FIRST, device=DEVICE)
        times[2 * quarter : 3 * quarter] = SECOND
        times[3 * quarter :] = later_timesteps(pairs.random, quarter)
        sample = torch.randn_like(pictures)
        with torch.no_grad():
            middle, plain = slice(2 * quarter, 3 * quarter), slice(3 * quarter, 4 * quarter)
            before = few.denoised(sample[middle], sketches[middle], times[:quarter], words[middle])
            sample[middle] = few.noised(before, times[middle])
            sample[plain] = few.noised(pictures[plain], times[plain])
        made = few.denoised(sample, sketches, times, words)
        few_made, few_rows = made[: 3 * quarter], (pictures[: 3 * quarter], sketches[: 3 * quarter], words[: 3 * quarter])

        loss_critic, gap = critic_loss(critic, few_rows[0], few_made.detach(), *few_rows[1:])
        critic.zero_grad()
        loss_critic.backward()
        team.average_gradients(judges)
        judge.step()

        error = (made - pictures).square().flatten(1).mean(1)
        # v's error, of which this is the picture's share, is the ordinary samples' loss.
        weights = torch.cat([torch.ones(3 * quarter), 1 / (1 - few.signal[times[3 * quarter :].cpu()])]).to(DEVICE)
        plain = (error * weights).mean()
        judged = few_made.detach().requires_grad_()
        advice = -critic(judged, *few_rows[1:]).mean()
        pull = torch.autograd.grad(advice, judged)[0]
        drag = 2 * (few_made.detach() - few_rows[0]) / (few_made[0].numel() * 4 * quarter)
        pull = pull * (CRITIC_SHARE * drag.norm() / (pull.norm() + 1e-12))
        network.zero_grad()
        (plain + (few_made * pull).sum()).backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        painter.step()

        step += 1
        for index, value in enumerate((error[: 2 * quarter].mean().item(), error[2 * quarter : 3 * quarter].mean().item(), gap)):
            means[index] += max(0.02, 1 / (step - started)) * (value - means[index])
        now = time.time()
        seconds, last = seconds + min(now - last, 20.0), now
        done = bool(team.agree(bool(stop) or seconds >= minutes * 60))
        if team.rank:
            continue
        if step % AVERAGE_EVERY == 0:
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 0.01 * AVERAGE_EVERY)
        if step % 25 == 0:
            print(f"refine step {step} {seconds / 60:.1f} min first {means[0]:.4f} second {means[1]:.4f} critic's gap {means[2]:.2f} rate {rate:.1e}")
        if done or now - saved > 90:
            save_checkpoint(CHECKPOINT, network=network.state_dict(), critic=critic.state_dict(), average=average, step=step, seconds=seconds)
            saved = now


if __name__ == "__main__":
    claim_pid()
    run_team(refine, sum(p.numel() for p in make_unet().parameters()), REFINE_MINUTES)
