"""The client against a stand-in for the server that says what each test wants."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import unittest
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from websockets.asyncio.server import ServerConnection, serve  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402
from websockets.typing import Subprotocol  # noqa: E402

from impasto_client import CallRefused, Frame, RecordedPicture, Refused, Room, Server, decode_frame  # noqa: E402

Message = dict[str, Any]
Script = Callable[["Stand"], Awaitable[None]]


class Stand:
    """One connection, as the stand-in sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Message:
        message = json.loads(await self.socket.recv())
        assert isinstance(message, dict)
        return message

    async def welcome(self, seq: int) -> Message:
        hello = await self.hear()
        assert hello["type"] == "hello" and hello["protocol"] == 1
        canvas = {"width": 64, "height": 64}
        await self.say(type="welcome", protocol=1, room="r", client="me", role="owner", seq=seq, canvas=canvas, members=[])
        return hello

    async def rest(self) -> None:
        await self.socket.wait_closed()


def frame(rev: int) -> bytes:
    header = {"type": "frame", "rev": rev, "rect": [0, 0, 64, 64], "step": 2, "steps": 2, "final": True}
    text = json.dumps({**header, "format": "png", "layer": "result"}).encode()
    return struct.pack("<I", len(text)) + text + b"image"


class ClientTest(unittest.IsolatedAsyncioTestCase):
    async def serve(self, *scripts: Script) -> str:
        """A server whose first connection goes by the first script, and so on."""
        waiting = list(scripts)
        self.failures: list[BaseException] = []

        async def answer(socket: ServerConnection) -> None:
            assert socket.request is not None and socket.request.path == "/base/v1/rooms/a%20room/ws"
            try:
                await waiting.pop(0)(Stand(socket))
            except ConnectionClosed:
                pass
            except BaseException as error:
                self.failures.append(error)

        server = await serve(answer, "127.0.0.1", 0, subprotocols=[Subprotocol("impasto.v1")])
        self.addAsyncCleanup(self.close, server)
        host, port = next(iter(server.sockets)).getsockname()[:2]
        return f"http://{host}:{port}/base"

    async def close(self, server: Any) -> None:
        server.close()
        await server.wait_closed()
        self.assertEqual(self.failures, [])

    async def test_a_stroke_goes_in_parts_and_is_answered_with_its_last_seq(self) -> None:
        heard: list[Message] = []

        async def script(stand: Stand) -> None:
            await stand.welcome(0)
            for seq in (1, 2, 3):
                message = await stand.hear()
                heard.append(message)
                await stand.say(type="ack", id=message["id"], seq=seq)
            await stand.say(type="render", state="done", rev=3, rect=[0, 0, 64, 64], steps=2)
            await stand.socket.send(frame(3))
            await stand.rest()

        async with await Room.join(await self.serve(script), "a room") as room:
            events = room.listen()
            self.assertEqual(await room.paint([(1, 2, 1)] * 2500, color="#ff0000"), 3)
            self.assertEqual((await room.rendered(3))["rev"], 3)
            self.assertEqual((await room.rendered(2))["rev"], 3)
            async for event in events:
                if isinstance(event, Frame):
                    break
            assert isinstance(event, Frame)
            self.assertEqual((event.rect, event.image), ((0, 0, 64, 64), b"image"))
        self.assertEqual([len(message["points"]) for message in heard], [1000, 1000, 500])
        self.assertEqual([message["done"] for message in heard], [False, False, True])
        self.assertEqual(["color" in message for message in heard], [True, False, False])
        self.assertEqual(len({message["id"] for message in heard}), 1)

    async def test_after_a_loss_it_comes_back_with_last_seq_and_sends_again_what_was_not_acknowledged(self) -> None:
        hellos: list[Message] = []
        again: list[Message] = []

        async def first(stand: Stand) -> None:
            hellos.append(await stand.welcome(4))
            message = await stand.hear()
            await stand.say(type="ack", seq=5)
            self.assertEqual(message, {"type": "settings", "prompt": "sea"})
            await stand.hear()
            await stand.hear()
            # Both are lost; the first had become an op.
            stand.socket.transport.abort()

        async def second(stand: Stand) -> None:
            hellos.append(await stand.welcome(6))
            await stand.say(type="op", seq=6, client="me", op={"type": "settings", "steps": 2})
            again.append(await stand.hear())
            await stand.say(type="ack", seq=7)
            await stand.rest()

        async with await Room.join(await self.serve(first, second), "a room", token="t") as room:
            self.assertEqual(await room.settings(prompt="sea"), 5)
            # As whoever sees all ops would know.
            room.seq = 5
            lost = [asyncio.create_task(room.settings(steps=2)), asyncio.create_task(room.apply())]
            self.assertEqual(await asyncio.gather(*lost), [6, 7])
        self.assertEqual(again, [{"type": "apply"}])
        self.assertNotIn("last_seq", hellos[0])
        self.assertEqual(hellos[1]["last_seq"], 5)
        self.assertEqual([hello["token"] for hello in hellos], ["t", "t"])
        self.assertEqual(hellos[0]["client"], hellos[1]["client"])

    async def test_a_refusal_is_raised_where_it_belongs(self) -> None:
        async def script(stand: Stand) -> None:
            await stand.welcome(0)
            await stand.hear()
            await stand.say(type="error", code="nothing_to_undo", message="Nothing is left.")
            stroke = await stand.hear()
            await stand.say(type="error", code="invalid_value", message="Too wide.", id=stroke["id"])
            await stand.hear()
            await stand.rest()

        room = await Room.join(await self.serve(script), "a room")
        with self.assertRaises(Refused) as refused:
            await room.undo()
        self.assertEqual(refused.exception.code, "nothing_to_undo")
        with self.assertRaisesRegex(Refused, "Too wide"):
            await room.paint([(1, 1, 1)], size=9999)
        waiting = asyncio.create_task(room.apply())
        await asyncio.sleep(0)
        await room.leave()
        with self.assertRaises(ConnectionError):
            await waiting

    async def test_who_is_not_let_in_is_told_and_does_not_try_again(self) -> None:
        async def script(stand: Stand) -> None:
            await stand.hear()
            await stand.say(type="error", code="invalid_token", message="Ask for a link.")
            await stand.rest()

        with self.assertRaises(Refused) as refused:
            await Room.join(await self.serve(script), "a room")
        self.assertEqual(refused.exception.code, "invalid_token")

    async def test_a_full_room_is_tried_again(self) -> None:
        async def full(stand: Stand) -> None:
            await stand.hear()
            await stand.say(type="error", code="room_full", message="The room is full.", retry_after_ms=1)

        async def free(stand: Stand) -> None:
            await stand.welcome(0)
            await stand.rest()

        async with await Room.join(await self.serve(full, free), "a room") as room:
            self.assertEqual(room.seq, 0)

    def test_what_is_no_frame_is_refused(self) -> None:
        self.assertEqual(decode_frame(frame(7)).header["rev"], 7)
        for bad in (b"", b"\x01", frame(7)[:20], struct.pack("<I", 2) + b"{}"):
            with self.assertRaises(ValueError):
                decode_frame(bad)


