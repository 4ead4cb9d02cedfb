"""The critic that tells real latents from the few-step model's, given the sketch and the words."""

import torch
from torch import nn
from torch.nn import functional

from architecture import LATENT_CHANNELS, TEXT_WIDTH


class Critic(nn.Module):
    """Scores every patch of `[batch, channels, height/8, width/8]` latents; high means real."""

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
        x, scores = torch.cat([latents, sketch], 1).contiguous(memory_format=torch.channels_last), []
        for index, layer in enumerate(self.layers):
            x = functional.leaky_relu(layer(x), 0.2)
            if index == 1:
                scores.append(self.near(x).flatten(1))
        # Projection of the words on what is seen (Miyato and Koyama, 2018).
        agreement = (x * self.words(words.mean(1))[:, :, None, None]).mean(1, keepdim=True)
        scores.append((self.far(x) + agreement).flatten(1))
        return torch.cat(scores, 1).float()


def critic_loss(critic, real, made, sketch, words):
    """Hinge loss, with the approximate R1 penalty of Lin et al. (2025) that keeps the critic smooth around real latents."""
    on_real = critic(real, sketch, words)
    on_made = critic(made, sketch, words)
    on_shaken = critic(real + 0.05 * torch.randn_like(real), sketch, words)
    smooth = (on_real - on_shaken).square().mean()
    return functional.relu(1 - on_real).mean() + functional.relu(1 + on_made).mean() + 50 * smooth, (on_real.mean() - on_made.mean()).item()
