"""Photographs and painted wallpapers: a minority, so that photo editing works too."""

import numpy as np
from PIL import Image

from settings import PHOTOS, STAMPS, WORK, replace_file

#: What a stranger would say is on some of them; the others train the autoencoder only.
SKIPPED = ("dark", "logo", "lockscreen", "screenshot")


def photo_paths():
    """The large pictures found, one for each folder of renditions, sorted by name."""
    found = {}
    for root in PHOTOS:
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp") or path.is_symlink():
                continue
            if any(word in path.name.lower() for word in SKIPPED) or path.stat().st_size < 60_000:
                continue
            key = path.parents[2] if path.parent.name.startswith("images") else path
            if key not in found or path.stat().st_size < found[key].stat().st_size:
                found[key] = path
    return list(found.values())


def load_photos(short_side=384):
    """Returns the pictures as byte arrays whose short side is `short_side`; the stamps come on plain colours."""
    store = WORK / "photos.npz"
    if not store.exists():
        arrays, random = [], np.random.default_rng(5)
        for path in photo_paths():
            try:
                image = Image.open(path).convert("RGB")
            except Exception:
                continue
            scale = short_side / min(image.size)
            image = image.resize([max(short_side, round(side * scale)) for side in image.size], Image.LANCZOS)
            arrays.append(np.asarray(image)[:, : 2 * short_side])
        for path in sorted(STAMPS.rglob("*.png"))[::3]:
            image = Image.open(path).convert("RGBA")
            image.thumbnail((256, 256), Image.LANCZOS)
            ground = Image.new("RGBA", (256, 256), tuple(random.integers(0, 256, 3)) + (255,))
            ground.alpha_composite(image, ((256 - image.width) // 2, (256 - image.height) // 2))
            arrays.append(np.asarray(ground.convert("RGB")))
        replace_file(store, lambda path: np.savez(open(path, "wb"), *arrays))
    stored = np.load(store)
    return [stored[name] for name in stored.files]


if __name__ == "__main__":
    photos = load_photos()
    print(len(photos), "pictures,", sum(photo.nbytes for photo in photos) >> 20, "MiB")
