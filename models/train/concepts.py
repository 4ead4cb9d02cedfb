"""Which objects are painted how often, and what people call them."""

#: Things that people paint first: emoji label -> other names. They come four times as often as the rest.
COMMON = {
    "red apple": ["apple", "red apple", "ripe apple"], "green apple": ["green apple", "apple"], "pear": ["pear"], "tangerine": ["orange", "tangerine", "mandarin"],
    "lemon": ["lemon"], "banana": ["banana"], "watermelon": ["watermelon", "slice of watermelon"], "strawberry": ["strawberry"], "cherries": ["cherries", "cherry"],
    "grapes": ["grapes"], "peach": ["peach"], "tomato": ["tomato"], "carrot": ["carrot"], "eggplant": ["eggplant", "aubergine"], "pineapple": ["pineapple"],
    "bread": ["bread", "loaf"], "cheese wedge": ["cheese"], "pizza": ["pizza", "slice of pizza"], "hamburger": ["burger", "hamburger"], "egg": ["egg"],
    "birthday cake": ["cake", "birthday cake"], "cupcake": ["cupcake"], "doughnut": ["donut", "doughnut"], "cookie": ["cookie"], "soft ice cream": ["ice cream", "ice cream cone"],
    "hot beverage": ["cup of coffee", "cup", "tea"], "mushroom": ["mushroom", "toadstool"],
    "house": ["house", "cottage", "home", "small house"], "house with garden": ["house", "house with garden"], "castle": ["castle"], "church": ["church"], "hut": ["hut", "cabin"],
    "tent": ["tent"], "school": ["school"], "Japanese castle": ["pagoda", "castle"],
    "deciduous tree": ["tree", "green tree", "oak", "leafy tree"], "evergreen tree": ["pine tree", "fir tree", "spruce", "evergreen"], "palm tree": ["palm tree", "palm"],
    "Christmas tree": ["christmas tree"], "cactus": ["cactus"], "potted plant": ["potted plant"], "sunflower": ["sunflower", "yellow flower"], "tulip": ["tulip", "red flower"],
    "rose": ["rose", "red rose"], "blossom": ["flower", "daisy"], "cherry blossom": ["pink flower", "blossom"], "hibiscus": ["hibiscus", "flower"], "bouquet": ["bouquet", "flowers"],
    "four leaf clover": ["clover"], "maple leaf": ["maple leaf", "red leaf"], "fallen leaf": ["autumn leaf", "brown leaf"], "seedling": ["sprout", "seedling"],
    "cat": ["cat", "kitten"], "cat face": ["cat face", "cat", "kitten face"], "dog": ["dog"], "dog face": ["dog face", "puppy", "dog"], "rabbit face": ["rabbit face", "bunny", "rabbit"],
    "rabbit": ["rabbit", "bunny", "hare"], "fox": ["fox"], "bear": ["bear", "bear face"], "panda": ["panda"], "lion": ["lion"], "tiger face": ["tiger face", "tiger"],
    "mouse face": ["mouse face", "mouse"], "pig face": ["pig face", "pig"], "cow face": ["cow face", "cow"], "cow": ["cow"], "horse": ["horse"], "ewe": ["sheep", "lamb"],
    "elephant": ["elephant"], "frog": ["frog"], "turtle": ["turtle", "tortoise"], "snake": ["snake"], "monkey face": ["monkey face", "monkey"], "hedgehog": ["hedgehog"],
    "fish": ["fish", "blue fish"], "tropical fish": ["tropical fish", "yellow fish"], "whale": ["whale"], "spouting whale": ["whale", "blue whale"], "dolphin": ["dolphin"], "octopus": ["octopus"], "crab": ["crab"],
    "bird": ["bird", "small bird"], "owl": ["owl"], "penguin": ["penguin"], "duck": ["duck"], "chicken": ["hen", "chicken"], "baby chick": ["chick", "yellow chick"], "swan": ["swan"],
    "butterfly": ["butterfly"], "honeybee": ["bee", "honeybee"], "lady beetle": ["ladybug", "ladybird"], "snail": ["snail"], "caterpillar": ["caterpillar"],
    "automobile": ["car", "red car"], "bus": ["bus"], "delivery truck": ["truck", "van"], "tractor": ["tractor"], "bicycle": ["bicycle", "bike"], "locomotive": ["train", "steam engine"],
    "fire engine": ["fire engine"], "sailboat": ["sailboat", "boat", "sailing boat"], "ship": ["ship"], "speedboat": ["speedboat", "motorboat"], "airplane": ["airplane", "plane"],
    "helicopter": ["helicopter"], "rocket": ["rocket", "spaceship"], "flying saucer": ["ufo", "flying saucer"], "balloon": ["balloon", "red balloon"], "kite": ["kite"],
    "sun": ["sun", "yellow sun"], "sun with face": ["smiling sun"], "full moon": ["moon", "full moon"], "crescent moon": ["crescent moon", "moon"], "star": ["star", "yellow star"],
    "cloud": ["cloud", "white cloud"], "cloud with rain": ["rain cloud", "rainy cloud"], "rainbow": ["rainbow"], "snowman": ["snowman"], "snowflake": ["snowflake"], "umbrella": ["umbrella"],
    "snow-capped mountain": ["mountain", "snowy mountain"], "mountain": ["mountain", "rocky mountain"], "volcano": ["volcano"], "fire": ["fire", "flame", "campfire"],
    "smiling face with smiling eyes": ["happy face", "blushing face"], "slightly smiling face": ["smiling face", "smile", "smiley face", "smiley"], "grinning face": ["grinning face"],
    "grinning face with smiling eyes": ["laughing face"], "crying face": ["sad face", "crying face"], "frowning face": ["sad face", "frowning face"],
    "winking face": ["winking face"], "angry face": ["angry face"], "smiling face with sunglasses": ["face with sunglasses", "cool face"], "ghost": ["ghost"], "robot": ["robot"],
    "jack-o-lantern": ["pumpkin", "halloween pumpkin"], "red heart": ["heart", "red heart"], "crown": ["crown"], "wrapped gift": ["gift", "present"], "teddy bear": ["teddy bear"],
    "soccer ball": ["ball", "football"], "basketball": ["basketball", "orange ball"], "guitar": ["guitar"], "light bulb": ["light bulb", "lamp"], "candle": ["candle"], "key": ["key"],
    "books": ["books"], "open book": ["book", "open book"], "chair": ["chair"], "bed": ["bed"], "top hat": ["hat"], "t-shirt": ["shirt", "t-shirt"], "dress": ["dress"], "glasses": ["glasses"],
    "wine glass": ["glass of wine", "wine"], "teapot": ["teapot"], "gem stone": ["diamond", "gem"], "unicorn": ["unicorn"], "dragon": ["dragon"], "sauropod": ["dinosaur"], "T-Rex": ["dinosaur", "t-rex"],
}

