"""The HTTP calls of a server, with the standard library alone. They block."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urljoin
from urllib.request import Request, urlopen

from ._errors import CallRefused

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

    def generate(self, prompt: str, *, sketch: bytes | None = None, mask: bytes | None = None, **wish: Any) -> Image:
        """Makes a picture without a room; on a server with auth the operator's call.

        `sketch` and `mask` are PNG, JPEG or WebP files; `wish` has the names of the protocol's settings, and `width`,
        `height`, `format` and `quality`.
        """
        files = {"sketch": sketch, "mask": mask}
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items() if data is not None}
        answer = self._call("POST", "v1/images", {"prompt": prompt, **encoded, **wish})
        headers = answer.headers
        return Image(answer.body, int(headers["impasto-seed"]), _timings(headers.get("server-timing", "")))

    def make_room(self, *, name: str | None = None, width: int | None = None, height: int | None = None) -> dict[str, Any]:
        """Makes a room: `{room, url, invites}`; on a server with auth the operator's call."""
        wish = {"name": name, "width": width, "height": height}
        return self._json("POST", "v1/rooms", {key: value for key, value in wish.items() if value is not None})

    def facts(self, room: str) -> dict[str, Any]:
        """What there is to know of a room."""
        return self._json("GET", room_path(room))

    def upload(self, room: str, image: bytes, *, layer: str | None = None) -> dict[str, Any]:
        """Uploads a picture for `place`: `{image, width, height}`. `layer` names one of an OpenRaster file."""
        query = "" if layer is None else "?" + urlencode({"layer": layer})
        return self._json("POST", f"{room_path(room)}/images{query}", image)

    def picture(self, room: str, layer: str = "result") -> bytes:
        """A picture of the room as PNG: `result`, `sketch`, `mask`, `noise` or `reconstruction`."""
        return self._call("GET", f"{room_path(room)}/image?" + urlencode({"layer": layer})).body

    def export(self, room: str, format: str = "png", **query: str | int) -> bytes:
        """A file of the room's picture to take away: `layer`, `scale`, `quality` and `settings` may be said."""
        return self._call("GET", f"{room_path(room)}/export?" + urlencode({"format": format, **query})).body

    def _json(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self._call(method, path, body).body))

    def _call(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> _Answer:
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
            with urlopen(request, timeout=_TIMEOUT) as answer:
                return _Answer(answer.read(), {name.lower(): value for name, value in answer.headers.items()})
        except HTTPError as error:
            raise _refusal(error) from None
        except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
            raise CallRefused(0, None, f"the server cannot be reached: {error}") from error


def room_path(room: str) -> str:
    """The path of a room, beside the server's page."""
    return f"v1/rooms/{quote(room, safe='')}"


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
