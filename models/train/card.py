"""Makes the model card's pictures and numbers: the two contact sheets, figures.json, and its tables in README.md."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from drawings import landscapes, objects, objects_in_landscapes
from figures import BASE_GUIDANCE, all_figures, table
from painter import Painter
from prompts import groups, seen_after_all
from scores import Clip
from settings import CLIP_MODEL, DEVICE, MODEL, replace_file
from sheets import labelled, save, sheet

BEGIN, END = "<!-- figures: made by train/card.py -->", "<!-- end of figures -->"


def sheet_of_words(painter, variation, side=88):
    """64 prompts at 1, 2 and 4 steps, from words alone."""
    columns = []
    for title, prompts in groups().items():
        made = [painter.paint(None, list(prompts), steps, variation=variation) for steps in (1, 2, 4)]
        columns.append((title, [labelled(prompt, pictures, side) for prompt, *pictures in zip(prompts, *made)]))
    return sheet(columns)


def sheet_of_sketches(painter, variation, side=128, tall=8):
    """32 sketches painted by hand, each beside what two steps make of it, in columns of `tall`."""
    columns = []
    for title, examples in (("Landscapes", landscapes()), ("Objects", objects()), ("Objects in landscapes", objects_in_landscapes())):
        prompts, sketches = zip(*examples)
        made = painter.paint(np.stack(sketches), list(prompts), 2, variation=variation)
        rows = [labelled(prompt, pictures, side) for prompt, *pictures in zip(prompts, sketches, made)]
        columns += [(title, rows[start : start + tall]) for start in range(0, len(rows), tall)]
    return sheet(columns)


def rewrite_tables(readme, tables):
    """Puts the tables between the two marks of the model card."""
    before, rest = readme.read_text().split(BEGIN)
    text = f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}"
    replace_file(readme, lambda path: path.write_text(text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=MODEL, help="the diffusers folder to show")
    parser.add_argument("--clip", type=Path, default=CLIP_MODEL, help="the CLIPModel's folder")
    parser.add_argument("--out", type=Path, default=MODEL.parent, help="where the sheets and figures.json go, and where README.md is")
    parser.add_argument("--only", choices=("sheets", "figures"))
    parser.add_argument("--count", type=int, help="held-out pictures to take, for a quick look; README.md stays as it is")
    parser.add_argument("--guidance", type=float, default=BASE_GUIDANCE, help="of the base model")
    parser.add_argument("--variation", type=float, default=0.0, help="of the few-step pictures, 0 to 1")
    parser.add_argument("--few", action="store_true", help="leave out the base model, whose 50 steps take most of the time; README.md stays as it is")
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    painter = Painter(options.folder)
    if options.only != "figures":
        if seen := seen_after_all():
            raise SystemExit(f"Captions have these words after all, choose others in prompts.py: {', '.join(seen)}")
        save(sheet_of_words(painter, options.variation), options.out / "contact-sheet-words.png")
        save(sheet_of_sketches(painter, options.variation), options.out / "contact-sheet-sketches.png")
    if options.only != "sheets":
        figures = all_figures(painter, Clip(options.clip), options.count, options.guidance, options.variation, not options.few)
        print(table(figures))
        replace_file(options.out / "figures.json", lambda path: path.write_text(json.dumps(figures, indent=2) + "\n"))
        if options.count is None and not options.few and (options.out / "README.md").exists():
            rewrite_tables(options.out / "README.md", table(figures))
