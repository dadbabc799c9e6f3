"""What is wrong with an object, told so that it can be found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

Object = dict[str, Any]


class Fault(NamedTuple):
    """One reason why something is not accepted.

    Attributes:
        place: file or folder that was built.
        name: kind and name of the object, or of the generated file.
        path: where in it, with dots; empty: the whole.
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
    """Something the checks need is not there; the message says what to do."""


def called(body: Object) -> str:
    """Kind and name of an object."""
    metadata = body.get("metadata")
    name = metadata.get("name", "without a name") if isinstance(metadata, dict) else "without a name"
    return f"{body.get('kind', 'object without a kind')}/{name}"


def dotted(path: Iterable[str | int]) -> str:
    """A path as `spec.containers.0.image`."""
    return ".".join(str(part) for part in path)
