"""Rough sketches as a stranger's hand paints them: few colours, round brushes, edges that wander, gaps."""

import cv2
import numpy as np

from settings import SIZE

SKY, DUSK, NIGHT, WATER, SEA = (120, 190, 240), (250, 160, 90), (25, 30, 80), (40, 110, 200), (30, 90, 170)
GRASS, LEAF, DARK_LEAF, SAND, SNOW = (80, 170, 70), (60, 150, 60), (35, 95, 60), (240, 215, 150), (228, 236, 244)
BROWN, GREY, BLACK, CREAM = (120, 75, 40), (125, 120, 132), (30, 30, 30), (245, 240, 210)
RED, ORANGE, YELLOW, PINK, PURPLE, BLUE = (225, 35, 35), (245, 145, 40), (255, 215, 50), (235, 80, 150), (120, 60, 170), (50, 130, 230)
WHITE = (250, 250, 250)


class Paper:
    """A white sheet under a hand that is not quite steady; the same seed draws the same lines."""

    def __init__(self, seed):
        self.pixels = np.full((SIZE, SIZE, 3), 255, np.uint8)
        self.random = np.random.default_rng(seed)

    def _by_hand(self, points, closed, tremor):
        """A line through the points that strays from it, by less where the points lie close together."""
        points = np.array(points, np.float32)
        tremor *= min(1.0, 0.25 + np.ptp(points, axis=0).max() / 160)
        points += self.random.normal(0, tremor, (len(points), 2))
        points = np.concatenate([points, points[:1]]) if closed else points
        lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        places = np.linspace(0, lengths[-1], max(20, int(lengths[-1] / 4)))
        line = np.stack([np.interp(places, lengths, points[:, axis]) for axis in (0, 1)], 1)
        stray = np.stack([np.convolve(self.random.normal(0, tremor, len(line) + 8), np.ones(9) / 3, "valid") for _ in (0, 1)], 1)
        return (line + stray).round().astype(np.int32)

    def line(self, colour, width, *points):
        """One stroke of a round brush."""
        cv2.polylines(self.pixels, [self._by_hand(points, False, 1.2)], False, colour, width, cv2.LINE_AA)
        return self

    def shape(self, colour, *points):
        """A filled outline."""
        cv2.fillPoly(self.pixels, [self._by_hand(points, True, 1.6)], colour, cv2.LINE_AA)
        return self

    def disc(self, colour, x, y, radius, tall=None):
        """A filled round thing, `tall` when it is not a circle."""
        turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        wander = 1 + sum(0.03 * self.random.normal() * np.cos(waves * turns + self.random.uniform(0, 6)) for waves in (2, 3, 5))
        outline = np.stack([x + radius * wander * np.cos(turns), y + (tall or radius) * wander * np.sin(turns)], 1)
        cv2.fillPoly(self.pixels, [outline.round().astype(np.int32)], colour, cv2.LINE_AA)
        return self

    def fill(self, colour, top, bottom, width=34, left=0, right=SIZE):
        """Strokes from side to side, one under the other, as one fills an area in a hurry."""
        for y in np.arange(top + width * 0.45, bottom - width * 0.2, width * 0.8):
            self.line(colour, width, (left, y), ((left + right) / 2, y + self.random.normal(0, 2)), (right, y))
        return self

    def soft(self, sigma=1.0):
        """The finished sheet, with a soft brush's edges."""
        self.pixels = cv2.GaussianBlur(self.pixels, (0, 0), sigma)
        return self.pixels


