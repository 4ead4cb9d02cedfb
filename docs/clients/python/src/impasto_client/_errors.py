"""Why something came to nothing."""

from __future__ import annotations


class Refused(Exception):
    """The room let us not in, or refused an op; `code` is one of the protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CallRefused(Exception):
    """The server refused an HTTP call, or was not reached: `status` is 0 then."""

    def __init__(self, status: int, code: str | None, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        #: Seconds after which to try again, where the server says so.
        self.retry_after = retry_after
