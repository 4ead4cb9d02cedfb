"""The objects: emoji drawings of four sets, chosen by kind and rendered with transparency.

Noto (Apache 2.0), Twemoji (CC BY 4.0), Fluent (MIT), Fluent flat (MIT);
labels and synonyms from emojibase-data (MIT).
"""

import io
import json

import numpy as np
from PIL import Image

from settings import ICONS, SIZE, WORK, replace_file

#: Sets in order of how storybook-like they look; scenes are of the first, the autoencoder learns from all.
SETS = ("noto", "fluent-emoji", "twemoji", "fluent-emoji-flat")

#: The shaded Fluent set names its drawings as the flat one does, but lists no code points.
CODES = {"fluent-emoji": "fluent-emoji-flat"}

#: emojibase's subgroups that hold things to paint, and what kind of thing each is.
KINDS = {
    0: "face", 1: "face", 2: "face", 4: "face", 5: "face", 7: "face", 8: "face", 9: "face", 10: "face",
    11: "creature", 12: "face", 14: "thing", 34: "animal", 35: "bird", 36: "animal", 37: "animal",
    38: "swimmer", 39: "bug", 40: "flower", 41: "plant", 42: "food", 43: "food", 44: "food", 46: "food",
    47: "food", 48: "thing", 50: "place", 51: "building", 52: "building", 53: "place",
    54: "vehicle", 55: "boat", 56: "flyer", 59: "weather", 60: "thing", 62: "thing", 63: "thing",
    64: "thing", 65: "thing", 67: "thing", 68: "thing", 71: "thing", 72: "thing", 76: "thing", 78: "thing", 81: "thing",
}
DROPPED = (
    "moon face", "clock", "o’clock", "tone", "face in clouds", "bust", "map of", "sunset", "sunrise", "cityscape",
    "night with", "milky way", "foggy", "bridge at", "national park", "desert island", "beach with", "camping",
    "motorway", "railway track", "stop sign", "horizontal traffic", "vertical traffic", "construction", "hole",
    "speech", "thought", "comment", "zzz", "hundred", "collision", "dizzy", "dashing", "eye in", "kiss mark",
    "bullseye", "mahjong", "joker", "flower playing", "sparkler", "tanabata", "pine decoration", "moon viewing",
    "clamp", "nut and bolt", "link", "chains", "hook", "chart", "clipboard", "scroll", "bookmark", "label",
    "seedling pot", "kaaba", "shinto", "synagogue", "placard", "moai", "cigarette", "coffin", "urn", "headstone",
    "hamsa", "nazar", "identification", "carpentry", "razor", "lotion", "toilet", "plunger", "squeeze", "thread",
    "new moon", "trident", "japanese symbol", "name badge", "heavy", "exclamation", "mending", "letter",
    "underwear", "bikini", "briefs", "sari", "safety vest", "lab coat", "ticket", "reminder", "pile of poo",
)


def entries():
    """Returns what is drawn: one dictionary for each concept and set, with its SVG."""
    data = json.loads((ICONS / "emojibase-data/en/data.json").read_text())
    by_code = {entry["hexcode"].lower(): entry for entry in data}
    by_code |= {code.replace("-fe0f", ""): entry for code, entry in list(by_code.items())}
    found = []
    for style in SETS:
        folder = ICONS / "@iconify-json" / style
        icons = json.loads((folder / "icons.json").read_text())
        seen = set()
        for code, name in json.loads((ICONS / "@iconify-json" / CODES.get(style, style) / "chars.json").read_text()).items():
            entry = by_code.get(code.replace("-fe0f", ""))
            if entry is None or name not in icons["icons"] or entry["label"] in seen:
                continue
            kind = KINDS.get(entry.get("subgroup"))
            if kind is None or any(word in entry["label"] for word in DROPPED):
                continue
            seen.add(entry["label"])
            icon = icons["icons"][name]
            width = icon.get("width", icons.get("width", 16))
            height = icon.get("height", icons.get("height", 16))
            found.append({
                "style": style, "label": entry["label"], "tags": entry.get("tags", []), "kind": kind,
                "svg": f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                       f'width="{SIZE}" height="{SIZE}" viewBox="0 0 {width} {height}">{icon["body"]}</svg>',
            })
    return found


def render(svg, size=SIZE):
    """Draws an SVG; returns RGBA bytes, or None when it is empty or fails."""
    import resvg_py

    try:
        image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))))
    except Exception:
        return None
    pixels = np.asarray(image.convert("RGBA"))
    return pixels if (pixels[..., 3] > 128).mean() > 0.02 else None


def render_all():
    """Renders every entry once; returns (entries without SVG, RGBA array)."""
    images, index = WORK / "icons.npy", WORK / "icons.json"
    if not index.exists():
        kept, pixels = [], []
        for entry in entries():
            image = render(entry.pop("svg"))
            if image is not None:
                kept.append(entry)
                pixels.append(image)
        replace_file(images, lambda path: np.save(open(path, "wb"), np.stack(pixels)))
        replace_file(index, lambda path: path.write_text(json.dumps(kept)))
    return json.loads(index.read_text()), np.load(images, mmap_mode="r")


if __name__ == "__main__":
    kept, pixels = render_all()
    print(len(kept), "renders of", len({entry["label"] for entry in kept}), "concepts")
