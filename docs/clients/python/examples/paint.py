"""Paints a stroke, waits for what the model makes of it, and saves the picture.

python paint.py http://localhost:7860/ studio picture.png
"""

import asyncio
import sys
from pathlib import Path

from impasto_client import Room


async def main(server: str, name: str, file: str) -> None:
    async with await Room.join(server, name, name="Painter") as room:
        await room.settings(prompt="a harbour at night", seed=7)
        seq = await room.paint([(100 + 10 * at, 200 + 4 * at, 0.8) for at in range(12)], color="#2060c0", size=40)
        done = await room.rendered(seq)
        print(f"op {seq} was rendered in {done['timings_ms']['total']} ms")
        Path(file).write_bytes(await room.export("png"))


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] + ["http://localhost:7860/", "studio", "picture.png"][len(sys.argv) - 1 :])))
