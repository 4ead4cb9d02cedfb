"""The prompts of the model card's sheet of words, 16 of each kind."""

import re

from concepts import THINGS
from data import chunk_captions, chunk_paths
from icons import render_all

LANDSCAPES = (
    "green hills under a blue sky", "calm lake and mountains", "sandy beach and blue sea", "sand dunes at sunset", "snowy mountains, night sky, moon",
    "pine forest", "meadow with flowers, sunny day", "sea at night, stars", "winding river, green meadow", "autumn trees on hills", "snow, snowy hills",
    "rain, dark clouds, meadow", "foggy forest", "ocean with waves, clouds", "lake with reflections, sunset sky", "desert, clear sky",
)
OBJECTS = (
    "red apple", "a house", "tree", "smiling face", "fish", "red car", "sailboat", "sunflower", "cat face", "mushroom", "ice cream", "butterfly", "strawberry",
    "palm tree", "red heart", "snowman",
)
OBJECTS_IN_LANDSCAPES = (
    "a house in a green meadow", "a sailboat on the sea", "a palm tree on a beach", "a castle on green hills", "a cow in a meadow", "a red car on a dirt road",
    "a tree on snowy hills", "a duck on a calm lake", "a tent by pine trees, night sky", "a balloon in the blue sky over hills", "a cactus in the desert",
    "a penguin in the snow", "a horse in a grassy field, sunset", "a snowman on snowy hills", "a fish in the sea", "a mushroom in the forest",
)
#: Words that no picture was ever shown with, each with the word that pictures were shown with.
NEVER_IN_A_CAPTION = {
    "lagoon": "lake", "pasture": "meadow", "woodland": "forest", "alps": "mountains", "shoreline": "shore", "prairie at dawn": "meadow at sunset", "pooch": "dog",
    "sedan": "car", "dinghy": "sailboat", "daffodil": "flower", "conifer": "pine tree", "bungalow": "house", "clementine": "tangerine", "gelato": "ice cream",
    "goldfish": "fish", "moth": "butterfly",
}


def groups():
    """The four kinds of prompts by their titles."""
    return {
        "Landscapes": LANDSCAPES,
        "Objects": OBJECTS,
        "Objects in landscapes": OBJECTS_IN_LANDSCAPES,
        "Words never in a caption": tuple(NEVER_IN_A_CAPTION),
    }


def seen_after_all():
    """Those words of NEVER_IN_A_CAPTION that a caption has, or a name that captions are made of: there should be none."""
    texts = [caption for path in chunk_paths() for caption in chunk_captions(path)]
    texts += [name for names in THINGS.values() for name in names]
    texts += [text for entry in render_all()[0] for text in (entry["label"], *entry["tags"])]
    known = {word for text in texts for word in re.findall(r"\w+", text.lower())}
    return sorted(word for prompt in NEVER_IN_A_CAPTION for word in prompt.split() if word in known and word != "at")