def landscapes():
    """Eight of land, water and sky alone, in a few strokes."""
    return [
        ("sea and meadow", Paper(1).fill(WATER, 0, 130).fill(GRASS, 128, 256).soft()),
        ("sea and meadow", Paper(2).line(WATER, 60, (40, 100), (215, 98)).line(GRASS, 60, (40, 160), (215, 162)).soft(2)),
        ("mountains, meadow, lake, sun, sky", Paper(3).fill(SKY, 0, 145).disc(YELLOW, 200, 45, 22)
         .shape(GREY, (0, 142), (70, 60), (118, 112), (170, 70), (256, 142)).fill(GRASS, 138, 256).line(WATER, 44, (20, 196), (120, 190), (230, 198)).soft()),
        ("night sky, moon, snowy hills", Paper(4).fill(NIGHT, 0, 160).disc(CREAM, 70, 55, 22).shape(SNOW, (0, 160), (80, 140), (170, 158), (256, 138), (256, 256), (0, 256)).soft()),
        ("sandy beach and blue sea", Paper(5).fill(SKY, 0, 100).fill(SEA, 92, 170, 26).shape(SAND, (0, 190), (120, 168), (256, 150), (256, 256), (0, 256)).soft()),
        ("pine forest, green hills, sky", Paper(7).fill(SKY, 0, 140).fill(GRASS, 130, 256).shape(DARK_LEAF, (30, 190), (55, 90), (80, 190))
         .shape(DARK_LEAF, (90, 180), (115, 75), (142, 182)).shape(DARK_LEAF, (165, 195), (192, 85), (220, 192)).soft()),
        ("autumn trees on hills", Paper(9).fill(SKY, 0, 130).shape((165, 155, 70), (0, 135), (90, 110), (256, 140), (256, 256), (0, 256)).line(BROWN, 9, (70, 150), (70, 185))
         .disc(ORANGE, 70, 125, 32).line(BROWN, 9, (175, 165), (175, 205)).disc((190, 70, 40), 175, 138, 36).soft()),
        ("sea at sunset", Paper(10).fill(DUSK, 0, 120).disc((255, 235, 150), 130, 108, 22).fill((60, 70, 130), 120, 256, 28).line((250, 190, 110), 8, (110, 160), (150, 160)).soft()),
    ]


def objects():
    """Sixteen of single things on bare paper."""
    return [
        ("red apple", Paper(20).disc(RED, 128, 138, 70).soft()),
        ("smiling face", Paper(21).disc(YELLOW, 128, 128, 84).soft()),
        ("smiling face", Paper(22).disc(YELLOW, 128, 128, 84).disc(BLACK, 100, 108, 9, 13).disc(BLACK, 156, 108, 9, 13).line(BLACK, 9, (90, 152), (128, 172), (166, 152)).soft()),
        ("a house", Paper(23).fill(BROWN, 122, 215, 30, 80, 176).shape(RED, (52, 124), (205, 124), (130, 50)).soft()),
        ("tree", Paper(24).line(BROWN, 24, (128, 150), (128, 235)).disc(LEAF, 128, 100, 66).soft()),
        ("blue fish", Paper(25).disc(BLUE, 116, 128, 66, 42).shape(BLUE, (170, 128), (225, 90), (225, 168)).soft()),
        ("red car", Paper(26).fill(RED, 118, 172, 26, 48, 210).fill(RED, 84, 124, 26, 92, 166).disc(BLACK, 80, 174, 22).disc(BLACK, 178, 174, 22).soft()),
        ("cat face", Paper(27).disc(ORANGE, 128, 140, 72).shape(ORANGE, (64, 112), (72, 45), (120, 82)).shape(ORANGE, (192, 112), (184, 45), (136, 82)).soft()),
        ("flower", Paper(28).line(LEAF, 12, (128, 140), (126, 235)).disc(PINK, 128, 95, 52).disc(YELLOW, 128, 95, 18).soft()),
        ("mushroom", Paper(29).fill(CREAM, 130, 215, 26, 108, 148).shape(RED, (40, 138), (70, 75), (128, 52), (186, 75), (216, 138)).disc(WHITE, 100, 100, 11).disc(WHITE, 152, 92, 12).soft()),
        ("ice cream", Paper(30).shape((215, 160, 90), (92, 120), (164, 120), (128, 235)).disc((250, 200, 215), 128, 90, 46).soft()),
        ("strawberry", Paper(33).shape(RED, (68, 95), (128, 82), (188, 95), (168, 165), (128, 215), (88, 165)).shape(LEAF, (84, 92), (128, 104), (172, 92), (128, 62)).soft()),
        ("sunflower", Paper(34).line(LEAF, 12, (128, 140), (130, 238)).disc(YELLOW, 128, 95, 56).disc(BROWN, 128, 95, 26).soft()),
        ("sailboat", Paper(35).shape(BROWN, (60, 175), (200, 175), (170, 212), (90, 212)).shape(BLUE, (126, 45), (126, 165), (62, 165)).shape(RED, (136, 60), (136, 165), (190, 165)).soft()),
        ("butterfly", Paper(31).disc(ORANGE, 82, 100, 44, 40).disc(ORANGE, 174, 100, 44, 40).disc(YELLOW, 94, 165, 30).disc(YELLOW, 162, 165, 30).line(BLACK, 10, (128, 75), (128, 195)).soft()),
        ("snowman", Paper(32).disc((225, 232, 242), 128, 180, 56).disc((225, 232, 242), 128, 95, 38).line(BLACK, 24, (104, 52), (152, 52)).line(ORANGE, 7, (128, 95), (150, 100)).soft()),
    ]