#: What people paint into an empty sheet before anything else. They come most often of all: a thing must have been seen
#: some thousand times before a small network paints it.
STARTERS = (
    "red apple", "tangerine", "strawberry", "cherries", "soft ice cream", "mushroom", "house", "deciduous tree", "evergreen tree", "palm tree", "sunflower", "blossom", "cat face", "dog face",
    "fish", "baby chick", "butterfly", "automobile", "sailboat", "sun", "star", "red heart", "slightly smiling face", "jack-o-lantern",
)

#: What they try next, starters among them.
FIRST = (
    "red apple", "green apple", "pear", "tangerine", "lemon", "banana", "strawberry", "cherries", "grapes", "tomato", "carrot", "watermelon", "birthday cake", "cupcake",
    "doughnut", "soft ice cream", "hot beverage", "mushroom", "house", "castle", "tent", "deciduous tree", "evergreen tree", "palm tree", "Christmas tree", "cactus", "sunflower",
    "tulip", "rose", "blossom", "cat", "cat face", "dog", "dog face", "rabbit face", "fox", "bear", "panda", "pig face", "frog", "turtle", "elephant", "fish", "tropical fish",
    "whale", "bird", "owl", "penguin", "duck", "baby chick", "butterfly", "lady beetle", "snail", "automobile", "bus", "sailboat", "airplane", "rocket", "balloon", "sun", "full moon",
    "star", "cloud", "rainbow", "snowman", "mountain", "volcano", "smiling face with smiling eyes", "slightly smiling face", "grinning face", "jack-o-lantern", "red heart", "ghost",
)

#: Kinds that are seen from the side, and so face either way. The rest is always drawn the same way round: where the
#: sketch does not tell, a network that must guess paints both ways over one another.
SIDED = ("animal", "bird", "swimmer", "vehicle", "boat", "flyer", "bug")

