"""Pictures to learn from: things on white, landscapes, things in landscapes, photos; with captions.

Each comes as pixels, a map of segments, the parts of its things, the colour of its bare ground (if any), a caption, and
whether it is plain: what its words alone should make, without a sketch that says where anything is.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

import concepts
from canvas import COLUMNS, LIGHT, ROWS, SIZE
from icons import SETS, render_all
from landscapes import make_landscape
from photos import load_photos
from settings import WORK, replace_file

PARTS = 6
#: Shares of all scenes; the rest is landscapes, every other one with things in it.
THING_SHARE, PHOTO_SHARE = 0.42, 0.03
#: How many scenes are plain, and the side of a plain thing on its sheet.
PLAIN_SHARE, PLAIN_SIZE = 0.25, 216


@dataclass
class Scene:
    image: np.ndarray
    labels: np.ndarray
    parts: list = field(default_factory=list)
    paper: tuple | None = None
    caption: str = ""
    plain: bool = False
    #: What it shows, the same whatever words are taken for it; empty where nobody could tell.
    content: str = ""


def cluster_icons(icons):
    """The colour parts of every icon: maps with 0 for nothing and 1 to PARTS, computed once."""
    store = WORK / "icon_parts.npy"
    if not store.exists():
        maps = np.zeros(icons.shape[:3], np.uint8)
        for index, icon in enumerate(icons):
            small = cv2.resize(icon, (64, 64), interpolation=cv2.INTER_AREA)
            solid = small[small[..., 3] > 200][:, :3].astype(np.float32)
            _, _, centres = cv2.kmeans(solid, PARTS, None, (3, 10, 0.5), 1, cv2.KMEANS_PP_CENTERS)
            shown = icon[..., 3] > 127
            distance = np.abs(icon[shown][:, None, :3].astype(np.float32) - centres[None]).sum(-1)
            maps[index][shown] = 1 + distance.argmin(1)
        replace_file(store, lambda path: np.save(open(path, "wb"), maps))
    return np.load(store, mmap_mode="r")


class Studio:
    """Makes scenes; the same seed makes the same scenes."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.entries, self.icons = render_all()
        self.maps = cluster_icons(self.icons)
        self.numbers = {entry["label"]: number for number, entry in enumerate(self.entries) if entry["style"] == SETS[0] and entry["label"] in concepts.THINGS}
        self.photos = [photo for photo in load_photos() if photo.shape[:2] != (SIZE, SIZE)]

    def make(self):
        """One scene."""
        kind, plain = self.random.random(), self.random.random() < PLAIN_SHARE
        if kind < THING_SHARE:
            return self.thing(plain)
        if kind < 1 - PHOTO_SHARE:
            return self.landscape(plain)
        return self.photo()

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def drawing(self, labels, dim=None, recoloured=False):
        """One of some things: RGBA floats, its parts, its name and label; in another colour where that is asked for and fits."""
        weights = np.array([2.0 if label in concepts.OFTEN else 1.0 for label in labels])
        label = labels[int(self.random.choice(len(labels), p=weights / weights.sum()))]
        icon, parts = self.icons[self.numbers[label]], self.maps[self.numbers[label]]
        names = concepts.THINGS[label]
        name = names[0] if self.random.random() < 0.6 else names[self.random.integers(len(names))]
        if recoloured and label in concepts.RECOLOURED:
            hsv = cv2.cvtColor(np.ascontiguousarray(icon[..., :3]), cv2.COLOR_RGB2HSV)
            hsv[..., 0] = (hsv[..., 0].astype(int) + self.random.integers(20, 160)) % 180
            icon = np.dstack([cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), icon[..., 3]])
            name = min(names, key=len)
        icon = icon.astype(np.float32)
        if dim is not None:
            icon[..., :3] *= 0.3 + 0.7 * dim
        return icon, parts, name, label

    def put(self, scene, icon, parts, centre, size, angle=0.0, shadow=0.0):
        """Lays an object into a scene, its parts as new segments."""
        scale = size / SIZE
        matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, scale)
        matrix[:, 2] += np.array(centre) - SIZE / 2
        premultiplied = icon.copy()
        premultiplied[..., :3] *= icon[..., 3:] / 255
        if scale < 0.6:
            premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), 0.42 / scale)
        placed = cv2.warpAffine(premultiplied, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        where = cv2.warpAffine(np.ascontiguousarray(parts), matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST)
        if shadow:
            ellipse = ((COLUMNS - centre[0]) / (size * 0.45)) ** 2 + ((ROWS - centre[1] - size * 0.45) / (size * 0.09)) ** 2
            scene.image *= 1 - shadow * np.exp(-ellipse)[..., None]
        scene.image = scene.image * (1 - placed[..., 3:] / 255) + placed[..., :3]
        base = int(scene.labels.max())
        shown = where > 0
        scene.labels[shown] = base + where[shown]
        used = [part for part in np.unique(where[shown])]
        scene.parts.append({base + int(part): scene.image[where == part].mean(0) for part in used})

    def thing(self, plain):
        """One thing on white."""
        random = self.random
        scene = Scene(np.full((SIZE, SIZE, 3), 255, np.float32), np.zeros((SIZE, SIZE), np.uint8), paper=(255.0,) * 3, plain=plain)
        icon, parts, name, scene.content = self.drawing(list(self.numbers), recoloured=not plain and random.random() < 0.3)
        size = PLAIN_SIZE if plain else random.uniform(100, 250)
        centre = SIZE / 2 + random.uniform(-1, 1, 2) * (0 if plain else (SIZE - size) / 2)
        self.put(scene, icon, parts, centre, size, 0.0 if plain else random.normal(0, 3))
        scene.caption = self.pick("", "", article(name)) + name + self.pick("", "", "", "", " on white")
        return scene

    def landscape(self, plain):
        """A landscape, or a part of one on white paper; every other one has a thing or two in it."""
        random = self.random
        canvas = make_landscape(random, plain)
        scene = Scene(canvas.image.copy(), canvas.labels.copy(), plain=plain)
        names, dim = [], LIGHT[canvas.time]
        if random.random() < 0.55:
            for _ in range(1 if plain or random.random() < 0.75 else 2):
                names += self.place_thing(scene, canvas, dim)
        scene.caption = self.describe(canvas, names, plain)
        scene.content = ", ".join(sorted(canvas.content) + sorted(label for *_, label in names))
        if not plain and random.random() < 0.08:
            self.vignette(scene)
        scene.image = np.clip(scene.image, 0, 255)
        return scene

    def place_thing(self, scene, canvas, dim):
        """Puts one thing where it is at home; returns its name, where it is and its label in a list, or nothing where there is no place."""
        random = self.random
        spots = ["ground"] * 3 * (canvas.kind != "sea") + ["sky"] + ["water"] * 3 * (canvas.water is not None)
        spot = self.pick(*spots)
        sizes = concepts.SPOTS[spot]
        labels = [label for label in self.numbers if label in sizes and concepts.at_home(label, canvas.kind, canvas.season)]
        icon, parts, name, label = self.drawing(labels, dim, not scene.plain and random.random() < 0.3)
        scale = sizes[label]
        x = SIZE * (0.5 if scene.plain else random.uniform(0.2, 0.8))
        if spot == "sky":
            size = float(np.clip((88 if scene.plain else random.uniform(60, 110)) * scale, 50, 130))
            self.put(scene, icon, parts, (x, (0.42 if scene.plain else random.uniform(0.25, 0.7)) * canvas.horizon), size)
            return [(name, "in the sky over", label)]
        far = float((canvas.water if spot == "water" else canvas.ground)[int(x)])
        end = SIZE * 0.97 if spot == "ground" or canvas.kind == "sea" or canvas.ground is canvas.water else min(SIZE * 0.97, float(canvas.ground[int(x)]))
        if end - far < 12:
            return []
        depth = 0.55 if scene.plain else random.uniform(0.2, 0.95)
        foot = far + depth * (end - far)
        size = float(np.clip((86 if scene.plain else 56 + 60 * depth * random.uniform(0.8, 1.2)) * scale, 52, 180))
        self.put(scene, icon, parts, (x, foot - size * 0.44), size, shadow=0.3 * (spot == "ground"))
        return [(name, "on" if spot == "water" else "in", label)]

    def describe(self, canvas, names, plain):
        """A caption: what is there, and where; of a plain scene all of it, so that the words leave nothing open."""
        random = self.random
        of = lambda kind: [word for other, word in canvas.words if other == kind]
        keep = lambda words, share: [word for word in words if plain or random.random() < share]
        if canvas.kind == "forest":
            places = of("far")
        else:
            places = of("near") + of("water") if names and names[0][1] == "in" else of("water") + of("near")
            places = places[:1] + keep(places[1:], 0.7) + keep(of("far"), 0.9)
        extras = keep(of("extra"), 0.75) + (of("sky") if canvas.time != "day" or plain or random.random() < 0.4 else [])
        if random.random() < 0.4:
            return ", ".join([name for name, *_ in names] + places + extras)
        text = " and ".join(places[:2]) + "".join(f", {word}" for word in places[2:])
        if extras:
            text += self.pick(" under ", ", ", " with ") + " and ".join(extras[:2]) + "".join(f", {word}" for word in extras[2:])
        if names:
            text = " and ".join(article(name) + name for name, *_ in names) + f" {names[-1][1]} {self.pick('', 'the ')}{text}"
        return text

    def vignette(self, scene):
        """Leaves the landscape as a patch on white paper, as someone has painted only there."""
        random = self.random
        width, height = random.uniform(0.3, 0.46, 2) * SIZE
        power = self.pick(2, 3, 6, 10)
        x, y = SIZE / 2 + random.normal(0, 12, 2)
        edge = (np.abs((COLUMNS - x) / width) ** power + np.abs((ROWS - y) / height) ** power) ** (1 / power)
        edge += 0.05 * cv2.resize(random.standard_normal((9, 9)).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        mask = np.clip((1 - edge) * random.choice([8, 30]) + 0.5, 0, 1)[..., None]
        scene.image = scene.image * mask + 255 * (1 - mask)
        scene.labels[mask[..., 0] < 0.5] = 0
        scene.paper = (255.0, 255.0, 255.0)

    def photo(self):
        """A square of a photo; its segments are colours."""
        random = self.random
        photo = self.photos[random.integers(len(self.photos))]
        side = int(random.integers(SIZE, min(photo.shape[:2]) + 1))
        top, left = random.integers(photo.shape[0] - side + 1), random.integers(photo.shape[1] - side + 1)
        image = cv2.resize(np.ascontiguousarray(photo[top : top + side, left : left + side]), (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
        if random.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        soft = cv2.resize(cv2.GaussianBlur(image, (0, 0), 4), (64, 64))
        _, nearest, _ = cv2.kmeans(soft.reshape(-1, 3), int(random.integers(4, 10)), None, (3, 8, 1.0), 1, cv2.KMEANS_PP_CENTERS)
        labels = cv2.resize((nearest.reshape(64, 64) + 1).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
        return Scene(image, labels, caption=self.pick("photo", "a photo", "photograph", ""))


def article(name):
    """`a` or `an`, or nothing before a plural."""
    return "" if name == "cherries" else "an " if name[0] in "aeiou" else "a "
