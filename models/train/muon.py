"""Muon (Keller Jordan, 2024): momentum whose update is made orthogonal, for matrices and convolution kernels.

In a short training it learns far faster a step than Adam, which matters on two cores. A team of workers shares the
work: each makes its part of the updates.
"""

import torch


def orthogonal(matrix, steps=4):
    """The nearest matrix with singular values near 1, by Newton and Schulz's iteration.

    Every step multiplies by a polynomial of the Gram matrix, and those commute: so they are multiplied up while small,
    and the long side of the matrix is only passed twice.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    gram, made = x @ x.T, None
    for step in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        made = factor if made is None else factor @ made
        if step + 1 < steps:
            gram = factor @ (factor @ gram)
    x = made @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; give everything else to Adam."""

    def __init__(self, parameters, lr=0.02, momentum=0.95, team=None):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})
        self.team = team

    def update(self, parameter, momentum):
        """The orthogonal update of one parameter."""
        buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        buffer.lerp_(parameter.grad, 1 - momentum)
        update = orthogonal(parameter.grad.lerp(buffer, momentum).flatten(1))
        return (update * max(1.0, update.shape[0] / update.shape[1]) ** 0.5).view_as(parameter)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            if self.team is None or self.team.size == 1:
                for parameter in group["params"]:
                    parameter.add_(self.update(parameter, group["momentum"]), alpha=-group["lr"])
                continue
            # Every other parameter is this worker's; the updates travel through the team's shared memory.
            start, shared = 0, self.team.shared[0]
            places = []
            for index, parameter in enumerate(group["params"]):
                place = shared[start : start + parameter.numel()]
                start += parameter.numel()
                places.append(place)
                if index % self.team.size == self.team.rank:
                    place.copy_(self.update(parameter, group["momentum"]).reshape(-1))
            self.team.barrier.wait()
            for parameter, place in zip(group["params"], places):
                parameter.add_(place.view_as(parameter), alpha=-group["lr"])
            self.team.barrier.wait()