def objects_in_landscapes():
    """Eight of things in a place, each a stroke or two."""
    return [
        ("sailboat on the sea", Paper(40).fill(SKY, 0, 145).fill(WATER, 138, 256).shape(BROWN, (80, 150), (180, 150), (160, 182), (100, 182))
         .shape(WHITE, (128, 50), (128, 145), (182, 145)).soft()),
        ("palm tree on a beach", Paper(41).fill(SKY, 0, 110).fill(WATER, 104, 165, 26).fill(SAND, 158, 256).line(BROWN, 14, (152, 200), (145, 80))
         .line(LEAF, 18, (88, 88), (145, 62), (205, 88)).soft()),
        ("a house in a green meadow, blue sky", Paper(42).fill(SKY, 0, 130).fill(GRASS, 124, 256).fill((240, 225, 190), 110, 175, 24, 100, 165).shape(RED, (78, 112), (188, 112), (132, 62)).soft()),
        ("a tree on green hills, sun", Paper(43).fill(SKY, 0, 150).disc(YELLOW, 50, 45, 20).shape(GRASS, (0, 170), (120, 140), (256, 175), (256, 256), (0, 256))
         .line(BROWN, 16, (165, 130), (165, 190)).disc(DARK_LEAF, 165, 98, 46).soft()),
        ("a castle on green hills", Paper(44).fill(SKY, 0, 150).shape(GRASS, (0, 190), (128, 150), (256, 190), (256, 256), (0, 256)).fill(GREY, 90, 170, 26, 90, 170)
         .line(GREY, 26, (78, 60), (78, 165)).line(GREY, 26, (182, 60), (182, 165)).soft()),
        ("a cow in a meadow", Paper(45).fill(SKY, 0, 110).fill(GRASS, 104, 256).disc(WHITE, 128, 150, 46, 28).disc(WHITE, 182, 128, 18).line(WHITE, 12, (100, 165), (100, 205)).line(WHITE, 12, (155, 165), (155, 205))
         .disc(BLACK, 118, 145, 15, 11).soft()),
        ("a duck on a calm lake", Paper(47).fill(GRASS, 0, 70).fill(WATER, 60, 256).disc(YELLOW, 125, 160, 44, 26).disc(YELLOW, 165, 120, 22).line(ORANGE, 10, (184, 122), (202, 124)).soft()),
        ("a cactus in the desert, sunset", Paper(48).fill(DUSK, 0, 140).fill(SAND, 132, 256).line(LEAF, 26, (128, 80), (128, 205)).line(LEAF, 16, (128, 150), (88, 145), (86, 110))
         .line(LEAF, 16, (128, 135), (168, 130), (170, 98)).soft()),
    ]
