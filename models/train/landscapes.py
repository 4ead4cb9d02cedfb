"""Painted landscapes, made by rule: a picture, a map of what is where, and words for it.

A landscape is painted back to front on a `Canvas`; every layer names itself in the map of segments, so that
rough sketches of it can be made segment by segment.
"""

import cv2
import numpy as np

from canvas import COLUMNS, GRASS, LEAVES, LIGHT, ROWS, SIZE, SKIES, SKY_WORDS, Canvas, noise, ridge, shade


def paint_sky(canvas, horizon):
    random = canvas.random
    top, bottom = SKIES[canvas.time][random.integers(len(SKIES[canvas.time]))]
    fall = np.clip(ROWS / max(horizon, 40) + 0.03 * noise(random, 3, 2, 4), 0, 1)[..., None] ** random.uniform(0.7, 1.4)
    canvas.paint(np.ones((SIZE, SIZE), np.float32), np.asarray(top) * (1 - fall) + np.asarray(bottom) * fall)
    canvas.words.append(("sky", canvas.pick(*SKY_WORDS[canvas.time])))
    if canvas.time == "night":
        for _ in range(random.integers(25, 90)):
            x, y = random.integers(0, SIZE), random.integers(0, max(20, int(horizon)))
            cv2.circle(canvas.image, (int(x), int(y)), int(random.random() < 0.2) + int(random.random() < 0.1), (255, 250, 220), -1, cv2.LINE_AA)
        if random.random() < 0.5:
            canvas.words.append(("extra", "stars"))
    if horizon > 50 and random.random() < 0.55:
        radius = random.integers(9, 24)
        x = random.integers(radius, SIZE - radius)
        y = random.integers(radius, int(horizon)) if canvas.time != "sunset" else int(horizon * random.uniform(0.6, 1.0))
        distance = np.hypot(COLUMNS - x, ROWS - y)
        sun = {"day": (255, 225, 90), "sunset": (255, 190, 90), "night": (245, 240, 210)}[canvas.time]
        canvas.paint(0.55 * np.exp(-distance / (radius * 1.8)), sun, segment=False)
        disc = np.clip(radius - distance + 0.5, 0, 1)
        if canvas.time == "night" and random.random() < 0.5:
            disc *= 1 - np.clip(radius - np.hypot(COLUMNS - x - radius * 0.5, ROWS - y + radius * 0.2) + 0.5, 0, 1)
        canvas.paint(disc, shade(sun, 0.25))
        canvas.words.append(("extra", "moon" if canvas.time == "night" else "sun"))
    return horizon


def paint_clouds(canvas, horizon, dark=False):
    """Puffs of overlapping discs, white above and blue-grey below."""
    random = canvas.random
    union = np.zeros((SIZE, SIZE), np.float32)
    light = {"day": (255, 255, 255), "sunset": (255, 205, 190), "night": (90, 100, 140)}[canvas.time]
    base = {"day": (200, 214, 230), "sunset": (190, 130, 150), "night": (45, 52, 90)}[canvas.time]
    if dark:
        light, base = shade(light, -0.35), shade(base, -0.5)
    for _ in range(random.integers(1, 5 if not dark else 8)):
        x, y = random.integers(0, SIZE), random.uniform(0.1, 0.75) * max(horizon, 60)
        width = random.uniform(18, 50)
        floor = y + width * 0.22
        puff = np.zeros((SIZE, SIZE), np.float32)
        tone = np.zeros((SIZE, SIZE), np.float32)
        for _ in range(random.integers(4, 9)):
            place = random.uniform(-1, 1)
            radius = width * random.uniform(0.22, 0.45) * (1 - 0.5 * abs(place))
            cx, cy = x + place * width, floor - radius * random.uniform(0.5, 1.1)
            disc = np.clip(radius - np.hypot(COLUMNS - cx, ROWS - cy) + 0.5, 0, 1) * np.clip(floor - ROWS + 2, 0, 1)
            glow = np.clip(0.75 - (ROWS - cy + 0.5 * (COLUMNS - cx)) / (2 * radius), 0, 1)
            tone = tone * (1 - disc) + glow * disc
            puff = np.maximum(puff, disc)
        tone = cv2.GaussianBlur(tone, (0, 0), 2)[..., None]
        canvas.paint(puff * random.uniform(0.85, 1), np.asarray(base) * (1 - tone) + np.asarray(light) * tone, segment=False)
        union = np.maximum(union, puff)
    canvas.count += 1
    canvas.labels[union > 0.5] = canvas.count
    canvas.words.append(("extra", canvas.pick("clouds", "white clouds", "cloudy sky") if not dark else canvas.pick("dark clouds", "storm clouds")))


