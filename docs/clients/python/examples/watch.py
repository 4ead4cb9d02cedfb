"""Tells what happens in a room until it has seen some pixels that a model made.

python watch.py http://localhost:7860/ studio
"""

import asyncio
import sys

from impasto_client import Frame, Room


async def main(server: str, name: str) -> None:
    async with await Room.join(server, name, name="Watcher") as room:
        canvas = room.welcome["canvas"]
        members = len(room.welcome["members"])
        print(f"{name}: {canvas['width']} x {canvas['height']}, {members} members, {room.seq} ops", flush=True)
        # The connection comes back by itself, and is told what it missed.
        async for event in room.listen():
            if isinstance(event, Frame):
                x, y, width, height = event.rect
                header = event.header
                size = len(event.image)
                print(f"{header['layer']} {width} x {height} at {x}, {y}: {size} bytes of {header['format']}", flush=True)
                if header["layer"] == "result" and header["step"] > 0 and header["final"]:
                    break
            elif event["type"] == "op":
                print(f"op {event['seq']}: {event['op']['type']}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] + ["http://localhost:7860/", "studio"][len(sys.argv) - 1 :])))
