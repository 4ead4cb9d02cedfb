"""What the stages tell while they train, and what those with a critic save."""

from settings import save_checkpoint


class Means:
    """Running means of some figures; the first values count most, so that they begin where the figures are."""

    def __init__(self, count):
        self.values, self.steps = [0.0] * count, 0

    def take(self, *figures):
        self.steps += 1
        share = max(0.02, 1 / self.steps)
        self.values = [value + share * (figure - value) for value, figure in zip(self.values, figures)]


def save_with_critic(path, network, critic, optimizers, average, step, box):
    """Saves a stage whose network is judged by a critic."""
    states = {"optimizers": [optimizer.state_dict() for optimizer in optimizers], "average": average}
    save_checkpoint(path, network=network.state_dict(), critic=critic.state_dict(), step=step, seconds=box.seconds, **states)