#: How often a kind of thing is drawn, beside the others.
KIND_WEIGHT = {"face": 0.25, "thing": 0.35, "creature": 0.7, "weather": 0.4}

#: Kinds whose colour may be anything; what is drawn in another colour is named without its own.
RECOLOURED = ("vehicle", "building", "thing", "boat", "flyer", "flower", "bird", "swimmer", "bug")
COLOURS = ("red", "green", "blue", "yellow", "orange", "brown", "white", "black", "pink", "purple", "golden")

#: Where things stand in a landscape, and how large they are beside a cow.
GROUND = {"animal": 0.75, "building": 1.5, "vehicle": 1.0, "plant": 1.2, "flower": 0.6, "creature": 0.8, "bug": 0.4}
SKY = {"flyer": 0.8, "bird": 0.45}
WATER = {"boat": 1.0, "swimmer": 0.7}
SIZES = {"deciduous tree": 1.7, "evergreen tree": 1.7, "palm tree": 1.7, "Christmas tree": 1.5, "castle": 2.0, "elephant": 1.2, "seedling": 0.4, "snail": 0.35,
         "mushroom": 0.5, "snowman": 0.9, "airplane": 0.9, "balloon": 0.6, "kite": 0.6, "bicycle": 0.7, "ship": 1.5, "hedgehog": 0.4, "mouse": 0.35, "house": 1.6}
#: Things of other kinds that are at home outdoors too.
OUTDOORS = {"snowman": "ground", "tent": "ground", "hut": "ground", "mushroom": "ground", "kite": "sky", "balloon": "sky", "duck": "ground", "chicken": "ground", "penguin": "ground",
            "turkey": "ground", "rooster": "ground", "swan": "water", "rainbow": "sky", "umbrella on ground": "ground", "fire": "ground", "teddy bear": "ground", "butterfly": "sky",
            "honeybee": "sky", "frog": "ground", "turtle": "ground", "crab": "ground"}
INDOORS = ("herb", "shamrock", "maple leaf", "fallen leaf", "leaf fluttering in wind", "bouquet", "rosette", "white flower", "potted plant", "paw prints", "wheel", "traffic light",
           "anchor", "ring buoy", "fuel pump", "seat", "parachute", "satellite", "bat", "mosquito", "microbe", "spider web", "brick", "rock", "wood", "stadium", "feather", "wing", "nest with eggs", "empty nest")


def weight(entry):
    """How often this drawing is chosen."""
    if entry["style"] == "fluent-emoji-flat":
        return 0.0
    style = {"noto": 1.0, "fluent-emoji": 0.3, "twemoji": 0.2}[entry["style"]]
    common = 4.0 if entry["label"] in COMMON else 0.55 * KIND_WEIGHT.get(entry["kind"], 1.0)
    return style * common


def place(entry):
    """Where this thing belongs in a landscape: ground, sky, water or nowhere."""
    if entry["label"] in OUTDOORS:
        return OUTDOORS[entry["label"]]
    if entry["label"] in INDOORS or entry["label"].endswith(" face"):
        return None
    return next((name for name, kinds in (("ground", GROUND), ("sky", SKY), ("water", WATER)) if entry["kind"] in kinds), None)


def size_beside_cow(entry):
    return SIZES.get(entry["label"], (GROUND | SKY | WATER).get(entry["kind"], 0.7))


def name(entry, random, recoloured=False):
    """One of the things that people call it, with the word for its style."""
    names = COMMON.get(entry["label"], [])
    choice = random.random()
    if names and choice < 0.85:
        text = names[random.integers(len(names))]
    elif choice < 0.97 or not entry["tags"]:
        text = entry["label"].lower()
    else:
        text = entry["tags"][random.integers(len(entry["tags"]))]
    if recoloured:
        text = " ".join(word for word in text.split() if word not in COLOURS) or entry["label"].lower()
    return text


def bare_name(caption):
    """A caption without the words that add nothing to it."""
    for before in ("a ", "one "):
        caption = caption.removeprefix(before)
    for after in (", storybook", " on white", ", white background", " on a white background"):
        caption = caption.removesuffix(after)
    return caption


def is_one_of(labels, caption):
    """True for a caption of one thing with one of these labels and nothing else."""
    caption = bare_name(caption)
    return any(caption == label.lower() or caption in COMMON.get(label, []) for label in labels)
