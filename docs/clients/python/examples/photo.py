"""Uploads a photo, lets the model change a part of it, and saves the whole.

python photo.py http://localhost:7860/ studio photo.jpg "a red door" changed.png
"""

import asyncio
import sys
from pathlib import Path

from impasto_client import Room


async def main(server: str, name: str, photo: str, prompt: str, file: str) -> None:
    async with await Room.join(server, name, name="Editor") as room:
        kept = await room.upload(Path(photo).read_bytes())
        await room.place(kept["image"])
        print(f"placed {kept['width']} x {kept['height']} pixels")
        # The mask tool lets the model repaint without any paint; all else stays as it is, to the byte.
        canvas = room.welcome["canvas"]
        middle = (canvas["width"] / 2, canvas["height"] / 2, 1.0)
        seq = await room.paint([middle], tool="mask", size=120, prompt=prompt)
        await room.rendered(seq)
        Path(file).write_bytes(await room.export("png"))


if __name__ == "__main__":
    usual = ["http://localhost:7860/", "studio", "photo.jpg", "a red door", "changed.png"]
    asyncio.run(main(*(sys.argv[1:] + usual[len(sys.argv) - 1 :])))
