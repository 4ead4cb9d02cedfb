"""A room that we are a member of."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Union

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from ._errors import Refused
from ._frame import Frame, decode_frame
from ._outbox import Message, Outbox
from ._server import Server, room_path

#: What a room tells: messages as the protocol has them, and frames.
Event = Union[Message, Frame]

_PROTOCOL = 1
_SUBPROTOCOL = Subprotocol("impasto.v1")
#: Points of one message of a stroke.
_CHUNK_POINTS = 1000
_FIRST_RETRY = 0.25
_LONGEST_RETRY = 10.0
#: Seconds after which messages are sent again at the latest, where ops were missed.
_REPLAY_WAIT = 0.5
#: Events that wait for a slow listener; of more the oldest are dropped.
_EVENTS_MOST = 1024
#: Refusals that end a connection for good: whoever comes back to a deleted room would find another one, or none, and
#: whoever was removed is not let in.
_FINAL = ("room_deleted", "removed")
#: Refusals of a hello that pass; trying again does not change the others.
_PASSING = ("room_full", "unavailable", "rate_limited", "internal")


class Room:
    """A room that we are a member of. After a loss the connection comes back by itself, with `last_seq`, and sends
    again what was not acknowledged; calls that wait for an op go on waiting meanwhile."""

    def __init__(self, address: str, room: str, *, token: str | None, name: str, client: str) -> None:
        self.name = room
        self.server = Server(address, token=token, client=client)
        #: What the server said when it let us in the last time.
        self.welcome: Message = {}
        #: `seq` of the last op that was seen.
        self.seq = 0
        self._token = token
        self._member_name = name
        self._client = client
        self._outbox = Outbox()
        self._socket: ClientConnection | None = None
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        #: `seq` up to which the server replays before unacknowledged messages are sent again.
        self._replay_until: int | None = None
        self._retry_after = 0.0
        #: The newest of the renders that are done.
        self._last_done: Message | None = None
        self._failure: Exception | None = None
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def join(
        cls, server: str, room: str, *, token: str | None = None, name: str = "Guest", client: str | None = None
    ) -> Room:
        """Joins a room; raises `Refused` where the server does not let us in.

        `server` is the address of its page. `client` is this client's secret: whoever comes back with the same one is
        the same member. It is random when left out.
        """
        joined = cls(server, room, token=token, name=name, client=client or str(uuid.uuid4()))
        joined._task = asyncio.create_task(joined._stay())
        try:
            await joined._joined
        except BaseException:
            await joined.leave()
            raise
        return joined

    async def __aenter__(self) -> Room:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Leaves; what was not acknowledged is given up."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._end(self._failure or ConnectionError("the room was left"))

    # Ops: each answers its `seq` once the server has it, and raises `Refused` where it refuses.

    async def paint(
        self,
        points: Iterable[tuple[float, float, float]],
        *,
        tool: str = "brush",
        size: float = 24.0,
        hardness: float = 0.8,
        opacity: float = 1.0,
        color: str = "#000000",
        prompt: str | None = None,
    ) -> int:
        """Paints a stroke through `(x, y, pressure)` points; answers the `seq` of its last op."""
        stroke = str(uuid.uuid4())
        brush: Message = {"tool": tool, "size": size, "hardness": hardness, "opacity": opacity, "color": color}
        if prompt is not None:
            brush["prompt"] = prompt
        every = [list(point) for point in points]
        parts = [every[at : at + _CHUNK_POINTS] for at in range(0, len(every), _CHUNK_POINTS)] or [[]]
        sent = []
        for number, part in enumerate(parts):
            message = {"type": "stroke", "id": stroke, "points": part, "done": number + 1 == len(parts)}
            sent.append(await self._say_op({**message, **(brush if number == 0 else {})}))
        return max(await asyncio.gather(*sent))

    async def settings(self, **patch: Any) -> int:
        """Changes settings, by the protocol's names."""
        return await (await self._say_op({"type": "settings", **patch}))

    async def apply(self) -> int:
        """The result becomes the base, and the mask is empty."""
        return await (await self._say_op({"type": "apply"}))

    async def undo(self) -> int:
        """Takes our last op back."""
        return await (await self._say_op({"type": "undo"}))

    async def redo(self) -> int:
        """Does it again."""
        return await (await self._say_op({"type": "redo"}))

    async def revert(self, seq: int) -> int:
        """The picture as it was after an op."""
        return await (await self._say_op({"type": "revert", "seq": seq}))

    async def place(self, image: str, mode: str = "plain", prompt: str | None = None) -> int:
        """An uploaded image becomes the base; `prompt` says what it shows, for the mode `invert`."""
        message: Message = {"type": "place", "image": image, "mode": mode}
        if prompt is not None:
            message["prompt"] = prompt
        return await (await self._say_op(message))

    async def place_on_layer(self, image: str, layer: int) -> int:
        """An image that was uploaded `for_layer` is laid over what is on a layer, 0 for the lowest."""
        return await (await self._say_op({"type": "place", "image": image, "mode": "plain", "layer": layer}))

    async def render(self, **options: Any) -> None:
        """Renders what the mask covers now: `rect` and `steps` may be said. Messages of type `render` tell of it."""
        await self._say({"type": "render", **options})

    async def say(self, text: str) -> None:
        """Says something to everybody in the room; a message of type `chat` tells of it."""
        await self._say({"type": "chat", "text": text})

    # The room's HTTP calls, beside the event loop.

    async def upload(self, image: bytes, *, layer: str | None = None, for_layer: bool = False) -> Message:
        """Uploads a PNG, JPEG, WebP or OpenRaster file: `{image, width, height}`, for `place` or, `for_layer`, for
        `place_on_layer`."""
        return await asyncio.to_thread(self.server.upload, self.name, image, layer=layer, for_layer=for_layer)

    async def export(self, format: str = "png", **query: str | int) -> bytes:
        """A file of the room's picture to take away."""
        return await asyncio.to_thread(self.server.export, self.name, format, **query)

    async def picture(self, layer: str = "result") -> bytes:
        """A picture of the room as PNG."""
        return await asyncio.to_thread(self.server.picture, self.name, layer)

    # Events.

    def listen(self) -> AsyncIterator[Event]:
        """What the room tells from this moment on. Who listens slowly misses the oldest of many events."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_EVENTS_MOST)
        self._listeners.add(queue)
        return self._events(queue)

    async def _events(self, queue: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        try:
            while self._failure is None or not queue.empty():
                event = await queue.get()
                if event is None:
                    break
                yield event
        finally:
            self._listeners.discard(queue)
        if isinstance(self._failure, Refused):
            raise self._failure

    async def rendered(self, seq: int) -> Message:
        """Waits until a render that includes the op `seq` is done; answers what was told of it."""
        events = self.listen()
        if self._last_done is not None and self._last_done["rev"] >= seq:
            return self._last_done
        async for event in events:
            if isinstance(event, dict) and _is_done(event) and event["rev"] >= seq:
                return event
        raise self._failure or ConnectionError("the room was left")

    # The connection.

    async def _stay(self) -> None:
        attempt = 0
        while self._failure is None:
            try:
                url = self.server.url(f"{room_path(self.name)}/ws").replace("http", "ws", 1)
                async with connect(url, subprotocols=[_SUBPROTOCOL], max_size=None) as socket:
                    await self._hello(socket)
                    async for data in socket:
                        await self._receive(socket, data)
                        if self._socket is socket:
                            attempt = 0
                        if self._failure is not None:
                            break
            except (OSError, asyncio.TimeoutError, WebSocketException):
                pass
            finally:
                self._socket = None
                self._replay_until = None
            if self._failure is not None:
                break
            longest = min(_LONGEST_RETRY, _FIRST_RETRY * 2**attempt)
            pause = self._retry_after + longest * random.uniform(0.5, 1.0)
            self._retry_after = 0.0
            attempt += 1
            await asyncio.sleep(pause)
        self._end(self._failure)

    async def _hello(self, socket: ClientConnection) -> None:
        hello: Message = {"type": "hello", "protocol": _PROTOCOL, "client": self._client, "name": self._member_name}
        if self._token is not None:
            hello["token"] = self._token
        if self.welcome:
            hello["last_seq"] = self.seq
        await socket.send(json.dumps(hello))

    async def _receive(self, socket: ClientConnection, data: str | bytes) -> None:
        if isinstance(data, bytes):
            # The ops that were missed come before the picture.
            await self._resend(socket)
            self._tell(decode_frame(data))
            return
        message: Message = json.loads(data)
        kind = message["type"]
        if kind == "welcome":
            await self._let_in(socket, message)
        elif kind == "ack":
            self._outbox.acknowledge(message["seq"], message.get("id"))
        elif kind == "op":
            self.seq = max(self.seq, message["seq"])
            if message["client"] == self.welcome.get("client"):
                self._outbox.recognise(message["seq"], message["op"])
        elif kind == "error":
            if self._refused(socket, message):
                return
        elif kind == "goaway":
            self._retry_after = message["retry_after_ms"] / 1000
        self._tell(message)
        if kind == "op" and self._replay_until is not None and message["seq"] >= self._replay_until:
            await self._resend(socket)

    async def _let_in(self, socket: ClientConnection, welcome: Message) -> None:
        came_back = bool(self.welcome)
        missed = came_back and welcome["seq"] > self.seq
        if welcome["seq"] < self.seq or not came_back:
            # A room that began anew counts from the beginning.
            if came_back:
                self._outbox.restart()
            self._last_done = None
            self.seq = welcome["seq"]
        self.welcome = welcome
        self._socket = socket
        self._replay_until = welcome["seq"]
        if missed:
            asyncio.get_running_loop().call_later(_REPLAY_WAIT, self._resend_soon, socket)
        else:
            await self._resend(socket)
        if not self._joined.done():
            self._joined.set_result(None)

    def _resend_soon(self, socket: ClientConnection) -> None:
        if self._socket is socket and self._replay_until is not None:
            task = asyncio.ensure_future(self._resend(socket))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _resend(self, socket: ClientConnection) -> None:
        if self._socket is not socket or self._replay_until is None:
            return
        self.seq = max(self.seq, self._replay_until)
        self._replay_until = None
        for entry in list(self._outbox.entries):
            await socket.send(json.dumps(entry.message))

    def _refused(self, socket: ClientConnection, error: Message) -> bool:
        """Whether somebody was told of a refusal who waits for it."""
        is_in = self._socket is socket
        if error["code"] in _FINAL or (not is_in and error["code"] not in _PASSING):
            self._failure = Refused(error["code"], error["message"])
            return False
        if not is_in:
            self._retry_after = error.get("retry_after_ms", 0) / 1000
            return False
        entry = self._outbox.refuse(error)
        if entry is None:
            return False
        if not entry.seq.done():
            entry.seq.set_exception(Refused(error["code"], error["message"]))
        return True

    async def _say_op(self, message: Message) -> asyncio.Future[int]:
        if self._failure is not None:
            raise self._failure
        seq = self._outbox.add(message)
        if self._replay_until is None:
            await self._say(message)
        return seq

    async def _say(self, message: Message) -> None:
        if self._socket is not None:
            # What is lost here is sent again once the connection is back.
            with suppress(WebSocketException):
                await self._socket.send(json.dumps(message))

    def _tell(self, event: Event) -> None:
        if isinstance(event, dict) and _is_done(event):
            if self._last_done is None or event["rev"] >= self._last_done["rev"]:
                self._last_done = event
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def _end(self, reason: Exception) -> None:
        self._failure = reason
        self._outbox.give_up(reason)
        if not self._joined.done():
            self._joined.set_exception(reason)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)


def _is_done(message: Message) -> bool:
    return message["type"] == "render" and message["state"] == "done" and "work" not in message
