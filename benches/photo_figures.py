"""Measures on many photos what the command line's `invert` and `edit` promise; run benches/photos.py first.

    cargo build --release
    python benches/photos.py FOLDER
    python benches/photo_figures.py FOLDER [--masks 100] [--json FILE]

Each photo is cut to its middle square and made 256 x 256. Then, with the bundled model:

- it is inverted and sampled again at 50 steps, guidance 1: PSNR of latents and of pixels, beside what the autoencoder
  alone reaches;
- it is edited under random masks (discs, strokes, polygons; hard and soft): where a mask is zero, every byte must be
  the photo's own;
- it is edited under a soft mask with the prompt that it was inverted with: how far the colours along the soft border
  move, as mean colour and as mean absolute difference of pixels, for each method and number of steps.

Needs numpy and Pillow.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 256
METHODS = ("ddim", "edit-friendly", "infedit")
PROMPTS = ("red flower", "sea and meadow", "snowy mountains", "yellow house", "night sky")
#: Bounds of the figures: decibels, decibels, steps of 255.
LATENTS_DB, BEHIND_AUTOENCODER_DB, SEAM = 30.0, 0.5, 2.0


def impasto(binary, *arguments):
    """What the command prints with --json."""
    done = subprocess.run([binary, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"impasto {arguments[0]} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def square(path):
    """The middle square of a photo, SIZE x SIZE, its numbers taken as sRGB."""
    image = Image.open(path).convert("RGB")
    # Saved along, the profile would have `invert` change the colours that are compared here.
    image.info.pop("icc_profile", None)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def random_mask(random):
    """A disc, a stroke or a polygon, hard or soft; some of the photo always stays."""
    mask = Image.new("L", (SIZE, SIZE))
    draw, kind = ImageDraw.Draw(mask), random.integers(3)
    points = [tuple(map(float, point)) for point in random.uniform(0, SIZE, (random.integers(3, 6), 2))]
    if kind == 0:
        (x, y), radius = points[0], random.uniform(10, 80)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    elif kind == 1:
        draw.line(points, fill=255, width=int(random.integers(6, 40)), joint="curve")
    else:
        draw.polygon(points, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(random.uniform(2, 10))) if random.random() < 0.5 else mask


def edit(binary, inversion, mask, prompt, out, method, steps, strength=1.0, seed=0):
    """The pixels that `impasto edit` writes."""
    impasto(binary, "edit", "--inversion", inversion, "--mask", mask, "--prompt", prompt, "--out", out, "--method", method,
            "--steps", steps, "--strength", strength, "--seed", seed)
    return np.asarray(Image.open(out).convert("RGB")).astype(int)


def kept_bytes(binary, folder, photo, inversion, count, random):
    """Bytes outside the masks: how many were compared, and how many differ."""
    compared, differ, changed = 0, 0, 0
    for index in range(count):
        mask = random_mask(random)
        mask.save(folder / "mask.png")
        steps = (1, 2, 4)[index // 3 % 3]
        # One step cannot start in the middle.
        strength = 1.0 if steps == 1 else random.uniform(0.6, 1)
        made = edit(binary, inversion, folder / "mask.png", PROMPTS[index % len(PROMPTS)], folder / "made.png", METHODS[index % 3], steps, strength, index)
        outside = np.asarray(mask) == 0
        compared += int(outside.sum()) * 3
        differ += int((made != photo)[outside].sum())
        changed += int((made != photo)[~outside].any())
    return {"masks": count, "bytes_compared": compared, "bytes_that_differ": differ, "masks_that_changed_something": changed}


def seams(binary, folder, photo, inversion, prompt):
    """Per method and number of steps: colours along the border of a soft disc, in steps of 255."""
    disc = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(disc).ellipse((68, 68, 188, 188), fill=255)
    disc = disc.filter(ImageFilter.GaussianBlur(8))
    disc.save(folder / "mask.png")
    border = (np.asarray(disc) > 0) & (np.asarray(disc) < 255)
    found = {}
    for method in METHODS:
        for steps in (1, 2, 4):
            moved = (edit(binary, inversion, folder / "mask.png", prompt, folder / "made.png", method, steps) - photo)[border]
            found[f"{method} {steps}"] = {"mean_colour": float(np.abs(moved.mean(0)).mean()), "pixels": float(np.abs(moved).mean())}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--masks", type=int, default=100, help="masks for each photo")
    parser.add_argument("--prompt", default="", help="what the photos are inverted with")
    parser.add_argument("--binary", default=str(Path(__file__).parent.parent / "target/release/impasto"))
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    random, rows = np.random.default_rng(1), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path in sorted(options.photos.iterdir()):
            cut, inversion = square(path), folder / "photo.safetensors"
            cut.save(folder / "photo.png")
            photo = np.asarray(cut).astype(int)
            inverted = impasto(options.binary, "invert", "--image", folder / "photo.png", "--prompt", options.prompt, "--steps", 50, "--out", inversion)
            row = {"photo": path.name, "psnr_db": inverted["psnr_db"]}
            row["masks"] = kept_bytes(options.binary, folder, photo, inversion, options.masks, random)
            row["seams"] = seams(options.binary, folder, photo, inversion, options.prompt)
            rows.append(row)
            print(path.name, row["psnr_db"], row["masks"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if not report(rows):
        sys.exit(1)


def report(rows):
    """Prints the figures over all photos; says whether the bounds hold."""
    latents = np.array([row["psnr_db"]["latents"] for row in rows])
    behind = np.array([row["psnr_db"]["autoencoder"] - row["psnr_db"]["reconstruction"] for row in rows])
    compared, differ = (sum(row["masks"][name] for row in rows) for name in ("bytes_compared", "bytes_that_differ"))
    good = [latents.min() > LATENTS_DB, behind.max() <= BEHIND_AUTOENCODER_DB, compared > 0 and differ == 0]
    print(f"{len(rows)} photos; autoencoder alone, mean: {np.mean([row['psnr_db']['autoencoder'] for row in rows]):.1f} dB")
    print(f"latents there and back: mean {latents.mean():.1f} dB, least {latents.min():.1f} dB (bound {LATENTS_DB})")
    print(f"pixels behind the autoencoder: mean {behind.mean():.2f} dB, most {behind.max():.2f} dB (bound {BEHIND_AUTOENCODER_DB})")
    print(f"bytes outside the masks: {compared} compared, {differ} differ")
    for name in rows[0]["seams"]:
        colour, pixels = (np.array([row["seams"][name][kind] for row in rows]) for kind in ("mean_colour", "pixels"))
        good.append(colour.max() < SEAM)
        print(f"seam, {name} steps: mean colour moves {colour.mean():.2f}, most {colour.max():.2f} (bound {SEAM}); pixels {pixels.mean():.2f}")
    print("every bound holds" if all(good) else "a bound does not hold")
    return all(good)


if __name__ == "__main__":
    main()
