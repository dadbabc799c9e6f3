"""Faults of objects, with their place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

Object = dict[str, Any]


class ManifestFault(NamedTuple):
    """One reason why something would not be accepted.

    Attributes:
        place: file or folder that was built.
        name: kind and name of the object, or of the generated file.
        path: dotted path within it; empty: all of it.
        reason: what is wrong.
    """

    place: str
    name: str
    path: str
    reason: str

    def __str__(self) -> str:
        """One line."""
        where = f" {self.path}" if self.path else ""
        return f"{self.place}: {self.name}{where}: {self.reason}"


class Missing(Exception):
    """An error for something missing that the checks need; the message says what to do."""


def called(body: Object) -> str:
    """Return kind and name of an object."""
    metadata = body.get("metadata")
    name = metadata.get("name", "without a name") if isinstance(metadata, dict) else "without a name"
    return f"{body.get('kind', 'object without a kind')}/{name}"


def dotted(path: Iterable[str | int]) -> str:
    """Format a path as `spec.containers.0.image`."""
    return ".".join(str(part) for part in path)
