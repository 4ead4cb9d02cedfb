"""Sharpens what one and two steps make, after unet.py.

Regression to the mean leaves few-step pictures soft. Here the network's own one- and two-step pictures, made from
pure noise as the product makes them, are also judged by a critic (adversarial diffusion distillation, Sauer et al.,
2023). Some samples stay ordinary diffusion, so that many steps and inversion still work.
"""

import time

import torch

from architecture import make_scheduler, make_unet
from critic import Critic, critic_loss
from muon import Muon
from settings import DEVICE, REFINE_MINUTES, WORK, StopFlag, claim_pid, load_checkpoint, save_checkpoint
from team import WORKERS, run_team
from unet import AVERAGE_EVERY, CHECKPOINT as START, Pairs, ends_and_inner, pick_timesteps

CHECKPOINT = WORK / "refined.pt"
BATCH = 18
RATE, CRITIC_RATE = 0.003, 3e-4
#: How strong the critic's pull on a picture is beside that of the mean squared error.
CRITIC_SHARE = 0.7
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
    ends, inner = ends_and_inner(network)
    painters = [Muon(inner, team=team), torch.optim.AdamW(ends, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]
    judge = torch.optim.AdamW(critic.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.9), weight_decay=0.0, fused=True)
    parameters, judges = list(network.parameters()), list(critic.parameters())
    torch.manual_seed(step * 100 + team.rank + 1)
    pairs, few = Pairs("large", step * 100 + team.rank + 1), Few(network)
    stop, last, saved, started = StopFlag(), time.time(), time.time(), step
    means, done = [0.0, 0.0, 0.0], seconds >= minutes * 60
    third = BATCH // WORKERS // 3
    while not done:
        share = team.agree(1_000_000 * seconds / (minutes * 60)) / 1_000_000
        # The critic learns alone at first, so that its first advice is worth taking.
        rate = RATE * (1 - share) * min(1, max(0, step - 20) / 30)
        for optimizer, base in zip(painters, (1.0, 0.1)):
            for group in optimizer.param_groups:
                group["lr"] = rate * base
        pictures, sketches, words = pairs.batch(3 * third)
        # One third is a first step from noise, one third a second step after it, one third ordinary diffusion.
        times = torch.full((3 * third,), FIRST, device=DEVICE)
        times[third : 2 * third] = SECOND
        times[2 * third :] = pick_timesteps(pairs.random, third)
        sample = torch.randn_like(pictures)
        with torch.no_grad():
            middle = slice(third, 2 * third)
            before = few.denoised(sample[middle], sketches[middle], times[:third], words[middle])
            sample[middle] = few.noised(before, times[middle])
            sample[2 * third :] = few.noised(pictures[2 * third :], times[2 * third :])
        made = few.denoised(sample, sketches, times, words)
        few_made, few_rows = made[: 2 * third], (pictures[: 2 * third], sketches[: 2 * third], words[: 2 * third])

        loss_critic, gap = critic_loss(critic, few_rows[0], few_made.detach(), *few_rows[1:])
        critic.zero_grad()
        loss_critic.backward()
        team.average_gradients(judges)
        judge.step()

        error = (made - pictures).square().flatten(1).mean(1)
        # v's error, of which this is the picture's share, is the ordinary samples' loss.
        weights = torch.cat([torch.ones(2 * third), 1 / (1 - few.signal[times[2 * third :].cpu()])]).to(DEVICE)
        plain = (error * weights).mean()
        judged = few_made.detach().requires_grad_()
        advice = -critic(judged, *few_rows[1:]).mean()
        pull = torch.autograd.grad(advice, judged)[0]
        drag = 2 * (few_made.detach() - few_rows[0]) / (few_made[0].numel() * 3 * third)
        pull = pull * (CRITIC_SHARE * drag.norm() / (pull.norm() + 1e-12))
        network.zero_grad()
        (plain + (few_made * pull).sum()).backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in painters:
            optimizer.step()

        step += 1
        for index, value in enumerate((error[:third].mean().item(), error[third : 2 * third].mean().item(), gap)):
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
