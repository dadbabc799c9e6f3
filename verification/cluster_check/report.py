"""The figures of the check, and when it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

CONTROLLER, GCS, POWER = "controller's host killed", "gcs killed", "power of all hosts cut"
KILLED, CUT, HEAD_CUT = "host killed", "host cut 20 s", "head cut 20 s"

_FAILED_A_CONNECTION = 2
_GAP_SECONDS, _CONTROLLER_GAP_SECONDS = 2.0, 5.0
_FULL_RATE_SECONDS = 5.0
_BOTH = 2
_ZEROS = ("overspend_micros", "double_settled", "lost_settlements", "ledger_differs_micros", "reserved_left_micros")


class Outcome(msgspec.Struct, frozen=True):
    """What a fault cost.

    Attributes:
        errors: requests without a proper answer.
        gap_s: longest time in which a host that was spared did not bid; none where none was spared.
        full_rate_s: time from when the fault was healed until every host that was called bid as often as before.
    """

    errors: int
    gap_s: float | None
    full_rate_s: float | None


class ClusterReport(msgspec.Struct):
    """All figures.

    Attributes:
        hosts: hosts of the cluster.
        connections: connections of all exchanges.
        outcomes: by fault.
        runners_on_hosts: hosts on which a training's env runners ran.
        published_from_elsewhere: whether a model that another host than the Controller's published served on all.
        is_whole: whether nothing was left out.
        books: what the audit found.
        faults: what else is wrong, a line each.
    """

    hosts: int
    connections: int
    outcomes: dict[str, Outcome] = {}
    runners_on_hosts: int = 0
    published_from_elsewhere: bool = False
    is_whole: bool = True
    books: dict[str, Any] = {}
    faults: list[str] = []

    def summary(self) -> dict[str, Any]:
        """Return the figures that the last line tells."""
        return {
            "hosts": self.hosts,
            "errors_by_fault": {name: one.errors for name, one in self.outcomes.items()},
            "gap_s_by_fault": {name: one.gap_s for name, one in self.outcomes.items() if one.gap_s is not None},
            "full_rate_s_by_fault": {name: one.full_rate_s for name, one in self.outcomes.items()},
            **{name: self.books.get(name) for name in _ZEROS},
            "settled": self.books.get("settled", 0),
            "runners_on_hosts": self.runners_on_hosts,
            "published_from_elsewhere": self.published_from_elsewhere,
        }

    def wrong(self) -> list[str]:
        """Return what is out of bounds, a line each."""
        found = list(self.faults)
        for name, outcome in self.outcomes.items():
            found += [f"{name}: {fault}" for fault in _faults(name, outcome, self.connections)]
        found += [f"{name} is {self.books.get(name)}" for name in _ZEROS if self.books.get(name) != 0]
        if not self.books.get("settled"):
            found.append("nothing was settled")
        if self.is_whole and self.runners_on_hosts < _BOTH:
            found.append("the env runners of a training met on one host")
        if self.is_whole and not self.published_from_elsewhere:
            found.append("a model published on another host did not serve everywhere")
        return found


def _faults(name: str, outcome: Outcome, connections: int) -> list[str]:
    found = []
    most = 0 if name == GCS else _FAILED_A_CONNECTION * connections
    if outcome.errors > most:
        found.append(f"{outcome.errors} requests failed, {most} may")
    longest = _CONTROLLER_GAP_SECONDS if name == CONTROLLER else _GAP_SECONDS
    if outcome.gap_s is not None and outcome.gap_s > longest:
        found.append(f"a spared host did not bid for {outcome.gap_s} s")
    if outcome.full_rate_s is None or outcome.full_rate_s > _FULL_RATE_SECONDS:
        found.append(f"the full rate was back after {outcome.full_rate_s} s")
    return found


def reserved_left(books: Mapping[str, Any]) -> dict[str, Any]:
    """Return the audit's figures with the money still held under the name that this check tells."""
    return {**books, "reserved_left_micros": books["stuck_micros_after_ttl"]}
