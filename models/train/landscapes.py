"""Painted landscapes, made by rule: a picture, a map of what is where, and words for it.

A landscape is painted back to front on a `Canvas`; every layer names itself in the map of segments, so that
rough sketches of it can be made segment by segment. Whatever a sketch and its words cannot tell is always painted the
same way (shading, foliage, waves, stars): a small network paints sharply only what it can foresee.
"""

import cv2
import numpy as np

from canvas import COLUMNS, GRASS, LEAVES, ROWS, SIZE, SKIES, SKY_WORDS, Canvas, ridge, shade

#: Kinds of landscape and how often each comes.
KINDS = {"hills": 0.17, "meadow": 0.15, "sea": 0.13, "coast": 0.07, "lake": 0.13, "beach": 0.11, "desert": 0.09, "forest": 0.12, "mountains": 0.03}
#: Where the stars stand: column, row, radius.
STARS = np.random.default_rng(7).uniform((4, 4, 0.9), (SIZE - 4, SIZE * 0.75, 2.1), (46, 3))


def paint_sky(canvas, horizon, disc, storm):
    """The sky down to the horizon, with a sun or a moon where `disc` is set; a stormy one is named for its clouds instead."""
    random = canvas.random
    top, bottom = SKIES[canvas.time]
    fall = np.clip(ROWS / max(horizon, 60), 0, 1)[..., None]
    canvas.paint(np.ones((SIZE, SIZE), np.float32), np.asarray(top) * (1 - fall) + np.asarray(bottom) * fall)
    if not storm:
        canvas.say("sky", *SKY_WORDS[canvas.time])
    if canvas.time == "night":
        for x, y, radius in STARS:
            canvas.disc(x, y, radius, (255, 250, 220))
        if canvas.speech.random() < 0.4:
            canvas.say("extra", "stars")
    if disc:
        radius = random.uniform(15, 26)
        x = random.uniform(0.15, 0.85) * SIZE
        y = random.uniform(radius + 4, max(radius + 5, horizon * 0.6)) if canvas.time != "sunset" else horizon - radius * random.uniform(0, 0.8)
        distance = np.hypot(COLUMNS - x, ROWS - y)
        sun = {"day": (255, 222, 80), "sunset": (255, 226, 140), "night": (245, 240, 210)}[canvas.time]
        canvas.paint(0.5 * np.exp(-np.maximum(distance - radius, 0) / (radius * 0.9)), sun, segment=False)
        canvas.paint(np.clip(radius - distance + 0.5, 0, 1), sun)
        if canvas.time == "night":
            for dx, dy, part in ((-0.35, -0.2, 0.22), (0.3, 0.3, 0.28), (0.25, -0.45, 0.15)):
                canvas.disc(x + dx * radius, y + dy * radius, part * radius, shade(sun, -0.1))
        canvas.say("extra", "moon" if canvas.time == "night" else "sun")


def paint_clouds(canvas, horizon, dark):
    """Puffs of five discs each, white above and blue-grey below."""
    random = canvas.random
    light = np.array({"day": (255, 255, 255), "sunset": (255, 208, 190), "night": (96, 106, 148)}[canvas.time], np.float32)
    base = np.array({"day": (206, 220, 236), "sunset": (204, 140, 150), "night": (56, 64, 104)}[canvas.time], np.float32)
    if dark:
        light, base = shade(light, -0.35), shade(base, -0.5)
    union = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(random.integers(1, 4) + dark):
        x, y, width = random.uniform(0.1, 0.9) * SIZE, random.uniform(0.2, 0.65) * max(horizon, 70), random.uniform(30, 52)
        puff = np.zeros((SIZE, SIZE), np.float32)
        for place, radius in ((-0.8, 0.24), (-0.35, 0.38), (0.12, 0.46), (0.55, 0.32), (0.9, 0.2)):
            cy = y - radius * width * 0.75
            puff = np.maximum(puff, np.clip(radius * width - np.hypot(COLUMNS - x - place * width, ROWS - cy) + 0.5, 0, 1))
        puff *= np.clip(y - ROWS + 0.5, 0, 1)
        tone = np.clip((y - ROWS) / (width * 0.6), 0, 1)[..., None]
        canvas.paint(puff, base * (1 - tone) + light * tone, segment=False)
        union = np.maximum(union, puff)
    canvas.segment(union)
    canvas.say("extra", *(("dark clouds", "storm clouds") if dark else ("clouds", "white clouds")))


