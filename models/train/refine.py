"""Sharpens what one and two steps make, after unet.py.

Regression to the mean leaves few-step pictures soft. Here the network's own one- and two-step pictures, made as the
product makes them, are also judged by a critic (adversarial diffusion distillation, Sauer et al.,
2023). Some samples stay ordinary diffusion, so that many steps and inversion still work.
"""

import torch

from architecture import make_unet
from critic import Critic, critic_advice, critic_loss
from denoiser import FIRST_STEP, LATER_STEPS, Denoiser
from pairs import Pairs
from progress import Means, save_with_critic
from settings import DEVICE, REFINE_MINUTES, WORK, TimeBox, claim_pid, like, load_checkpoint
from team import WORKERS, run_team
from unet import AVERAGE_EVERY, CHECKPOINT as START, pick_variation

CHECKPOINT = WORK / "refined.pt"
BATCH = 256 if DEVICE.type == "cuda" else 32
RATE, CRITIC_RATE = 5e-4, 4e-4
#: How strong the critic's pull on a picture is beside that of the mean squared error.
CRITIC_SHARE = 1.0
#: How often the critic learns in a step: it costs little, and its advice is only as good as its eye.
CRITIC_TIMES = 2
#: The second of two steps.
SECOND = 499


def later_timesteps(pairs, count):
    """Timesteps after the first: mostly the few-step sampler's."""
    few = torch.tensor(LATER_STEPS, device=DEVICE)[pairs.whole(0, len(LATER_STEPS), count)]
    return torch.where(pairs.uniform(count) < 0.7, few, pairs.whole(0, FIRST_STEP, count))


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
    average, step, box = like(network, state["average"]), state["step"], TimeBox(minutes, state["seconds"])
    # Adam, not Muon: what is left to learn is small beside what is known, and a step costs half.
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.5, 0.98), weight_decay=0.0, fused=True)
    judge = torch.optim.AdamW(critic.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.9), weight_decay=0.0, fused=True)
    for taught, saved_state in zip((optimizer, judge), state.get("optimizers", ())):
        taught.load_state_dict(saved_state)
    parameters, judges = list(network.parameters()), list(critic.parameters())
    torch.manual_seed(step * 100 + team.rank + 1)
    pairs, denoiser = Pairs(step + 1, team.rank), Denoiser(network)
    means, done = Means(3), box.done
    quarter = BATCH // WORKERS // 4
    while not done:
        share = team.agree_on_share(box.share)
        # The critic learns alone at first, so that its first advice is worth taking.
        rate = RATE * (1 - share) * min(1, max(0, step - 40) / 40)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pictures, sketches, words = pairs.batch(4 * quarter)
        # A quarter is a first step, one half a second step after it, both with as much noise as the painter's variation asks
        # for, a quarter ordinary diffusion.
        times = torch.full((4 * quarter,), FIRST_STEP, device=DEVICE)
        times[quarter : 3 * quarter] = SECOND
        times[3 * quarter :] = later_timesteps(pairs, quarter)
        variation = pick_variation(pairs, 4 * quarter)
        sample = variation * torch.randn_like(pictures)
        with torch.no_grad():
            middle, plain = slice(quarter, 3 * quarter), slice(3 * quarter, 4 * quarter)
            before = denoiser.denoised(sample[middle], sketches[middle], torch.full_like(times[middle], FIRST_STEP), words[middle])
            root, rest = denoiser.roots(times[middle])
            sample[middle] = root * before + rest * variation[middle] * torch.randn_like(before)
            sample[plain] = denoiser.noised(pictures[plain], times[plain])
        made = denoiser.denoised(sample, sketches, times, words)
        few_made, few_rows = made[: 3 * quarter], (pictures[: 3 * quarter], sketches[: 3 * quarter], words[: 3 * quarter])

        for _ in range(CRITIC_TIMES):
            loss_critic, gap = critic_loss(critic, few_rows[0], few_made.detach(), *few_rows[1:])
            critic.zero_grad()
            loss_critic.backward()
            team.average_gradients(judges)
            judge.step()

        error = (made - pictures).square().flatten(1).mean(1)
        # v's error, of which this is the picture's share, is the ordinary samples' loss.
        weights = torch.cat([torch.ones(3 * quarter), 1 / (1 - denoiser.signal[times[3 * quarter :].cpu()])]).to(DEVICE)
        plain = (error * weights).mean()
        judged = few_made.detach().requires_grad_()
        advice = critic_advice(critic, few_rows[0], judged, *few_rows[1:])
        pull = torch.autograd.grad(advice, judged)[0]
        drag = 2 * (few_made.detach() - few_rows[0]) / (few_made[0].numel() * 4 * quarter)
        pull = pull * (CRITIC_SHARE * drag.norm() / (pull.norm() + 1e-12))
        network.zero_grad()
        (plain + (few_made * pull).sum()).backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

        step += 1
        means.take(error[:quarter].mean().item(), error[quarter : 3 * quarter].mean().item(), gap)
        box.tick()
        done = bool(team.agree(box.done))
        if team.rank:
            continue
        if step % AVERAGE_EVERY == 0:
            for name, value in network.state_dict().items():
                average[name].lerp_(value, min(1.0, max(0.005, 1 / (1 + step / 8)) * AVERAGE_EVERY))
        if step % 25 == 0:
            print(f"refine step {step} {box.minutes:.1f} min first {means.values[0]:.4f} second {means.values[1]:.4f} critic's gap {means.values[2]:.2f} rate {rate:.1e}")
        if box.save_due() or done:
            save_with_critic(CHECKPOINT, network, critic, (optimizer, judge), average, step, box)
    box.leave()


if __name__ == "__main__":
    claim_pid()
    run_team(refine, sum(p.numel() for p in make_unet().parameters()), REFINE_MINUTES)
