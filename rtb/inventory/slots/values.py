"""Lists and lengths of an imp, normalised for slots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rtb.inventory.slots.types import NO_LIMIT
from rtb.runtime.caches import memoized

_NONE: frozenset[Any] = frozenset()

_MIMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "text/javascript": "application/javascript",
    "application/x-javascript": "application/javascript",
    "application/xhtml+xml": "text/html",
}
"""Usual names of media types by their aliases."""


def codes(values: Iterable[int] | None) -> frozenset[int]:
    """Return codes of a list of the specification as a set."""
    return frozenset(values) if values else _NONE


def mimes_of(values: Iterable[str] | None) -> frozenset[str]:
    """Return media types as a set of normalised ones."""
    return frozenset(map(plain_mime, values)) if values else _NONE


def names_of(values: Iterable[str] | None) -> frozenset[str]:
    """Return media types as a set of names as spelled, without case and parameters."""
    return frozenset(_bare(value) for value in values) if values else _NONE


def spelled(mime: str, names: frozenset[str]) -> str:
    """Return the spelling of a media type among names; empty where it is missing. Without names any is allowed."""
    if not names or mime in names:
        return mime
    plain = plain_mime(mime)
    return min((name for name in names if plain_mime(name) == plain), default="")


def _bare(mime: str) -> str:
    return mime.partition(";")[0].strip().lower()


@memoized("media types", 1 << 18)
def plain_mime(mime: str) -> str:
    """Return a media type in lower case, without parameters, under its usual name."""
    name = _bare(mime)
    return _MIMES.get(name, name)


def limit_of(value: int | None) -> int:
    """Return an upper limit; absent, 0 or a negative number, as some callers write it, means none."""
    return value if value and value > 0 else NO_LIMIT
