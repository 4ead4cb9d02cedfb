"""The critic that tells real pictures from decoded few-step latents, patch by patch, given the sketch's latents."""

import torch
from torch import nn
from torch.nn import functional

from architecture import LATENT_CHANNELS

#: How much it counts that pictures look alike to the critic's layers, beside its verdict.
MATCHING = 10.0
#: How far real pictures are shaken, and how much it counts that the critic then says the same.
SHAKEN, SMOOTH = 0.05, 20.0


class PatchCritic(nn.Module):
    """Scores patches of 10 and of 38 pixels, high meaning real, and tells what it sees."""

    def __init__(self, width=32):
        super().__init__()
        self.layers = nn.ModuleList([
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1),
        ])
        #: A sketch says which surfaces should be there, so that none is made up where it has none.
        self.sketch = nn.Conv2d(LATENT_CHANNELS, 4 * width, 1)
        self.near = nn.Conv2d(2 * width, 1, 1)
        self.far = nn.Conv2d(4 * width, 1, 1)

    def forward(self, pictures, sketches):
        """Scores `[batch, patches]` of `[batch, 3, height, width]` pictures in -1 to 1, the mean of each size of patch
        counting the same, and what every layer makes of them; sketches are latents of a sixteenth of the size."""
        x, seen = pictures.contiguous(memory_format=torch.channels_last), []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index == 2:
                x = x + functional.interpolate(self.sketch(sketches), scale_factor=2.0)
            x = functional.leaky_relu(x, 0.2)
            seen.append(x)
        near = functional.avg_pool2d(self.near(seen[1]), 2)
        return torch.cat([near.flatten(1), self.far(x).flatten(1)], 1), seen


def critic_loss(critic, real, made, sketches):
    """Hinge loss, with the approximate R1 penalty of Lin et al. (2025); and how far the scores are apart."""
    count = len(real)
    scores, _ = critic(torch.cat([real, made, real + SHAKEN * torch.randn_like(real)]), sketches.repeat(3, 1, 1, 1))
    on_real, on_made, on_shaken = scores.split(count)
    loss = functional.relu(1 - on_real).mean() + functional.relu(1 + on_made).mean()
    return loss + SMOOTH * (on_real - on_shaken).square().mean(), (on_real.mean() - on_made.mean()).item()


def critic_advice(critic, real, made, sketches):
    """What the made pictures should make less: how made they look, and how far they are from the real ones in what every
    layer of the critic sees of them (pix2pixHD's feature matching, Wang et al., 2018)."""
    with torch.no_grad():
        _, seen_real = critic(real, sketches)
    scores, seen = critic(made, sketches)
    apart = sum((ours - theirs).abs().mean() / (theirs.abs().mean() + 1e-6) for ours, theirs in zip(seen, seen_real))
    return MATCHING * apart / len(seen) - scores.mean()
