"""Optimistic locking by the version of a record, so that two people do not undo each other's changes."""

from __future__ import annotations

from collections.abc import Collection

Expected = int | Collection[int] | None
"""Expected version, or any of several; none: whichever is current."""


class VersionChanged(RuntimeError):
    """A conflicting change of a record; the message says which version is current.

    Attributes:
        kind: name of the kind of record.
        version: current version.
    """

    kind = "record"

    def __init__(self, name: str, expected: Expected, version: int) -> None:
        meant = [expected] if isinstance(expected, int) else sorted(expected or ())
        named = "".join(f", not {one}" for one in meant[:3]) or ", which If-Match does not name"
        super().__init__(f"{self.kind} {name!r} is at version {version}{named}: read it again")
        self.version = version


def is_expected(expected: Expected, version: int) -> bool:
    """Return whether a change is meant for the current version."""
    if expected is None:
        return True
    return version == expected if isinstance(expected, int) else version in expected
