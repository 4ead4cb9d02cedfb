"""The critic that tells real latents from the few-step model's, given the sketch and the words."""

import torch
from torch import nn
from torch.nn import functional

from architecture import LATENT_CHANNELS, TEXT_WIDTH


#: How much it counts that pictures look alike to the critic's layers, beside its verdict.
MATCHING = 4.0


class Critic(nn.Module):
    """Scores every patch of `[batch, channels, height/16, width/16]` latents, high meaning real, and tells what it sees."""

    def __init__(self, width=64):
        super().__init__()
        self.layers = nn.ModuleList([
            nn.Conv2d(2 * LATENT_CHANNELS, width, 3, padding=1),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1),
        ])
        self.near = nn.Conv2d(2 * width, 1, 3, padding=1)
        self.far = nn.Conv2d(4 * width, 1, 3, padding=1)
        self.words = nn.Linear(TEXT_WIDTH, 4 * width)

    def forward(self, latents, sketch, words):
        """Scores `[batch, patches]`, and what every layer makes of the latents."""
        x, scores, seen = torch.cat([latents, sketch], 1).contiguous(memory_format=torch.channels_last), [], []
        for index, layer in enumerate(self.layers):
            x = functional.leaky_relu(layer(x), 0.2)
            seen.append(x)
            if index == 1:
                scores.append(self.near(x).flatten(1))
        # Projection of the words on what is seen (Miyato and Koyama, 2018).
        agreement = (x * self.words(words.mean(1))[:, :, None, None]).mean(1, keepdim=True)
        scores.append((self.far(x) + agreement).flatten(1))
        return torch.cat(scores, 1).float(), seen


def critic_loss(critic, real, made, sketch, words):
    """Hinge loss, with the approximate R1 penalty of Lin et al. (2025) that keeps the critic smooth around real latents.

    A real picture under another's words counts as made too (Reed et al., 2016): so the critic learns what words mean.
    """
    on_real, _ = critic(real, sketch, words)
    on_made, _ = critic(made, sketch, words)
    on_other, _ = critic(real, sketch, words.roll(1, 0))
    on_shaken, _ = critic(real + 0.05 * torch.randn_like(real), sketch, words)
    smooth = (on_real - on_shaken).square().mean()
    made_up = (functional.relu(1 + on_made).mean() + functional.relu(1 + on_other).mean()) / 2
    return functional.relu(1 - on_real).mean() + made_up + 50 * smooth, (on_real.mean() - on_made.mean()).item()


def critic_advice(critic, real, made, sketch, words):
    """What the made pictures should make less: how made they look, and how far they are from the real ones in what every
    layer of the critic sees of them (pix2pixHD's feature matching, Wang et al., 2018)."""
    with torch.no_grad():
        _, seen_real = critic(real, sketch, words)
    scores, seen = critic(made, sketch, words)
    apart = sum((ours - theirs).abs().mean() / (theirs.abs().mean() + 1e-6) for ours, theirs in zip(seen, seen_real))
    return MATCHING * apart / len(seen) - scores.mean()
