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
SKETCHES = 2
CHUNKS = int(os.environ.get("IMPASTO_CHUNKS", 30))
#: Chunks after those, of single common things and plain landscapes, sketched with very few shapes.
SIMPLE_CHUNKS = int(os.environ.get("IMPASTO_SIMPLE_CHUNKS", 48))
#: Chunks after those, of what newcomers try first, one thing on white at a time.
FIRST_CHUNKS = int(os.environ.get("IMPASTO_FIRST_CHUNKS", 12))
FOLDER = WORK / "chunks"


def make_chunk(index):
    """Writes one chunk: pictures, sketches and captions."""
    studio = Studio(1000 + index)
    store = np.zeros((CHUNK, 1 + SKETCHES, SIZE, SIZE, 3), np.uint8)
    captions, simple, first = [], index >= CHUNKS, index >= CHUNKS + SIMPLE_CHUNKS
    for row in range(CHUNK):
        scene = studio.make(simple, first)
        captions.append(scene.caption)
        pictures = [scene.image] + [make_sketch(scene.image, scene.labels, scene.parts, scene.paper, studio.random, simple) for _ in range(SKETCHES)]
        for column, picture in enumerate(pictures):
            store[row, column] = np.clip(picture + 0.5, 0, 255)
    replace_file(FOLDER / f"captions-{index:03}.json", lambda path: path.write_text(json.dumps(captions)))
    replace_file(FOLDER / f"pictures-{index:03}.npy", lambda path: np.save(open(path, "wb"), store))


def chunk_paths():
    """The chunks there are, in order."""
    return sorted(FOLDER.glob("pictures-*.npy"))


def chunk_captions(path):
    """The captions that belong to a chunk."""
    return json.loads((FOLDER / f"captions-{path.stem.split('-')[-1]}.json").read_text())


if __name__ == "__main__":
    cv2.setNumThreads(1)
    workers, worker = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (1, 0)
    for index in range(worker, CHUNKS + SIMPLE_CHUNKS + FIRST_CHUNKS, workers):
        if not (FOLDER / f"pictures-{index:03}.npy").exists():
            make_chunk(index)
            print("chunk", index, flush=True)