class CallsTest(unittest.TestCase):
    """Calls against a stand-in that answers each path with the same bytes."""

    def serve(self, **answers: bytes) -> Server:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = answers[self.path.split("?")[0].rsplit("/", 1)[1]]
                self.send_response(200)
                self.send_header("Impasto-Frames", "2")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return Server(f"http://127.0.0.1:{server.server_port}/base")

    def test_a_recording_is_read_picture_by_picture(self) -> None:
        pictures = [RecordedPicture(b"first", 3, 1000), RecordedPicture(b"the second", 9, 4000)]
        body = b""
        for one in pictures:
            head = json.dumps({"seq": one.seq, "at_ms": one.at_ms, "bytes": len(one.data)}).encode()
            body += struct.pack("<I", len(head)) + head + one.data
        self.assertEqual(list(self.serve(recording=body).recording("a room")), pictures)
        read = self.serve(recording=body[:-1]).recording("a room")
        self.assertEqual(next(read), pictures[0])
        with self.assertRaisesRegex(CallRefused, "too early"):
            next(read)

    def test_a_time_lapse_says_how_far_it_is(self) -> None:
        chunks = [(b"IHDR", b"x" * 13), (b"fcTL", b"y" * 26), (b"IDAT", b"fcTL"), (b"fcTL", b"z" * 26), (b"IEND", b"")]
        body = b"\x89PNG\r\n\x1a\n"
        for kind, content in chunks:
            body += struct.pack(">I4s", len(content), kind) + content + b"sum!"
        heard: list[tuple[int, int]] = []
        server = self.serve(timelapse=body)
        self.assertEqual(server.timelapse("r", heard=lambda made, of: heard.append((made, of)), seconds=3), body)
        self.assertEqual(heard, [(1, 2), (2, 2)])
        with self.assertRaisesRegex(CallRefused, "too early"):
            self.serve(timelapse=body[:-2]).timelapse("r")


if __name__ == "__main__":
    unittest.main()
