"""Blocks of AutoencoderTiny, and which of them let nothing through."""

import torch
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock


def blocks_of(network):
    """The blocks by their names in the network."""
    return {name: module for name, module in network.named_modules() if isinstance(module, AutoencoderTinyBlock)}


@torch.no_grad()
def loudest(network, run):
    """The greatest value that comes to each block's last ReLU while `run()` runs the network; where it is not above 0, the
    block adds its last bias to what it is given and nothing else."""
    greatest = {}

    def note(name):
        return lambda module, inputs, output: greatest.__setitem__(name, max(greatest.get(name, -torch.inf), output.max().item()))

    hooks = [block.conv[2].register_forward_hook(note(name)) for name, block in blocks_of(network).items()]
    run()
    for hook in hooks:
        hook.remove()
    return greatest
