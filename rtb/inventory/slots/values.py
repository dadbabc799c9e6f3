"""Lists and lengths of an imp in the form that slots keep them in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rtb.inventory.slots.types import NO_LIMIT
from rtb.runtime.bounded import remembered

_NONE: frozenset[Any] = frozenset()

_MIMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "text/javascript": "application/javascript",
    "application/x-javascript": "application/javascript",
    "application/xhtml+xml": "text/html",
}
"""Other names of a type."""


def codes(values: Iterable[int] | None) -> frozenset[int]:
    """Codes of some list of the specification, as a set."""
    return frozenset(values) if values else _NONE


def mimes_of(values: Iterable[str] | None) -> frozenset[str]:
    """Media types as a set of plain ones."""
    return frozenset(map(plain_mime, values)) if values else _NONE


def names_of(values: Iterable[str] | None) -> frozenset[str]:
    """Media types as a set of names as they are spelled, but for case and parameters."""
    return frozenset(_bare(value) for value in values) if values else _NONE


def spelled(mime: str, names: frozenset[str]) -> str:
    """The one of some names that means a media type; empty where none does. Any will do where there are none."""
    if not names or mime in names:
        return mime
    plain = plain_mime(mime)
    return min((name for name in names if plain_mime(name) == plain), default="")


def _bare(mime: str) -> str:
    return mime.partition(";")[0].strip().lower()


@remembered("media types", 1 << 18)
def plain_mime(mime: str) -> str:
    """A media type in lower case, without parameters, under its usual name."""
    name = _bare(mime)
    return _MIMES.get(name, name)


def limit_of(value: int | None) -> int:
    """A greatest length; absent or 0 is none."""
    return value if value else NO_LIMIT
