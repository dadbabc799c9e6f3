"""Records that cannot be used are left out, each by itself, so that the others go on; what is left out is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Kind = Literal["campaign", "portfolio", "pacing", "model", "events", "rates", "exchange"]

RECORD_ERRORS = (
    ValueError,
    TypeError,
    LookupError,  # such as a time zone that this machine does not know
    ArithmeticError,
    RecursionError,
    msgspec.MsgspecError,
)
"""What decoding, encoding or reading a record raises when it is the record that is wrong."""

_LONGEST_REASON = 300


class Fault(msgspec.Struct, frozen=True, order=True):
    """A record that is left out.

    Attributes:
        kind: of the record.
        name: its id, or the name of its file.
        reason: why it cannot be used.
    """

    kind: Kind
    name: str
    reason: str

    @classmethod
    def of(cls, kind: Kind, name: str, error: Exception) -> Fault:
        """Return the fault that an error says of a record."""
        said = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        return cls(kind, name, "".join(char if char.isprintable() else "?" for char in said))


class Quarantine:
    """What one process leaves out now, by where it was found."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Fault, ...]] = {}

    @property
    def faults(self) -> list[Fault]:
        """All that is left out, by kind and name."""
        return sorted({fault for found in self._found.values() for fault in found})

    def replace(self, source: str, faults: Iterable[Fault]) -> tuple[list[Fault], list[Fault]]:
        """Take what a source leaves out now for what it left out before; return what is new and what is over.

        Args:
            source: who found them; each source replaces its own only.
            faults: all that it leaves out.
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
