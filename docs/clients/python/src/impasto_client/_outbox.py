"""What was said and not yet acknowledged, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]

#: Which message a refusal that names no stroke is about, by its code.
_ABOUT = {
    "nothing_to_undo": ("undo", "redo", "revert"),
    "unknown_sampler": ("settings",),
    "unknown_image": ("place",),
    "prompt_blocked": ("settings", "place"),
    "room_locked": ("settings", "apply", "place", "undo", "redo", "revert"),
    "forbidden": ("settings", "apply", "place", "undo", "redo", "revert"),
    "invalid_value": ("settings", "apply", "place", "undo", "redo", "revert"),
}


@dataclass
class Entry:
    """A message that becomes an op, and who waits for its `seq`."""

    message: Message
    seq: asyncio.Future[int] = field(repr=False)


class Outbox:
    """The server answers in the order it was asked, so an acknowledgement belongs to the oldest entry that fits. One
    op is acknowledged twice, by `ack` and by its own `op`; its `seq` tells the second from a new one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._settled = 0

    def add(self, message: Message) -> asyncio.Future[int]:
        """Keeps a message until it is acknowledged; the answer becomes its `seq`."""
        entry = Entry(message, asyncio.get_running_loop().create_future())
        self.entries.append(entry)
        return entry.seq

    def acknowledge(self, seq: int, stroke: str | None) -> None:
        """An `ack` came."""
        self._settle(seq, lambda message: _stroke_of(message) == stroke)

    def recognise(self, seq: int, op: Message) -> None:
        """An op of our own came."""
        self._settle(seq, lambda message: message["type"] == op["type"] and message.get("id") == op.get("id"))

    def refuse(self, error: Message) -> Entry | None:
        """A refusal came: takes the message that it is about away and answers it."""
        stroke = error.get("id")
        kinds = _ABOUT.get(error["code"], ())
        for entry in self.entries:
            own = _stroke_of(entry.message)
            if own == stroke if stroke is not None else entry.message["type"] in kinds:
                self.entries.remove(entry)
                return entry
        return None

    def restart(self) -> None:
        """The room counts from the beginning again."""
        self._settled = 0

    def give_up(self, reason: Exception) -> None:
        """Nothing will be acknowledged any more."""
        for entry in self.entries:
            if not entry.seq.done():
                entry.seq.set_exception(reason)
                # Whoever does not wait for it need not hear of it.
                entry.seq.exception()
        self.entries.clear()

    def _settle(self, seq: int, fits: Callable[[Message], bool]) -> None:
        if seq <= self._settled:
            return
        for entry in self.entries:
            if fits(entry.message):
                self._settled = seq
                self.entries.remove(entry)
                if not entry.seq.done():
                    entry.seq.set_result(seq)
                return


def _stroke_of(message: Message) -> str | None:
    stroke = message.get("id") if message["type"] == "stroke" else None
    return stroke if isinstance(stroke, str) else None
