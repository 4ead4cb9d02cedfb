"""Collects photos that the bundled model never saw, for benches/photo_figures.py and `impasto bench photo`.

    python benches/photos.py FOLDER
    python benches/photo_figures.py FOLDER
    impasto bench photo --photos FOLDER

Needs apt-get and dpkg with Debian's package lists, no root: the packages are fetched and unpacked in a scratch
folder, and nothing is installed. None of them is among those that models/train used (see models/README.md).

| package | licences of the photos taken |
| --- | --- |
| palapeli-data | public domain: bridge (Derek Jensen), citrus fruits (US Department of Agriculture), honey bee (John \
Severns); GNU FDL: castle (Eric Pouhier), chameleon (B. Navez and others) |
| python3-skimage | public domain: astronaut (NASA), rocket (SpaceX); CC0: cat (Stefan van der Walt), \
coffee (Rachel Michetti) |
| python3-sklearn | CC BY 2.0: palace (danielbuechele), flower (vultilion) |
| opencv-doc | OpenCV's samples, which its package puts under Apache 2.0 and BSD as a whole |
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIMAGE = "usr/lib/python3/dist-packages/skimage/data/"
SKLEARN = "usr/lib/python3/dist-packages/sklearn/datasets/images/"
PALAPELI = "usr/share/palapeli/collection/"
OPENCV = "usr/share/doc/opencv-doc/examples/"

PHOTOS = {
    "palapeli-data": [
        PALAPELI + "castle-maintenon.jpg",
        PALAPELI + "cincinnati-bridge.jpg",
        PALAPELI + "citrus-fruits.jpg",
        PALAPELI + "european-honey-bee.jpg",
        PALAPELI + "panther-chameleon-female.jpg",
    ],
    "python3-skimage": [
        SKIMAGE + "astronaut.png",
        SKIMAGE + "chelsea.png",
        SKIMAGE + "coffee.png",
        SKIMAGE + "rocket.jpg",
    ],
    "python3-sklearn": [SKLEARN + "china.jpg", SKLEARN + "flower.jpg"],
    "opencv-doc": [
        OPENCV + "alphamat/input_images/plant.jpg",
        OPENCV + "data/aloeL.jpg",
        OPENCV + "data/apple.jpg",
        OPENCV + "data/building.jpg",
        OPENCV + "data/butterfly.jpg",
        OPENCV + "data/fruits.jpg",
        OPENCV + "data/messi5.jpg",
        OPENCV + "data/orange.jpg",
        OPENCV + "data/squirrel_cls.jpg",
    ],
}


def collect(folder, scratch):
    """Fetches and unpacks every package, and copies its photos."""
    unpacked = scratch / "unpacked"
    for package, photos in PHOTOS.items():
        subprocess.run(["apt-get", "download", package], cwd=scratch, check=True)
        (archive,) = scratch.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
        for photo in photos:
            shutil.copy(unpacked / photo, folder / pathlib.Path(photo).name)
            print(folder / pathlib.Path(photo).name)


def main():
    """Takes the folder that the photos go to."""
    if len(sys.argv) != 2:
        sys.exit("usage: python benches/photos.py FOLDER")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        collect(folder, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
