"""Which things are painted, what people call them, and where in a landscape they are at home."""

#: Emoji label -> what people call it, its commonest name first. Few things, painted well: what a small network paints
#: sharply it must have seen some thousand times.
THINGS = {
    "red apple": ["red apple", "apple"], "tangerine": ["orange", "tangerine"], "lemon": ["lemon"], "banana": ["banana"], "strawberry": ["strawberry"],
    "cherries": ["cherries"], "watermelon": ["watermelon"], "carrot": ["carrot"], "soft ice cream": ["ice cream"], "birthday cake": ["birthday cake", "cake"],
    "doughnut": ["donut"], "mushroom": ["mushroom"], "house": ["house", "home"], "castle": ["castle"], "tent": ["tent"], "deciduous tree": ["tree", "green tree"],
    "evergreen tree": ["pine tree", "fir tree"], "palm tree": ["palm tree"], "cactus": ["cactus"], "sunflower": ["sunflower"], "tulip": ["tulip", "red flower"],
    "cherry blossom": ["flower", "pink flower"], "cat face": ["cat face", "cat"], "dog face": ["dog face", "dog"], "rabbit face": ["rabbit", "bunny"], "cow": ["cow"],
    "horse": ["horse"], "ewe": ["sheep"], "fish": ["fish", "blue fish"], "whale": ["whale"], "duck": ["duck"], "baby chick": ["chick"], "penguin": ["penguin"], "bird": ["bird"],
    "owl": ["owl"], "butterfly": ["butterfly"], "lady beetle": ["ladybug"], "automobile": ["red car", "car"], "bus": ["bus"], "sailboat": ["sailboat", "boat"],
    "airplane": ["airplane"], "rocket": ["rocket"], "balloon": ["red balloon", "balloon"], "sun": ["sun"], "crescent moon": ["moon"], "star": ["star"], "rainbow": ["rainbow"],
    "red heart": ["red heart", "heart"], "slightly smiling face": ["smiling face", "smile"], "snowman without snow": ["snowman"], "jack-o-lantern": ["pumpkin"], "umbrella": ["umbrella"],
}

#: Things that newcomers try before the others come more often.
OFTEN = {"red apple", "house", "deciduous tree", "slightly smiling face", "fish", "automobile", "sailboat", "sunflower", "cat face", "mushroom", "soft ice cream", "butterfly", "strawberry",
         "palm tree", "red heart", "snowman without snow", "cherry blossom"}

#: Things that are also drawn in other colours, which the sketch then shows.
RECOLOURED = {"automobile", "fish", "balloon", "butterfly", "sailboat", "tulip", "house", "bus", "umbrella", "bird"}

#: Where things are in a landscape: spot -> label -> size beside a cow.
SPOTS = {
    "ground": {"mushroom": 0.7, "house": 1.5, "castle": 1.7, "tent": 1.2, "deciduous tree": 1.6, "evergreen tree": 1.6, "palm tree": 1.6, "cactus": 1.2, "sunflower": 1.0, "tulip": 0.8, "cow": 1.0,
               "horse": 1.1, "ewe": 0.9, "penguin": 0.8, "automobile": 1.1, "bus": 1.3, "snowman without snow": 1.1},
    "sky": {"bird": 0.7, "butterfly": 0.6, "airplane": 1.0, "balloon": 0.9, "rainbow": 1.2},
    "water": {"sailboat": 1.3, "duck": 0.8, "whale": 1.2, "fish": 0.8},
}
#: Where some things only are: kinds of landscape, or winter.
HOMES = {"penguin": "winter", "snowman without snow": "winter", "cactus": "desert", "palm tree": "beach desert coast", "mushroom": "forest meadow hills", "cow": "meadow hills mountains coast",
         "whale": "sea coast beach", "fish": "sea coast beach lake", "tulip": "meadow hills", "sunflower": "meadow hills"}


def at_home(label, kind, season):
    """True where a thing fits into a kind of landscape in a season."""
    return label not in HOMES or kind in HOMES[label].split() or season in HOMES[label].split()


def bare_name(caption):
    """A caption without the words that add nothing to it."""
    caption = caption.removeprefix("a ").removeprefix("an ")
    for after in (" on white", ", white background"):
        caption = caption.removesuffix(after)
    return caption
