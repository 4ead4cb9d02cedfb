"""Where things lie, and on what the training runs.

Everything made on the way (renders, latents, checkpoints) goes to one working folder:
$IMPASTO_TRAIN_DIR, or ~/.cache/impasto-train.
"""

import os
import signal
from pathlib import Path

import torch

WORK = Path(os.environ.get("IMPASTO_TRAIN_DIR", Path.home() / ".cache" / "impasto-train"))
ICONS = Path(os.environ.get("IMPASTO_ICONS_DIR", WORK / "icons" / "node_modules"))
PHOTOS = [Path(p) for p in os.environ.get("IMPASTO_PHOTO_DIRS", "/usr/share/wallpapers:/usr/share/backgrounds").split(":")]
STAMPS = Path(os.environ.get("IMPASTO_STAMPS_DIR", "/usr/share/tuxpaint/stamps"))
MODEL = Path(os.environ.get("IMPASTO_MODEL_DIR", Path(__file__).resolve().parent.parent / "storybook"))

#: Minutes that each stage may take. Learning rates fall to zero at the end of the box.
AUTOENCODER_MINUTES = float(os.environ.get("IMPASTO_AUTOENCODER_MINUTES", 22))
TEXT_MINUTES = float(os.environ.get("IMPASTO_TEXT_MINUTES", 5))
UNET_MINUTES = float(os.environ.get("IMPASTO_UNET_MINUTES", 40))
REFINE_MINUTES = float(os.environ.get("IMPASTO_REFINE_MINUTES", 60))
IMAGE_MINUTES = float(os.environ.get("IMPASTO_IMAGE_MINUTES", 10))

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


class StopFlag:
    """True once the process was asked to end; loops save and leave."""

    def __init__(self):
        self.stopped = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, *_):
        self.stopped = True

    def __bool__(self):
        return self.stopped
