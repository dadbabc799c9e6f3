"""The exception of an attack that needs something which this machine lacks."""

from __future__ import annotations


class NotTried(Exception):
    """An attack cannot be tried on this machine; the message says what is missing."""
