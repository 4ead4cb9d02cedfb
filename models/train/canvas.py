"""What landscapes are painted on and with: the canvas with its map of segments, noise, ridges, light and colours."""

import cv2
import numpy as np

SIZE = 256
ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)

SKIES = {
    "day": [((88, 160, 230), (190, 224, 245)), ((110, 185, 240), (215, 238, 250)), ((60, 130, 215), (160, 210, 245))],
    "sunset": [((90, 70, 140), (250, 160, 90)), ((220, 110, 110), (255, 200, 120)), ((60, 80, 150), (245, 130, 120)), ((240, 140, 80), (255, 215, 140))],
    "night": [((12, 18, 50), (40, 60, 110)), ((8, 12, 36), (60, 50, 110)), ((20, 30, 70), (50, 90, 130))],
}
SKY_WORDS = {"day": ["blue sky", "clear sky", "sky", "sunny day"], "sunset": ["sunset", "sunset sky", "orange sky", "evening", "dusk"],
             "night": ["night sky", "night", "dark sky", "starry night"]}
LIGHT = {"day": np.array([1, 1, 1]), "sunset": np.array([1.0, 0.82, 0.72]), "night": np.array([0.32, 0.38, 0.55])}
LEAVES = {"spring": [(140, 195, 85), (235, 170, 190), (165, 210, 100)], "summer": [(60, 135, 60), (80, 155, 65), (45, 110, 60)],
          "autumn": [(215, 120, 40), (190, 70, 40), (225, 165, 60)], "winter": [(225, 235, 242), (200, 215, 228), (150, 165, 175)]}
GRASS = {"spring": (125, 190, 75), "summer": (95, 165, 60), "autumn": (165, 155, 70), "winter": (232, 240, 246)}


def noise(random, cells, octaves=3, stretch=1.0):
    """Smooth noise around 0, deviation about 1; `stretch` > 1 draws it out sideways."""
    total = np.zeros((SIZE, SIZE), np.float32)
    for octave in range(octaves):
        rows = max(2, int(cells * 2**octave))
        columns = max(2, int(rows / stretch))
        grid = random.standard_normal((rows, columns)).astype(np.float32)
        total += cv2.resize(grid, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) / 1.8**octave
    return total / (total.std() + 1e-6)


def ridge(random, height, roughness, cells=3, octaves=5):
    """A line across the picture: its row for each column, around 0, within about `height` rows."""
    line = np.zeros(SIZE, np.float32)
    for octave in range(octaves):
        points = random.standard_normal(int(cells * 2**octave) + 2).astype(np.float32)
        kind = cv2.INTER_LINEAR if roughness > 0.5 else cv2.INTER_CUBIC
        line += cv2.resize(points[None], (SIZE, 1), interpolation=kind)[0] * roughness**octave
    return line / (np.abs(line).max() + 1e-6) * height


def shade(colour, amount):
    """A colour made lighter (above 0) or darker (below 0)."""
    colour = np.asarray(colour, np.float32)
    return colour + (255 - colour) * amount if amount > 0 else colour * (1 + amount)


class Canvas:
    """The picture so far, and the segment that each pixel belongs to."""

    def __init__(self, random, time, season):
        self.random, self.time, self.season = random, time, season
        self.image = np.zeros((SIZE, SIZE, 3), np.float32)
        self.labels = np.zeros((SIZE, SIZE), np.uint8)
        self.words, self.count = [], 0

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

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def below(self, line):
        """The soft-edged mask of everything under a line."""
        return np.clip(ROWS - line[None] + 0.5, 0, 1)
