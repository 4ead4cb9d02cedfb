"""Binary frames: the length of a JSON header, the header, and an encoded image."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast

#: Left, top, width and height in canvas pixels.
Rect = tuple[int, int, int, int]


class FrameHeader(TypedDict):
    """What a frame's image is, and where it goes."""

    type: Literal["frame"]
    rev: int
    rect: list[int]
    step: int
    steps: int
    final: bool
    format: Literal["png", "jpeg", "webp"]
    layer: Literal["result", "sketch"]


@dataclass(frozen=True)
class Frame:
    """Pixels of a rectangle of a layer."""

    header: FrameHeader
    #: The encoded image, as large as the header's rect.
    image: bytes

    @property
    def rect(self) -> Rect:
        """Where it goes."""
        x, y, width, height = self.header["rect"]
        return x, y, width, height


def decode_frame(message: bytes) -> Frame:
    """Takes a binary message apart; raises `ValueError` where it is no frame."""
    if len(message) < 4:
        raise ValueError("the frame ends inside its header")
    (length,) = struct.unpack_from("<I", message)
    if 4 + length > len(message):
        raise ValueError("the frame ends inside its header")
    header: Any = json.loads(message[4 : 4 + length])
    if not isinstance(header, dict) or header.get("type") != "frame" or len(header.get("rect", [])) != 4:
        raise ValueError("the frame's header is not valid")
    return Frame(cast(FrameHeader, header), message[4 + length :])
