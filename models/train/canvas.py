"""What landscapes are painted on and with: the canvas with its map of segments, ridges, light and colours."""

import cv2
import numpy as np

SIZE = 256
ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)

#: Top and bottom of the sky.
SKIES = {"day": ((78, 158, 232), (206, 234, 248)), "sunset": ((112, 84, 150), (255, 178, 104)), "night": ((10, 16, 48), (52, 72, 126))}
SKY_WORDS = {"day": ["blue sky", "clear sky", "sunny day"], "sunset": ["sunset", "sunset sky", "orange sky"], "night": ["night sky", "night", "starry night"]}
LIGHT = {"day": np.array([1, 1, 1]), "sunset": np.array([1.0, 0.80, 0.70]), "night": np.array([0.34, 0.40, 0.58])}
LEAVES = {"summer": (66, 142, 62), "autumn": (222, 118, 40), "winter": (214, 226, 236)}
GRASS = {"summer": (104, 176, 66), "autumn": (196, 162, 74), "winter": (234, 242, 248)}


def ridge(random, height, cells=3, octaves=3):
    """A smooth line across the picture: its row for each column, around 0, within `height` rows."""
    line = np.zeros(SIZE, np.float32)
    for octave in range(octaves):
        points = random.standard_normal(int(cells * 2**octave) + 3).astype(np.float32)
        line += cv2.resize(points[None], (SIZE, 1), interpolation=cv2.INTER_CUBIC)[0] * 0.35**octave
    return line / (np.abs(line).max() + 1e-6) * height


def shade(colour, amount):
    """A colour made lighter (above 0) or darker (below 0)."""
    colour = np.asarray(colour, np.float32)
    return colour + (255 - colour) * amount if amount > 0 else colour * (1 + amount)


class Canvas:
    """The picture so far, and the segment that each pixel belongs to.

    `random` decides where things are, `speech` what they are called.
    """

    def __init__(self, random, speech, time, season):
        self.random, self.speech, self.time, self.season = random, speech, time, season
        self.image = np.zeros((SIZE, SIZE, 3), np.float32)
        self.labels = np.zeros((SIZE, SIZE), np.uint8)
        self.words, self.content, self.count = [], [], 0

    def lit(self, colour):
        """A daylight colour as it looks at this time of day."""
        return np.asarray(colour, np.float32) * LIGHT[self.time]

    def paint(self, mask, colour, segment=True):
        """Lays a colour (or a whole picture) over the mask, as a new segment."""
        weight = mask[..., None].astype(np.float32)
        self.image = self.image * (1 - weight) + np.asarray(colour, np.float32) * weight
        if segment:
            self.count += 1
            self.labels[mask > 0.5] = self.count

    def polygon(self, points, colour, mask=None):
        """A filled outline with smooth edges, as part of the last segment; adds itself to `mask` where one is given."""
        shape = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(shape, [(np.array(points, np.float32) * 16).round().astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        self.paint(shape / np.float32(255), colour, segment=False)
        if mask is not None:
            np.maximum(mask, shape / np.float32(255), out=mask)

    def disc(self, x, y, radius, colour, mask=None):
        """A filled circle, likewise."""
        shape = np.clip(radius - np.hypot(COLUMNS - x, ROWS - y) + 0.5, 0, 1)
        self.paint(shape, colour, segment=False)
        if mask is not None:
            np.maximum(mask, shape, out=mask)

    def segment(self, mask):
        """Makes a segment of what was painted part by part."""
        self.count += 1
        self.labels[mask > 0.5] = self.count

    def say(self, kind, *words):
        """Takes one of the words for what was painted; whichever it is, the content is the same."""
        self.content.append(words[0])
        self.words.append((kind, words[self.speech.integers(len(words))]))

    def below(self, line):
        """The soft-edged mask of everything under a line."""
        return np.clip(ROWS - line[None] + 0.5, 0, 1)
