"""What an attack raises where this machine lacks something that it needs."""

from __future__ import annotations


class NotTried(Exception):
    """The attack cannot be tried on this machine; the message says what is missing."""
