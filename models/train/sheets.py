"""Lays pictures out on the model card's sheets, each with its prompt."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, LABEL, COLOURS = 12, 18, 192


def labelled(text, pictures, side):
    """Pictures in a row, `side` pixels each, under their prompt."""
    row = np.concatenate([cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in pictures], 1)
    return np.concatenate([_written(text, row.shape[1], LABEL), row])


def _written(text, width, height):
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).text((2, height - 4), text, fill=(40, 40, 40), anchor="ls", font=ImageFont.load_default(12))
    return np.asarray(image)


def sheet(columns):
    """Columns of labelled rows side by side, each a title with its rows."""
    stacks = [np.concatenate([_written(title.upper(), rows[0].shape[1], LABEL + 6), *rows]) for title, rows in columns]
    tallest = max(len(stack) for stack in stacks)
    padded = [np.pad(stack, ((0, tallest - len(stack)), (0, GAP), (0, 0)), constant_values=255) for stack in stacks]
    return np.concatenate(padded, 1)[:, :-GAP]


def save(pixels, path):
    """A PNG of few colours: small enough for a repository."""
    Image.fromarray(pixels).quantize(COLOURS).save(path, optimize=True)