def paint_mountains(canvas, horizon):
    """One to four peaks, light on the left and dark on the right, with snow on top."""
    random = canvas.random
    rock, snow = canvas.lit((128, 124, 142)), canvas.lit((246, 249, 255))
    mask = np.zeros((SIZE, SIZE), np.float32)
    count = int(random.integers(1, 5))
    places = (np.arange(count) + 0.5) / count + random.uniform(-0.12, 0.12, count)
    for place in sorted(places, key=lambda place: abs(place - 0.5), reverse=True):
        x, height = place * SIZE, min(horizon - 14, random.uniform(62, 118))
        half = height * random.uniform(0.75, 1.1)
        foot, top = horizon + 12, horizon - height
        at = lambda share, side: (x + side * half * share, top + (foot - top) * share)
        canvas.polygon([(x, top), at(1, -1), (x, foot)], rock * 1.12, mask)
        canvas.polygon([(x, top), at(1, 1), (x - half * 0.12, foot), (x + half * 0.1, top + (foot - top) * 0.5)], rock * 0.82, mask)
        canvas.polygon([(x, top), at(0.42, -1), (x - half * 0.26, top + height * 0.36), (x - half * 0.13, top + height * 0.47), (x, top + height * 0.36)], snow)
        canvas.polygon([(x, top), at(0.42, 1), (x + half * 0.26, top + height * 0.36), (x + half * 0.12, top + height * 0.46), (x, top + height * 0.36)], snow * 0.88)
    canvas.segment(mask)
    canvas.say("far", "mountains", "snowy mountains")


def paint_flowers(canvas, line):
    """Rows of flowers that are larger towards the viewer."""
    colours = [(235, 70, 70), (250, 212, 70), (255, 255, 255), (190, 104, 210)]
    row, count = 12.0, 0
    while line.mean() + row < SIZE:
        radius = 1.6 + 3.4 * row / (SIZE - line.mean())
        for step, x in enumerate(np.arange(radius * 3 + 9 * (count % 2), SIZE, radius * 8)):
            canvas.disc(x, line[int(x)] + row, radius, canvas.lit(colours[(step + 2 * count) % 4]))
            canvas.disc(x, line[int(x)] + row, radius * 0.4, canvas.lit((250, 190, 60)))
        row, count = row + radius * 5, count + 1
    canvas.say("near", "flowers", "meadow with flowers")


def paint_hills(canvas, top):
    """Two or three rolling hills, the nearest greenest. Returns the nearest hill's line."""
    random = canvas.random
    colour, layers = np.asarray(GRASS[canvas.season], np.float32), int(random.integers(2, 4))
    for layer in range(layers):
        depth = (layer + 1) / layers
        line = top + (SIZE * 0.5 - top * 0.3) * layer / layers + ridge(random, random.uniform(10, 26), cells=1, octaves=1)
        slope = np.clip((ROWS - line[None]) / 80, 0, 1)[..., None]
        rim = np.clip(1 - np.abs(ROWS - line[None] - 3) / 3, 0, 1)[..., None]
        canvas.paint(canvas.below(line), canvas.lit(shade(colour, 0.34 - 0.34 * depth)) * (1.08 - 0.26 * slope + 0.1 * rim))
    names = {"winter": ("snowy hills", "snow"), "autumn": ("autumn hills", "hills"), "summer": ("green hills", "hills")}
    canvas.say("near", *names[canvas.season])
    return line