def paint_mountains(canvas, horizon):
    random = canvas.random
    haze = canvas.image[max(0, int(horizon) - 4)].mean(0)
    snow = random.random() < 0.55 or canvas.season == "winter"
    rock = np.asarray(canvas.pick((110, 110, 130), (130, 110, 100), (90, 105, 130), (120, 100, 130)), np.float32)
    layers = random.integers(1, 4)
    for layer in range(layers):
        depth = (layer + 1) / layers
        height = random.uniform(35, 95) * (1.15 - 0.45 * depth)
        line = horizon - height * 0.55 - ridge(random, height * 0.5, 0.52, cells=random.uniform(2, 4))
        mask = canvas.below(line)
        local = ROWS - line[None]
        facets = noise(random, 5, 4, 0.8) + 2.2 * np.sign(np.gradient(cv2.GaussianBlur(line[None], (9, 1), 0)[0]))[None] * 0.5
        facets = cv2.GaussianBlur(facets.astype(np.float32), (0, 0), 1.2)
        colour = canvas.lit(rock)[None, None] * (1 + 0.16 * np.clip(facets, -2, 2)[..., None])
        if snow:
            cap = np.clip((height * 0.42 + 7 * noise(random, 9, 3) - local) / 3, 0, 1)[..., None]
            white = canvas.lit((245, 248, 255)) * (1 + 0.07 * np.clip(facets, -2, 1)[..., None])
            colour = colour * (1 - cap) + white * cap
        colour = colour * (0.45 + 0.55 * depth) + haze * (0.55 - 0.55 * depth)
        canvas.paint(mask, colour)
    canvas.words.append(("far", canvas.pick("snowy mountains", "snow-capped mountains", "mountains") if snow else canvas.pick("mountains", "rocky mountains", "mountain range")))


def tufts(canvas, mask, line, colour, density=1.0, flowers=False):
    """Blades of grass, larger towards the viewer, where the mask is."""
    random = canvas.random
    layer = canvas.image.copy()
    for _ in range(int((420 if canvas.season != "winter" else 120) * density)):
        x = random.integers(0, SIZE)
        y = int(line[x] + (SIZE - line[x]) * random.random() ** 0.8)
        size = 2 + 9 * max(0, y - line.min()) / (SIZE - line.min() + 1)
        tint = canvas.lit(shade(colour, random.uniform(-0.4, 0.3) if canvas.season != "winter" else random.uniform(-0.12, 0.3)))
        cv2.line(layer, (int(x), y), (int(x + random.uniform(-0.5, 0.5) * size), int(y - size)), tint.tolist(), 1 + int(size > 8), cv2.LINE_AA)
    if flowers:
        palette = [(235, 70, 70), (250, 210, 70), (255, 255, 255), (180, 100, 210), (250, 150, 180)]
        chosen = [palette[random.integers(len(palette))] for _ in range(random.integers(1, 4))]
        for _ in range(random.integers(20, 90)):
            x = random.integers(0, SIZE)
            y = int(line[x] + (SIZE - line[x]) * random.random())
            radius = 1 + int(2.5 * (y - line.min()) / (SIZE - line.min() + 1))
            cv2.circle(layer, (int(x), y), radius, canvas.lit(chosen[random.integers(len(chosen))]).tolist(), -1, cv2.LINE_AA)
        canvas.words.append(("near", canvas.pick("flowers", "wildflowers", "flower meadow")))
    canvas.paint(mask, layer, segment=False)


