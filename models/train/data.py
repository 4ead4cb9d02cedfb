"""Makes the pictures and their rough sketches, chunk by chunk; a chunk that is there is not made again.

A chunk holds, for each scene, the picture and SKETCHES sketches of it. Chunk 0 is held out of all training.
"""

import json
import os
import sys

import cv2
import numpy as np

from canvas import SIZE
from scenes import Studio
from settings import WORK, replace_file
from sketches import make_sketch

CHUNK = 250
SKETCHES = 3
#: How many sketches have few and large shapes only.
SIMPLE_SHARE = 0.6
#: How many of all sketches have their edges where the picture has them.
FAITHFUL_SHARE = 0.75
CHUNKS = int(os.environ.get("IMPASTO_CHUNKS", 30))
FOLDER = WORK / "chunks"


def make_chunk(index):
    """Writes one chunk: pictures, sketches and captions."""
    studio = Studio(1000 + index)
    store = np.zeros((CHUNK, 1 + SKETCHES, SIZE, SIZE, 3), np.uint8)
    scenes = [studio.make() for _ in range(CHUNK)]
    for row, scene in enumerate(scenes):
        chance = lambda share: studio.random.random() < share
        sketch = lambda: make_sketch(scene.image, scene.labels, scene.parts, scene.paper, studio.random, chance(SIMPLE_SHARE), chance(FAITHFUL_SHARE))
        for column, picture in enumerate([scene.image] + [sketch() for _ in range(SKETCHES)]):
            store[row, column] = np.clip(picture + 0.5, 0, 255)
    told = {"captions": [scene.caption for scene in scenes], "contents": [scene.content for scene in scenes], "plain": [scene.plain for scene in scenes]}
    replace_file(FOLDER / f"captions-{index:03}.json", lambda path: path.write_text(json.dumps(told)))
    replace_file(FOLDER / f"pictures-{index:03}.npy", lambda path: np.save(open(path, "wb"), store))


def chunk_paths():
    """The chunks there are, in order."""
    return sorted(FOLDER.glob("pictures-*.npy"))


def _told(path, what):
    return json.loads((FOLDER / f"captions-{path.stem.split('-')[-1]}.json").read_text())[what]


def chunk_captions(path):
    """The captions that belong to a chunk."""
    return _told(path, "captions")


def chunk_contents(path):
    """What a chunk's scenes show, the same for the same things whatever they are called."""
    return _told(path, "contents")


def chunk_plain(path):
    """Which of a chunk's scenes are what their words alone should make."""
    return _told(path, "plain")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    workers, worker = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (1, 0)
    for index in range(worker, CHUNKS, workers):
        if not (FOLDER / f"pictures-{index:03}.npy").exists():
            make_chunk(index)
            print("chunk", index, flush=True)
