"""The error of an invalid request."""

from __future__ import annotations


class InvalidRequest(ValueError):
    """An invalid request; `reason` is a short counter name, the message says what is wrong."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
