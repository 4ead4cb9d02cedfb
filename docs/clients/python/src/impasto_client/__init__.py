"""A client of Impasto: it joins rooms, paints, hears of ops, frames and renders, and makes the HTTP calls."""

from ._errors import CallRefused, Refused
from ._frame import Frame, FrameHeader, Rect, decode_frame
from ._outbox import Message
from ._room import Event, Room
from ._server import Image, RecordedPicture, Server

__all__ = [
    "CallRefused",
    "Event",
    "Frame",
    "FrameHeader",
    "Image",
    "Message",
    "RecordedPicture",
    "Rect",
    "Refused",
    "Room",
    "Server",
    "decode_frame",
]
