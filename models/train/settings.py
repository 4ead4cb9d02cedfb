"""Where things lie, and on what the training runs.

Everything made on the way (renders, latents, checkpoints) goes to one working folder:
$IMPASTO_TRAIN_DIR, or ~/.cache/impasto-train.
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch

WORK = Path(os.environ.get("IMPASTO_TRAIN_DIR", Path.home() / ".cache" / "impasto-train"))
ICONS = Path(os.environ.get("IMPASTO_ICONS_DIR", WORK / "icons" / "node_modules"))
PHOTOS = [Path(p) for p in os.environ.get("IMPASTO_PHOTO_DIRS", "/usr/share/wallpapers:/usr/share/backgrounds").split(":")]
STAMPS = Path(os.environ.get("IMPASTO_STAMPS_DIR", "/usr/share/tuxpaint/stamps"))
MODEL = Path(os.environ.get("IMPASTO_MODEL_DIR", Path(__file__).resolve().parent.parent / "storybook"))
CLIP_MODEL = MODEL.with_name(MODEL.name + "-clip")

#: Minutes that each stage may take. Learning rates fall to zero at the end of the box.
AUTOENCODER_MINUTES = float(os.environ.get("IMPASTO_AUTOENCODER_MINUTES", 22))
TEXT_MINUTES = float(os.environ.get("IMPASTO_TEXT_MINUTES", 5))
UNET_MINUTES = float(os.environ.get("IMPASTO_UNET_MINUTES", 85))
REFINE_MINUTES = float(os.environ.get("IMPASTO_REFINE_MINUTES", 60))
DECODER_MINUTES = float(os.environ.get("IMPASTO_DECODER_MINUTES", 40))
IMAGE_MINUTES = float(os.environ.get("IMPASTO_IMAGE_MINUTES", 40))

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SIZE = 256


def claim_pid():
    """Writes this process's id where others can find it, to pause it while they measure."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "PID").write_text(f"{os.getpid()}\n")


def replace_file(path, write):
    """Calls `write` with a temporary path and renames it into place, so that no reader sees half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    os.replace(temporary, path)


def save_checkpoint(path, **state):
    """Saves a dictionary of states atomically."""
    replace_file(path, lambda temporary: torch.save(state, temporary))


def load_checkpoint(path):
    """Returns the dictionary that `save_checkpoint` wrote, or None."""
    path = Path(path)
    return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else None


def like(network, weights):
    """Saved weights where the network's own are, and as precise."""
    return {name: weights[name].to(value) for name, value in network.state_dict().items()}


class TimeBox:
    """The time that a stage may train, over all its runs, and whether it was asked to end before."""

    #: Seconds between two checkpoints.
    SAVE_EVERY = 90
    #: A step that took longer than this many seconds was paused.
    LONGEST_STEP = 20.0

    def __init__(self, minutes, seconds):
        self.limit, self.seconds = minutes * 60, seconds
        self.last = self.saved = time.time()
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_):
        self.asked = True

    @property
    def share(self):
        """How much of the time is used, 0 to 1."""
        return min(1.0, self.seconds / self.limit) if self.limit else 1.0

    @property
    def minutes(self):
        """Minutes used."""
        return self.seconds / 60

    @property
    def done(self):
        """True when the loop should save and leave."""
        return self.asked or self.seconds >= self.limit

    def tick(self):
        """Counts the time since the last call."""
        now = time.time()
        self.seconds, self.last = self.seconds + min(now - self.last, self.LONGEST_STEP), now

    def save_due(self):
        """True when it is time for a checkpoint, which the caller then writes."""
        due = self.last - self.saved > self.SAVE_EVERY
        self.saved = self.last if due else self.saved
        return due

    def leave(self):
        """Ends the process with an error if it was asked to end: no later stage may take this one for finished."""
        if self.asked:
            sys.exit(143)
