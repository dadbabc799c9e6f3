"""Optimistic locking by the version of a record, so that two people do not undo each other's changes."""

from __future__ import annotations

from collections.abc import Collection

Expected = int | Collection[int] | None
"""Expected version, or any of several; none: whichever is current."""


def is_expected(expected: Expected, version: int) -> bool:
    """Return whether a change is meant for the current version."""
    if expected is None:
        return True
    return version == expected if isinstance(expected, int) else version in expected


def conflict(what: str, expected: Expected, version: int) -> str:
    """Return the message for a change that is meant for another version."""
    meant = [expected] if isinstance(expected, int) else sorted(expected or ())
    named = "".join(f", not {one}" for one in meant[:3]) or ", which If-Match does not name"
    return f"{what} is at version {version}{named}: read it again"
