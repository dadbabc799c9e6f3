"""What a request that cannot be answered raises."""

from __future__ import annotations


class InvalidRequest(ValueError):
    """A request that cannot be answered; `reason` is a short counter name, the message says what is wrong."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
