"""Unusable records are left out one by one, so that the others stay in use; each is reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Kind = Literal["campaign", "portfolio", "pacing", "model", "events", "rates", "exchange", "sellers"]

RECORD_ERRORS = (
    ValueError,
    TypeError,
    LookupError,  # such as a time zone unknown to this machine
    ArithmeticError,
    RecursionError,
    msgspec.MsgspecError,
)
"""Exceptions that mean that a record itself is invalid."""

_LONGEST_REASON = 300


class Fault(msgspec.Struct, frozen=True, order=True):
    """A record in quarantine.

    Attributes:
        kind: kind of the record.
        name: its id, or the name of its file.
        reason: why it cannot be used.
    """

    kind: Kind
    name: str
    reason: str

    @classmethod
    def of(cls, kind: Kind, name: str, error: Exception) -> Fault:
        """Return the fault of a record that raised an error."""
        said = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        return cls(kind, name, "".join(char if char.isprintable() else "?" for char in said))


class Quarantine:
    """Records that one process leaves out, by the source that found them."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Fault, ...]] = {}

    @property
    def faults(self) -> list[Fault]:
        """All faults, sorted by kind and name."""
        return sorted({fault for found in self._found.values() for fault in found})

    def replace(self, source: str, faults: Iterable[Fault]) -> tuple[list[Fault], list[Fault]]:
        """Replace the faults of a source; return those that are new and those that are over.

        Args:
            source: name of the source; each replaces its own faults only.
            faults: all records that it leaves out.
        """
        before, after = self._found.get(source, ()), tuple(faults)
        self._found[source] = after
        return [one for one in after if one not in before], [one for one in before if one not in after]


def encode_faults(faults: Iterable[Fault]) -> bytes:
    """Return faults as JSON."""
    return msgspec.json.encode(list(faults))


def decode_faults(body: bytes) -> list[Fault]:
    """Return faults from JSON."""
    return msgspec.json.decode(body, type=list[Fault])


def count_by_kind(faults: Iterable[Fault]) -> Mapping[str, int]:
    """Return how many records of each kind are left out."""
    counts: dict[str, int] = {}
    for fault in faults:
        counts[fault.kind] = counts.get(fault.kind, 0) + 1
    return counts