def paint_meadow(canvas, top):
    """A flat field of grass up to the row `top`, in stripes that widen towards the viewer."""
    line = top + ridge(canvas.random, 3, cells=1, octaves=1)
    near = np.clip((ROWS - line[None]) / (SIZE - top + 1), 0, 1)
    stripes = 0.035 * np.sin(np.sqrt(near) * 26)
    canvas.paint(canvas.below(line), canvas.lit(GRASS[canvas.season]) * (1.1 - 0.2 * near + stripes)[..., None])
    names = {"winter": ("snowy field", "snow"), "autumn": ("autumn meadow", "autumn field"), "summer": ("meadow", "green meadow", "green field")}
    canvas.say("near", *names[canvas.season])
    return line


def paint_water(canvas, top, kind):
    """Sea with waves, or a lake with reflections, from the row `top` down."""
    mask = np.clip(ROWS - top + 0.5, 0, 1)
    far = np.array({"day": (120, 196, 226), "sunset": (246, 166, 124), "night": (60, 88, 138)}[canvas.time], np.float32)
    near = np.array({"day": (26, 104, 178), "sunset": (92, 76, 134), "night": (16, 32, 74)}[canvas.time], np.float32)
    depth = np.clip((ROWS - top) / (SIZE - top + 1), 0, 1)
    colour = far + (near - far) * np.sqrt(depth)[..., None]
    if kind == "lake":
        rows = np.clip(2 * top - ROWS, 0, SIZE - 1).astype(np.float32)
        mirrored = cv2.remap(canvas.image, COLUMNS, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        colour = 0.4 * colour + 0.6 * mirrored * 0.92
    phase = np.sqrt(depth) * 44 + 0.9 * np.sin(COLUMNS / (9 + 30 * depth) + np.floor(np.sqrt(depth) * 7) * 2)
    crest = np.clip(np.sin(phase) * 4 - 2.9, 0, 1) * (0.25 if kind == "lake" else 0.6)
    colour = colour + (np.minimum(far * 1.15 + 20, 255) - colour) * crest[..., None]
    canvas.paint(mask, colour)
    canvas.say("water", *{"sea": ("sea", "ocean", "blue sea"), "lake": ("lake", "calm lake", "lake with reflections")}[kind])


def paint_beach(canvas, top):
    """Sand with a line of foam; returns the sand's upper edge."""
    random = canvas.random
    line = top + ridge(random, 6, cells=1, octaves=1) + np.linspace(-1, 1, SIZE, dtype=np.float32) * random.uniform(-24, 24)
    canvas.paint(canvas.below(line - 7), canvas.lit((250, 252, 255)), segment=False)
    depth = np.clip((ROWS - line[None]) / 34, 0, 1)[..., None]
    canvas.paint(canvas.below(line), canvas.lit((206, 172, 120)) * (1 - depth) + canvas.lit((242, 216, 156)) * depth)
    canvas.say("near", "beach", "sandy beach")
    return line


def paint_desert(canvas, top):
    """Three dunes, light on one side of their crest and dark on the other."""
    random = canvas.random
    for layer in range(3):
        peak, swing = random.uniform(0.2, 0.8) * SIZE, random.uniform(22, 38)
        line = (top + 14 + (SIZE - top) * 0.3 * layer - swing * np.exp(-(((COLUMNS[0] - peak) / 80) ** 2))).astype(np.float32)
        mask = canvas.below(line)
        crest = peak + (ROWS - line.min()) * 0.9 + 6 * np.sin((ROWS - line.min()) / 15)
        dark = np.clip((COLUMNS - crest) / 3 + 0.5, 0, 1) * np.clip(1.3 - (COLUMNS - peak) / 150, 0, 1)
        canvas.paint(mask, canvas.lit((240, 194, 112)) * (1.03 - 0.05 * layer - 0.24 * dark)[..., None])
    canvas.say("near", "desert", "sand dunes")
    return line


def draw_tree(canvas, x, y, size, kind, leaf, mask):
    """One tree with its foot at (x, y)."""
    trunk, half = canvas.lit((112, 76, 48)), max(1.2, size * 0.05)
    canvas.polygon([(x - half, y), (x + half, y), (x + half, y - size * 0.5), (x - half, y - size * 0.5)], trunk, mask)
    if kind == "pine":
        for tier in range(3):
            wide, low, high = size * (0.32 - 0.075 * tier), y - size * (0.16 + 0.23 * tier), y - size * (0.56 + 0.22 * tier)
            canvas.polygon([(x - wide, low), (x + wide, low), (x, high)], canvas.lit(shade(leaf, 0.08 * tier)), mask)
            canvas.polygon([(x, low), (x + wide, low), (x, high)], canvas.lit(shade(leaf, 0.08 * tier - 0.22)))
        return
    for dx, dy, radius, tone in ((0.2, 0.56, 0.2, -0.25), (-0.2, 0.56, 0.2, -0.12), (0.1, 0.76, 0.21, -0.1), (0, 0.62, 0.24, 0), (-0.1, 0.74, 0.17, 0.16)):
        canvas.disc(x + dx * size, y - dy * size, radius * size, canvas.lit(shade(leaf, tone)), mask)


def paint_trees(canvas, line, count, size, kind, names=()):
    """Trees at even distances along a line, each a segment where they are few."""
    random = canvas.random
    leaf = LEAVES[canvas.season] if kind == "round" else ((40, 104, 72) if canvas.season != "winter" else (120, 152, 150))
    union = np.zeros((SIZE, SIZE), np.float32)
    for place in (np.arange(count) + 0.5) / count * SIZE + random.uniform(-0.3, 0.3, count) * SIZE / count:
        mask = np.zeros((SIZE, SIZE), np.float32)
        draw_tree(canvas, place, line[int(np.clip(place, 0, SIZE - 1))] + size * 0.12, size * random.uniform(0.85, 1.15), kind, leaf, mask)
        union = np.maximum(union, mask)
        if count <= 5:
            canvas.segment(mask)
    if count > 5:
        canvas.segment(union)
    if names:
        canvas.say("far", *names)


def paint_way(canvas, line, kind):
    """A path or a river that winds towards the viewer."""
    random = canvas.random
    start, swing, side = random.uniform(0.35, 0.65) * SIZE, random.uniform(14, 34), random.choice((-1, 1))
    top = line[int(start)] + 1
    near = np.clip((ROWS - top) / (SIZE - top + 1), 0, 1)
    centre = start + side * np.sin(near * 5) * swing * np.sqrt(near)
    width = 3 + 40 * near**1.3
    mask = np.clip(width - np.abs(COLUMNS - centre) + 0.5, 0, 1) * np.clip(ROWS - top + 0.5, 0, 1)
    colour = canvas.lit((214, 184, 132) if kind == "path" else (84, 164, 214))
    canvas.paint(mask, colour * (0.94 + 0.1 * near)[..., None])
    canvas.say("near", *(("path", "dirt road") if kind == "path" else ("river", "winding river")))


def paint_weather(canvas, kind):
    """Rain, snow or fog over all that is there."""
    if kind == "rain":
        canvas.image = canvas.image * 0.72 + np.array([34, 38, 46])
        streak = np.clip(np.sin((COLUMNS + ROWS * 0.3) / 3.1) * 6 - 5, 0, 1) * np.clip(np.sin((ROWS + 41 * np.floor((COLUMNS + ROWS * 0.3) / 19.5)) / 9) * 3, 0, 1)
        canvas.image += (np.array([210, 222, 235]) - canvas.image) * (0.55 * streak)[..., None]
    elif kind == "snow":
        for x, y, radius in STARS:
            for shift in (0, 128):
                canvas.disc((x + shift) % SIZE, (y * 1.35 + shift) % SIZE, radius + 0.7, (255, 255, 255))
    else:
        band = np.clip(0.75 - np.abs(ROWS / SIZE - 0.5), 0, 0.7)[..., None]
        canvas.image = canvas.image * (1 - band) + canvas.lit((235, 239, 243)) * band
    canvas.say("extra", *{"rain": ("rain", "rainy day"), "snow": ("falling snow", "snowing"), "fog": ("fog", "foggy")}[kind])


def make_landscape(random, plain=False):
    """Paints one landscape; returns the canvas, with `ground` set to the line that things can stand on.

    A `plain` one looks as its words always look: it is for words alone, which do not say where anything is.
    """
    chance = lambda share: random.random() < share
    time = str(random.choice(["day", "sunset", "night"], p=[0.64, 0.21, 0.15]))
    season = str(random.choice(["summer", "autumn", "winter"], p=[0.64, 0.16, 0.2]))
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    if kind in ("desert", "beach", "sea", "coast"):
        season = "summer"
    canvas = Canvas(np.random.default_rng(11) if plain else random, random, time, season)
    layout = canvas.random
    horizon = SIZE * (0.5 if plain else layout.uniform(0.36, 0.62))
    storm = kind in ("meadow", "hills", "sea", "forest") and time == "day" and chance(0.1)
    paint_sky(canvas, horizon, not storm and chance(0.45), storm)
    if storm or (time != "night" and chance(0.4)):
        paint_clouds(canvas, horizon, storm)
    line, canvas.water = np.full(SIZE, horizon, np.float32), None
    if kind == "mountains" or (kind in ("hills", "meadow", "lake") and chance(0.35)):
        paint_mountains(canvas, horizon + (22 if kind in ("hills", "mountains") else 4))
    leafy = "round" if season == "autumn" or chance(0.5) else "pine"
    tree_names = {"pine": ("pine trees", "fir trees"), "round": {"autumn": ("autumn trees",), "winter": ("snowy trees",), "summer": ("trees", "green trees")}[season]}[leafy]
    if kind in ("sea", "coast", "beach", "lake"):
        canvas.water = line
        if kind == "lake":
            paint_hills_behind(canvas, horizon)
        paint_water(canvas, horizon, "lake" if kind == "lake" else "sea")
        shore = horizon + (SIZE - horizon) * layout.uniform(0.5, 0.8)
        if kind == "beach":
            line = paint_beach(canvas, shore)
        elif kind == "coast" or (kind == "lake" and chance(0.4)):
            line = paint_meadow(canvas, shore)
    elif kind in ("meadow", "forest"):
        line = paint_meadow(canvas, horizon)
    elif kind == "desert":
        line = paint_desert(canvas, horizon)
    else:
        line = paint_hills(canvas, horizon)
    if kind == "forest":
        paint_trees(canvas, line, 11, 92, leafy)
        paint_trees(canvas, line + 26, 6, 118, leafy, {"pine": ("pine forest", "forest"), "round": ("autumn forest",) if season == "autumn" else ("forest",)}[leafy])
    elif kind in ("hills", "meadow", "mountains") and chance(0.35):
        paint_trees(canvas, line, int(layout.integers(2, 6)), layout.uniform(62, 100), leafy, tree_names)
    elif kind in ("hills", "meadow") and chance(0.45):
        paint_way(canvas, line, "path" if chance(0.5) else "river")
    elif kind == "meadow" and season == "summer" and chance(0.5):
        paint_flowers(canvas, line)
    if storm:
        paint_weather(canvas, "rain")
    elif season == "winter" and chance(0.4):
        paint_weather(canvas, "snow")
    elif kind in ("forest", "lake", "meadow") and chance(0.08):
        paint_weather(canvas, "fog")
    canvas.image = np.clip(canvas.image, 0, 255)
    canvas.ground, canvas.horizon, canvas.kind = line, horizon, kind
    return canvas


def paint_hills_behind(canvas, horizon):
    """A low bank of land on the far side of a lake."""
    line = horizon - 12 + ridge(canvas.random, 6, cells=1, octaves=1)
    canvas.paint(canvas.below(line), canvas.lit(shade(GRASS[canvas.season], -0.2)))
