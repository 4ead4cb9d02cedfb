"""The HTTP calls of a server, with the standard library alone. They block."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin
from urllib.request import Request, urlopen

from ._errors import CallRefused

#: What a PNG begins with.
_PNG = b"\x89PNG\r\n\x1a\n"
#: Seconds that a call may rest: a picture may wait long for its turn.
_TIMEOUT = 600.0


@dataclass(frozen=True)
class Image:
    """A picture that was made without a room, and how."""

    #: The file.
    data: bytes
    seed: int
    #: Milliseconds by stage.
    timings: dict[str, float]


@dataclass(frozen=True)
class RecordedPicture:
    """A small picture of a room as it was."""

    #: A JPEG.
    data: bytes
    #: The last op that is in it.
    seq: int
    #: When it was recorded, in milliseconds since 1970.
    at_ms: int


@dataclass(frozen=True)
class _Answer:
    body: bytes
    headers: dict[str, str]


class Server:
    """A server by the address of its page, such as `http://localhost:7860/`.

    `token` is an invite or the operator's, where the server asks for one; `client` the secret of this client's hello,
    for invites that count their uses. Each call raises `CallRefused` where it comes to nothing.
    """

    def __init__(self, address: str, *, token: str | None = None, client: str | None = None) -> None:
        # Calls are beside the page: a proxy may serve both under a path.
        self._base = address if address.endswith("/") else address + "/"
        self._token = token
        self._client = client

    def url(self, path: str) -> str:
        """The address of a path beside the server's page."""
        return urljoin(self._base, path)

    def model(self) -> dict[str, Any]:
        """The model that it paints with."""
        return self._json("GET", "v1/model")

    def generate(self, prompt: str, *, sketch: bytes | None = None, mask: bytes | None = None, **options: Any) -> Image:
        """Makes a picture without a room; on a server with auth the operator's call.

        `sketch` and `mask` are PNG, JPEG or WebP files; `options` have the names of the protocol's settings, and `width`,
        `height`, `format` and `quality`.
        """
        files = {"sketch": sketch, "mask": mask}
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items() if data is not None}
        answer = self._call("POST", "v1/images", {"prompt": prompt, **encoded, **options})
        headers = answer.headers
        return Image(answer.body, int(headers["impasto-seed"]), _timings(headers.get("server-timing", "")))

    def make_room(self, *, name: str | None = None, width: int | None = None, height: int | None = None) -> dict[str, Any]:
        """Makes a room: `{room, url, invites}`; on a server with auth the operator's call."""
        body = {"name": name, "width": width, "height": height}
        return self._json("POST", "v1/rooms", {key: value for key, value in body.items() if value is not None})

    def facts(self, room: str) -> dict[str, Any]:
        """What there is to know of a room."""
        return self._json("GET", room_path(room))

    def upload(
        self, room: str, image: bytes, *, layer: str | None = None, for_layer: bool = False
    ) -> dict[str, Any]:
        """Uploads a picture: `{image, width, height}`. `layer` names one of an OpenRaster file. One `for_layer` keeps its
        transparency and is seen whole; another covers the canvas."""
        asked = {"layer": layer, "target": "layer" if for_layer else None}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return self._json("POST", f"{room_path(room)}/images?{query}", image)

    def picture(self, room: str, layer: str = "result") -> bytes:
        """A picture of the room as PNG: `result`, `sketch`, `mask`, `noise` or `reconstruction`."""
        return self._call("GET", f"{room_path(room)}/image?" + urlencode({"layer": layer})).body

    def export(self, room: str, format: str = "png", **query: str | int) -> bytes:
        """A file of the room's picture to take away: `layer`, `scale`, `quality` and `settings` may be said."""
        return self._call("GET", f"{room_path(room)}/export?" + urlencode({"format": format, **query})).body

    def rooms(self) -> list[str]:
        """Every room, the one that changed last first; on a server with auth the operator's call."""
        return [room["room"] for room in self._json("GET", "v1/rooms")["rooms"]]

    def rename(self, room: str, title: str) -> dict[str, Any]:
        """Gives a room another title and answers its facts; an empty one takes it away."""
        return self._json("PATCH", room_path(room), {"title": title})

    def duplicate(self, room: str, *, title: str | None = None) -> dict[str, Any]:
        """Makes a copy of a room: `{room, url, invites}`."""
        return self._json("POST", f"{room_path(room)}/duplicate", {} if title is None else {"title": title})

    def delete(self, room: str) -> None:
        """Deletes a room for good."""
        self._call("DELETE", room_path(room))

    def recording(self, room: str) -> Iterator[RecordedPicture]:
        """The pictures of a room over time, the oldest first, each as soon as it is there."""
        with self._open("GET", f"{room_path(room)}/recording") as answer:
            while length := _read(answer, 4, may_end=True):
                head = json.loads(_read(answer, struct.unpack("<I", length)[0]))
                yield RecordedPicture(_read(answer, head["bytes"]), head["seq"], head["at_ms"])

    def timelapse(
        self,
        room: str,
        *,
        heard: Callable[[int, int], None] | None = None,
        **query: str | int,
    ) -> bytes:
        """The same as one animated PNG; `seconds` and `side` may be said. `heard` is told how many of its pictures are
        made, and of how many."""
        with self._open("GET", f"{room_path(room)}/timelapse?" + urlencode(query)) as answer:
            frames, made, parts = int(answer.headers["impasto-frames"]), 0, [_read(answer, len(_PNG))]
            while head := _read(answer, 8, may_end=True):
                length, kind = struct.unpack(">I4s", head)
                # The length is of the content alone; a checksum follows it.
                parts += [head, _read(answer, length + 4)]
                made += kind == b"fcTL"
                if kind == b"fcTL" and heard is not None:
                    heard(made, frames)
            return b"".join(parts)

    def _json(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self._call(method, path, body).body))

    def _call(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> _Answer:
        with self._open(method, path, body) as answer:
            try:
                return _Answer(answer.read(), {name.lower(): value for name, value in answer.headers.items()})
            except (HTTPException, OSError) as error:
                raise _unreachable(error) from error

    def _open(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> HTTPResponse:
        headers: dict[str, str] = {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
            if self._client is not None:
                headers["Impasto-Client"] = self._client
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = Request(self.url(path), data=data, headers=headers, method=method)
        try:
            return cast(HTTPResponse, urlopen(request, timeout=_TIMEOUT))
        except HTTPError as error:
            raise _refusal(error) from None
        except (HTTPException, OSError) as error:
            raise _unreachable(error) from error


def room_path(room: str) -> str:
    """The path of a room, beside the server's page."""
    return f"v1/rooms/{quote(room, safe='')}"


def _read(answer: HTTPResponse, length: int, *, may_end: bool = False) -> bytes:
    """So many bytes; none where the answer may end here and does."""
    try:
        data = answer.read(length)
    except (HTTPException, OSError) as error:
        raise _unreachable(error) from error
    if len(data) < length and not (may_end and not data):
        raise CallRefused(answer.status, None, "the server ended its answer too early; try again")
    return data


def _unreachable(error: Exception) -> CallRefused:
    return CallRefused(0, None, f"the server cannot be reached: {error}")


def _refusal(answer: HTTPError) -> CallRefused:
    wait = answer.headers.get("retry-after")
    retry_after = float(wait) if wait is not None and wait.isdigit() else None
    try:
        error = json.loads(answer.read())["error"]
        return CallRefused(answer.code, error["code"], error["message"], retry_after)
    except (ValueError, KeyError, TypeError):
        return CallRefused(answer.code, None, f"{answer.code} {answer.reason}", retry_after)


def _timings(header: str) -> dict[str, float]:
    stages = (stage.strip().partition(";dur=") for stage in header.split(","))
    return {stage: float(spent) for stage, found, spent in stages if found}