def paint_hills(canvas, top, layers=None):
    """Rolling hills; the nearest carries grass. Returns the nearest hill's line."""
    random = canvas.random
    haze = canvas.image[max(0, int(top) - 6)].mean(0)
    layers = layers or random.integers(1, 4)
    colour = np.asarray(GRASS[canvas.season], np.float32) * random.uniform(0.85, 1.1)
    for layer in range(layers):
        depth = (layer + 1) / layers
        line = top + (SIZE * 0.9 - top) * layer / max(layers, 1) * 0.6 + ridge(random, random.uniform(6, 24), 0.35, cells=1.5, octaves=3)
        mask = canvas.below(line)
        slope = np.clip((ROWS - line[None]) / 90, 0, 1)[..., None]
        tone = canvas.lit(shade(colour, 0.22 - 0.2 * depth)) * (1.1 - 0.28 * slope) * (1 + 0.04 * noise(random, 6, 3, 2)[..., None])
        canvas.paint(mask, tone * (0.55 + 0.45 * depth) + haze * (0.45 - 0.45 * depth))
        if layer == layers - 1:
            tufts(canvas, mask, line, colour, random.uniform(0.5, 1.3), canvas.season in ("spring", "summer") and random.random() < 0.4)
    names = {"winter": ["snowy hills", "snow", "snowy field"], "autumn": ["autumn hills", "autumn field", "hills"]}
    canvas.words.append(("near", canvas.pick(*names.get(canvas.season, ["green hills", "hills", "rolling hills", "grassy hills"]))))
    return line


def paint_meadow(canvas, top):
    """A flat field of grass up to the row `top`."""
    random = canvas.random
    line = top + ridge(random, random.uniform(1, 7), 0.4, cells=2, octaves=3)
    colour = np.asarray(GRASS[canvas.season], np.float32) * random.uniform(0.85, 1.1)
    depth = np.clip((ROWS - line[None]) / (SIZE - top + 1), 0, 1)[..., None]
    stripes = noise(random, 10, 3, 5)[..., None]
    canvas.paint(canvas.below(line), canvas.lit(colour) * (1.12 - 0.25 * depth) * (1 + 0.05 * stripes))
    tufts(canvas, canvas.below(line), line, colour, random.uniform(0.9, 1.6), canvas.season in ("spring", "summer") and random.random() < 0.45)
    names = {"winter": ["snow", "snowy field", "winter meadow"], "autumn": ["autumn meadow", "dry grass", "meadow"]}
    canvas.words.append(("near", canvas.pick(*names.get(canvas.season, ["meadow", "green meadow", "grass", "green field", "grassy field"]))))
    return line


