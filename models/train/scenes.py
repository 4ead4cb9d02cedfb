"""Pictures to learn from: objects on plain ground, landscapes, landscapes with objects, photos; with captions.

Each comes as pixels, a map of segments, the parts of its objects, the colour of its bare ground (if any) and
a caption.
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


@dataclass
class Scene:
    image: np.ndarray
    labels: np.ndarray
    parts: list = field(default_factory=list)
    paper: tuple | None = None
    caption: str = ""


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

    def __init__(self, seed, held_out=False):
        self.random = np.random.default_rng(seed)
        self.entries, self.icons = render_all()
        self.maps = cluster_icons(self.icons)
        weights = np.array([concepts.weight(entry) for entry in self.entries])
        self.weights = weights / weights.sum()
        common = np.array([weight * (entry["label"] in concepts.COMMON and entry["style"] == "noto") for entry, weight in zip(self.entries, weights)])
        self.common = common / common.sum()
        first = common * np.array([entry["label"] in concepts.FIRST for entry in self.entries])
        self.first = first / first.sum()
        self.placed = {}
        for spot in ("ground", "sky", "water"):
            chosen = np.array([weight * (concepts.place(entry) == spot) for entry, weight in zip(self.entries, weights)])
            self.placed[spot] = chosen / chosen.sum()
        photos = load_photos()
        self.photos = [photo for photo in photos if photo.shape[:2] != (256, 256)]

    def make(self, simple=False, first=False):
        """One scene; a `simple` one is a common thing on white, or a landscape with nothing or little in it.

        A `first` one is a thing of concepts.FIRST on white.
        """
        if first:
            return self.objects_on_paper(self.first)
        if simple:
            return self.objects_on_paper(self.common) if self.random.random() < 0.56 else self.landscape(0.35)
        kind = self.random.random()
        if kind < 0.5:
            scene = self.objects_on_paper()
        elif kind < 0.96:
            scene = self.landscape(0.42)
        else:
            scene = self.photo()
        if self.random.random() < 0.08:
            scene.caption += ", storybook"
        return scene

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def drawing(self, weights, dim=None):
        """One object: RGBA floats, its parts, its name and entry; sometimes in another colour."""
        index = int(self.random.choice(len(self.entries), p=weights))
        entry, icon, parts = self.entries[index], np.asarray(self.icons[index]), np.asarray(self.maps[index])
        recoloured = entry["kind"] in concepts.RECOLOURED and self.random.random() < 0.3
        if recoloured:
            hsv = cv2.cvtColor(np.ascontiguousarray(icon[..., :3]), cv2.COLOR_RGB2HSV)
            hsv[..., 0] = (hsv[..., 0].astype(int) + self.random.integers(20, 160)) % 180
            icon = np.dstack([cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), icon[..., 3]])
        if self.random.random() < 0.5 and entry["kind"] in concepts.SIDED and not entry["label"].endswith(" face"):
            icon, parts = icon[:, ::-1], parts[:, ::-1]
        icon = icon.astype(np.float32)
        if dim is not None:
            icon[..., :3] *= 0.35 + 0.65 * dim
        name = concepts.name(entry, self.random, recoloured)
        if SETS[entry["style"]]:
            name = f"{SETS[entry['style']]} {name}"
        return icon, parts, name, entry

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

    def objects_on_paper(self, alone=None):
        """One to three things of any kind, or one on white of those that `alone` weighs."""
        random = self.random
        kind = 0.0 if alone is not None else random.random()
        paper = np.array((255, 255, 255), np.float32)
        if kind > 0.78:
            paper = random.uniform(0, 255, 3).astype(np.float32) if kind > 0.92 else 255 - random.uniform(10, 110, 3).astype(np.float32)
        scene = Scene(np.tile(paper, (SIZE, SIZE, 1)).astype(np.float32), np.zeros((SIZE, SIZE), np.uint8), paper=tuple(paper))
        count = 1 if alone is not None or random.random() < 0.86 else int(random.integers(2, 4))
        names = []
        for index in range(count):
            icon, parts, name, entry = self.drawing(self.weights if alone is None else alone)
            size = random.uniform(110, 250) if count == 1 else random.uniform(80, 130)
            slack = max(0.0, (SIZE - size) / 2 + 6)
            centre = SIZE / 2 + random.uniform(-1, 1, 2) * slack * (0.8 if count == 1 else 0.35)
            if count > 1:
                centre[0] = SIZE * (index + 0.5) / count + random.normal(0, 8)
            self.put(scene, icon, parts, centre, size, random.normal(0, 5) if random.random() < 0.4 else 0.0)
            names.append(name)
        words = names[0] if count == 1 else ", ".join(names[:-1]) + " and " + names[-1]
        scene.caption = self.pick("", "", "a ", "one ") * (count == 1) + words
        if kind > 0.78 and random.random() < 0.4:
            scene.caption += ", colored background"
        elif random.random() < 0.2:
            scene.caption += self.pick(" on white", ", white background", " on a white background")
        return scene

    def landscape(self, with_objects):
        random = self.random
        canvas = make_landscape(random)
        scene = Scene(canvas.image.copy(), canvas.labels.copy())
        names, dim = [], LIGHT[canvas.time]
        if random.random() < with_objects:
            for _ in range(int(random.choice([1, 2, 3], p=[0.6, 0.27, 0.13]))):
                names += self.place_object(scene, canvas, dim)
        scene.caption = self.describe(canvas, names)
        if random.random() < 0.13:
            self.vignette(scene)
        scene.image = np.clip(scene.image, 0, 255)
        return scene

    def place_object(self, scene, canvas, dim):
        """Puts one thing where it belongs; returns its name in a list, or nothing where there is no place."""
        random = self.random
        spots = ["ground"] * 3 * (canvas.kind not in ("sea", "sky")) + ["sky"] * (canvas.horizon > 60) + ["water"] * 3 * (canvas.water is not None)
        if not spots:
            return []
        spot = self.pick(*spots)
        icon, parts, name, entry = self.drawing(self.placed[spot], dim)
        scale = concepts.size_beside_cow(entry)
        if spot == "sky":
            size = float(np.clip(random.uniform(45, 95) * scale, 26, 110))
            centre = (random.uniform(0.12, 0.88) * SIZE, random.uniform(0.12, 0.8) * min(canvas.horizon, SIZE * 0.8))
            self.put(scene, icon, parts, centre, size)
            return [name]
        line = canvas.water if spot == "water" else canvas.ground
        x = random.uniform(0.12, 0.88) * SIZE
        far = float(line[int(x)])
        end = SIZE * 0.97 if spot == "ground" or canvas.kind == "sea" else min(SIZE * 0.97, float(canvas.ground[int(x)]) - 2)
        if end - far < 8:
            return []
        depth = random.uniform(0.08, 0.95)
        foot = far + depth * (end - far)
        size = float(np.clip((48 + 85 * max(0.0, (foot - far) / (SIZE - far + 1))) * scale * random.uniform(0.8, 1.25), 26, 190))
        self.put(scene, icon, parts, (x, foot - size * 0.44), size, shadow=0.3 * (spot == "ground"))
        return [name]

    def describe(self, canvas, names):
        random = self.random
        by_kind = {}
        for kind, word in canvas.words:
            by_kind.setdefault(kind, []).append(word)
        keep = lambda words, share: [word for word in words if random.random() < share]
        near, water, far = by_kind.get("near", []), by_kind.get("water", []), by_kind.get("far", [])
        places = keep(water, 0.93) + keep(near, 0.82) + keep(far, 0.82) or water or near or by_kind["sky"]
        random.shuffle(places)
        extras = keep(by_kind.get("extra", []), 0.6) + keep(by_kind.get("sky", []), 0.5)
        style = random.random()
        if style < 0.35:
            return ", ".join(names + places + extras)
        text = " and ".join(places[:2]) + "".join(f", {word}" for word in places[2:])
        if extras:
            text += self.pick(" under ", ", ", " with ") + " and ".join(extras[:2])
        if names:
            text = self.pick("a ", "") + self.pick(" and a ", " and ").join(names) + self.pick(" in ", " on ", ", ", " by ") + text
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
        if random.random() < 0.3:
            scene.caption += ", white border"

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
