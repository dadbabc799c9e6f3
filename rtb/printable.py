"""Text of others made fit for a line of a log: it stays one line, and reads as what it is."""

from __future__ import annotations


def printable(text: str, most: int = 1_000) -> str:
    """Return a text with everything escaped that is not seen: line ends, control characters, changes of direction.

    Args:
        text: of anybody.
        most: characters of it that are kept.
    """
    if text.isprintable() and len(text) <= most:
        return text
    kept = "".join(sign if sign.isprintable() else _escaped(sign) for sign in text[:most])
    return kept if len(text) <= most else f"{kept}... ({len(text)} characters)"


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