def paint_water(canvas, top, bottom, kind):
    """Sea with waves, or a lake with reflections, between two rows."""
    random = canvas.random
    mask = np.clip(ROWS - top + 0.5, 0, 1) * np.clip(bottom - ROWS + 0.5, 0, 1)
    deep = {"day": (30, 105, 175), "sunset": (95, 75, 130), "night": (15, 30, 70)}[canvas.time]
    light = {"day": (95, 185, 215), "sunset": (245, 160, 120), "night": (50, 80, 130)}[canvas.time]
    depth = np.clip((ROWS - top) / max(bottom - top, 1), 0, 1)
    mix = (depth if random.random() < 0.6 else 1 - depth)[..., None]
    colour = np.asarray(light) * (1 - mix) + np.asarray(deep) * mix
    if kind == "lake":
        rows = np.clip(2 * top - ROWS + 2.5 * noise(random, 24, 2, 6), 0, SIZE - 1).astype(np.float32)
        mirrored = cv2.remap(canvas.image, COLUMNS, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        colour = 0.35 * colour + 0.65 * cv2.GaussianBlur(mirrored, (1, 7), 2) * 0.93
    canvas.paint(mask, colour)
    layer = canvas.image.copy()
    for _ in range(random.integers(50, 150)):
        y = top + (bottom - top) * random.random() ** 1.3
        near = (y - top) / max(SIZE - top, 1)
        length, x = random.uniform(4, 12) + 40 * near, random.uniform(-20, SIZE)
        tint = np.asarray(light) * 0.5 + 128 if random.random() < 0.6 else shade(deep, 0.08)
        height = (1.2 + 4 * near) * (0.3 if kind == "lake" else 1)
        points = [(int(x + length * part), int(y - height * np.sin(part * np.pi * 2))) for part in np.linspace(0, 1, 6)]
        cv2.polylines(layer, [np.array(points, np.int32)], False, np.clip(tint, 0, 255).tolist(), 1 + int(near > 0.5 and kind == "sea"), cv2.LINE_AA)
    canvas.paint(mask * random.uniform(0.5, 0.9), layer, segment=False)
    words = {"sea": ["sea", "ocean", "blue sea", "sea with waves", "water"], "lake": ["lake", "calm lake", "lake with reflections", "water"]}
    canvas.words.append(("water", canvas.pick(*words[kind])))


def paint_beach(canvas, top):
    random = canvas.random
    line = top + ridge(random, random.uniform(4, 14), 0.3, cells=1, octaves=2) + np.linspace(-1, 1, SIZE) * random.uniform(-22, 22)
    foam = canvas.below(line - random.uniform(4, 9)) * 0.85
    canvas.paint(foam, canvas.lit((250, 252, 255)), segment=False)
    grain = noise(random, 40, 2)[..., None] * 0.025 + noise(random, 5, 2, 2)[..., None] * 0.03
    depth = np.clip((ROWS - line[None]) / 60, 0, 1)[..., None]
    sand = canvas.lit((205, 175, 125)) * (1 - depth) + canvas.lit((238, 214, 160)) * depth
    canvas.paint(canvas.below(line), sand * (1 + grain))
    canvas.words.append(("near", canvas.pick("beach", "sandy beach", "sand", "shore")))
    return line


def paint_desert(canvas, top):
    random = canvas.random
    sand = np.asarray(canvas.pick((235, 190, 110), (225, 165, 95), (240, 205, 140)), np.float32)
    layers = random.integers(2, 5)
    for layer in range(layers):
        line = top + (SIZE - top) * 0.75 * layer / layers + ridge(random, random.uniform(8, 24), 0.25, cells=1.5, octaves=2)
        slope = np.gradient(cv2.GaussianBlur(line[None], (15, 1), 0)[0])
        bent = cv2.remap(np.tile(slope, (SIZE, 1)).astype(np.float32), (COLUMNS + (ROWS - line[None]) * 0.7).astype(np.float32), ROWS, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        dark = np.clip(0.5 + bent * 2.5, 0, 1)[..., None]
        ripples = 0.02 * np.sin((ROWS + 0.2 * COLUMNS + 6 * noise(random, 3, 2)) * 0.9)[..., None]
        canvas.paint(canvas.below(line), canvas.lit(sand) * (1.04 - 0.32 * dark) * (1 + ripples + 0.02 * layer))
    canvas.words.append(("near", canvas.pick("desert", "sand dunes", "sandy desert", "dunes")))
    return line


def draw_tree(canvas, x, y, size, kind, leaf, layer):
    """One tree with its foot at (x, y), drawn on `layer`."""
    random = canvas.random
    trunk = canvas.lit((105, 72, 45)).tolist()
    if kind == "pine":
        cv2.line(layer, (int(x), int(y)), (int(x), int(y - size * 0.4)), trunk, max(1, int(size * 0.09)), cv2.LINE_AA)
        for tier in range(4):
            half = size * 0.3 * (1 - tier * 0.2)
            low, high = y - size * (0.15 + 0.2 * tier), y - size * (0.45 + 0.185 * tier)
            for side, tone in ((0, -0.12), (1, 0.1)):
                points = [(x - half * (1 - side), low), (x + half * side, low), (x, high)]
                cv2.fillPoly(layer, [np.array(points, np.float32).round().astype(np.int32)], canvas.lit(shade(leaf, tone + 0.05 * tier)).tolist(), cv2.LINE_AA)
        return
    cv2.line(layer, (int(x), int(y)), (int(x), int(y - size * 0.5)), trunk, max(1, int(size * 0.1)), cv2.LINE_AA)
    for index in range(14):
        tone = -0.28 + 0.5 * index / 14
        cx = x + size * 0.24 * random.uniform(-1, 1) - size * 0.06 * index / 14
        cy = y - size * (0.64 + 0.2 * random.uniform(-1, 1)) - size * 0.08 * index / 14
        cv2.circle(layer, (int(cx), int(cy)), max(1, int(size * random.uniform(0.1, 0.2))), canvas.lit(shade(leaf, tone)).tolist(), -1, cv2.LINE_AA)


def paint_trees(canvas, line, count, size, kind=None, name=True):
    """A group or a wood of trees standing along a line, back to front."""
    random = canvas.random
    kind = kind or canvas.pick("pine", "round")
    leaves = LEAVES[canvas.season] if kind == "round" else ([(35, 95, 65), (50, 115, 75)] if canvas.season != "winter" else [(210, 225, 235), (70, 110, 100)])
    layer = canvas.image.copy()
    feet = sorted((random.uniform(0, 1), random.uniform(-8, SIZE + 8)) for _ in range(count))
    for depth, x in feet:
        column = int(np.clip(x, 0, SIZE - 1))
        y = line[column] + depth * size * 0.5 + 2
        leaf = shade(leaves[random.integers(len(leaves))], random.uniform(-0.15, 0.1))
        draw_tree(canvas, x, y, size * random.uniform(0.75, 1.2) * (0.8 + 0.35 * depth), kind, leaf, layer)
    mask = (np.abs(layer - canvas.image).max(-1) > 2).astype(np.float32)
    canvas.image = layer
    canvas.count += 1
    canvas.labels[cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5))) > 0.5] = canvas.count
    if name:
        plain = {"pine": ["pine trees", "fir trees", "pine forest", "forest"], "round": ["trees", "forest", "green trees", "wood"]}
        season = {"autumn": ["autumn trees", "autumn forest"], "winter": ["snowy trees", "winter forest"], "spring": ["blossoming trees"]}
        canvas.words.append(("far", canvas.pick(*(plain[kind] + (season.get(canvas.season, []) if kind == "round" else [])))))


def paint_way(canvas, line, kind):
    """A path or a river that winds towards the viewer."""
    random = canvas.random
    start = random.uniform(0.25, 0.75) * SIZE
    top = line[int(start)] + 1
    progress = np.clip((ROWS - top) / (SIZE - top + 1), 0, 1)
    centre = start + (random.uniform(-0.6, 0.6) * SIZE) * progress**1.5 + np.sin(progress * random.uniform(4, 9)) * 26 * progress
    width = 1.5 + random.uniform(22, 55) * progress**1.4
    mask = np.clip(width - np.abs(COLUMNS - centre) + 0.5, 0, 1) * np.clip(ROWS - top + 0.5, 0, 1)
    colour = canvas.lit((200, 170, 120) if kind == "path" else (80, 160, 205))
    texture = noise(random, 20, 2, 1 if kind == "path" else 5)[..., None]
    canvas.paint(mask, colour * (1 + 0.05 * texture))
    canvas.words.append(("near", canvas.pick("path", "dirt road", "winding path") if kind == "path" else canvas.pick("river", "stream", "winding river")))


def paint_weather(canvas, kind):
    random = canvas.random
    if kind == "rain":
        canvas.image = canvas.image * 0.7 + np.array([105, 115, 130]) * 0.25
        layer, slant = canvas.image.copy(), random.uniform(-0.4, 0.4)
        for _ in range(random.integers(90, 220)):
            x, y, length = random.integers(0, SIZE), random.integers(0, SIZE), random.uniform(7, 18)
            cv2.line(layer, (int(x), int(y)), (int(x + slant * length), int(y + length)), (205, 220, 235), 1, cv2.LINE_AA)
        canvas.image = 0.35 * canvas.image + 0.65 * layer
    elif kind == "snow":
        for _ in range(random.integers(60, 200)):
            cv2.circle(canvas.image, (int(random.integers(0, SIZE)), int(random.integers(0, SIZE))), int(random.integers(1, 3)), (255, 255, 255), -1, cv2.LINE_AA)
    else:
        band = np.clip(0.35 + 0.3 * noise(random, 3, 3, 4), 0, 0.8) * np.clip(1.3 - np.abs(ROWS / SIZE - 0.5) * 2, 0, 1)
        canvas.image = canvas.image * (1 - band[..., None]) + canvas.lit((235, 238, 242)) * band[..., None]
    words = {"rain": ["rain", "rainy day", "rainy"], "snow": ["falling snow", "snowing", "snowfall"], "fog": ["fog", "misty", "mist"]}
    canvas.words.append(("extra", canvas.pick(*words[kind])))


def make_landscape(random):
    """Paints one landscape; returns the canvas, with `ground` set to the line that things can stand on."""
    time = random.choice(["day", "sunset", "night"], p=[0.66, 0.2, 0.14])
    season = random.choice(["summer", "spring", "autumn", "winter"], p=[0.52, 0.14, 0.17, 0.17])
    kind = random.choice(["hills", "meadow", "sea", "coast", "lake", "beach", "desert", "forest", "mountain", "sky"],
                         p=[0.16, 0.13, 0.09, 0.14, 0.11, 0.1, 0.07, 0.1, 0.06, 0.04])
    if kind in ("desert", "beach", "sea"):
        season = "summer"
    canvas = Canvas(random, time, season)
    canvas.water = None
    horizon = SIZE * random.uniform(0.3, 0.62)
    if kind == "coast":
        horizon = SIZE * max(0.0, random.uniform(-0.15, 0.42))
    if kind == "sky":
        horizon = SIZE * 1.2
    paint_sky(canvas, horizon)
    storm = random.random() < 0.1
    if horizon > 40 and random.random() < (0.5 if not storm else 1):
        paint_clouds(canvas, horizon, storm)
    line = np.full(SIZE, horizon, np.float32)
    if kind in ("hills", "meadow", "lake", "forest", "mountain") and (random.random() < 0.45 or kind == "mountain"):
        paint_mountains(canvas, horizon + 6)
    if kind == "mountain":
        line = paint_hills(canvas, horizon + random.uniform(0, 40))
    elif kind == "hills":
        line = paint_hills(canvas, horizon)
    elif kind == "meadow":
        line = paint_meadow(canvas, horizon)
    elif kind == "sea":
        paint_water(canvas, horizon, SIZE + 1, "sea")
        canvas.water = line
    elif kind == "coast":
        shore = horizon + (SIZE - horizon) * random.uniform(0.3, 0.7)
        paint_water(canvas, horizon, SIZE, "sea")
        canvas.water = np.full(SIZE, horizon, np.float32)
        line = paint_meadow(canvas, shore)
    elif kind == "lake":
        if random.random() < 0.7:
            paint_trees(canvas, line - 2, random.integers(8, 40), random.uniform(18, 40))
        shore = horizon + (SIZE - horizon) * random.uniform(0.4, 0.9)
        paint_water(canvas, horizon, SIZE, "lake")
        canvas.water = np.full(SIZE, horizon, np.float32)
        line = paint_meadow(canvas, shore)
    elif kind == "beach":
        shore = horizon + (SIZE - horizon) * random.uniform(0.3, 0.65)
        paint_water(canvas, horizon, SIZE, "sea")
        canvas.water = np.full(SIZE, horizon, np.float32)
        line = paint_beach(canvas, shore)
    elif kind == "desert":
        line = paint_desert(canvas, horizon)
    elif kind == "forest":
        line = paint_meadow(canvas, horizon)
        paint_trees(canvas, line, random.integers(25, 60), random.uniform(40, 85))
        if random.random() < 0.4:
            paint_trees(canvas, line + 30, random.integers(4, 10), random.uniform(70, 120), name=False)
    if kind in ("hills", "meadow", "coast", "mountain") and random.random() < 0.4:
        paint_trees(canvas, line, random.integers(2, 14), random.uniform(25, 65))
    if kind in ("hills", "meadow", "mountain") and random.random() < 0.3:
        paint_way(canvas, line, canvas.pick("path", "river"))
    if storm and random.random() < 0.7:
        paint_weather(canvas, "rain")
    elif season == "winter" and random.random() < 0.5:
        paint_weather(canvas, "snow")
    elif random.random() < 0.07:
        paint_weather(canvas, "fog")
    canvas.image = np.clip(canvas.image, 0, 255)
    canvas.ground, canvas.horizon, canvas.kind = line, horizon, kind
    return canvas
