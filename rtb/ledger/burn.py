"""The rate at which a replica reserves a campaign's money, which sizes its next lease."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rtb.money.micros import MAX_MICROS

_HEAD_ROOM = 1.5
"""Factor of a lease over what was reserved lately: traffic is not even."""

_FEWEST_BIDS = 20
"""Fewest bids that a lease pays: a burst is over before a campaign that bid rarely gets a larger lease."""

_FORGET_BID = 60.0
"""Lease lengths over which the largest bid decays: an outlier must not size leases for ever."""

_LEAST_UNTRIED = 10_000
"""Micros that exceed most first bids: a CPM of 10."""

_IDLE_STEP = 4
"""Factor by which the next lease after an idle one is smaller and lasts longer."""

LONGEST_IDLE = 16
"""Most lease lengths that an idle lease lasts."""


@dataclass(slots=True)
class Burn:
    """The micros a second that one replica reserves for one campaign, averaged over about one lease's length.

    Attributes:
        largest: largest recent bid, paid or not, micros.
        untried: most to lease before the first bid, micros.
        patience: lease lengths that the next lease lasts while it is idle.
        at: Unix time up to which this is measured; it may lag behind between bids (`catch_up`).
    """

    largest: float = 0.0
    untried: int = MAX_MICROS
    patience: int = 1
    at: float = 0.0
    _pending: int = 0
    _average: float = 0.0
    _weight: float = 0.0

    def spend(self, micros: int) -> None:
        """Add a reserved bid."""
        self._pending += micros
        self.note(micros)

    def note(self, micros: int) -> None:
        """Add the size of a bid, paid or not."""
        if micros > self.largest:
            self.largest = float(micros)

    def advance(self, elapsed: float, memory: float) -> None:
        """Fold the reservations of the last `elapsed` seconds into an average over `memory` seconds."""
        kept = math.exp(-elapsed / memory)
        self._average = kept * self._average + (1 - kept) * self._pending / elapsed
        self._weight = kept * self._weight + (1 - kept)  # the first seconds count in full, not as a rise from zero
        self._pending = 0
        self.largest *= kept ** (1 / _FORGET_BID)

    def catch_up(self, now: float, memory: float) -> None:
        """Fold in the time since the last measurement, with its reservations."""
        if now > self.at:
            self.advance(now - self.at, memory)
            self.at = now

    @property
    def rate(self) -> float:
        """Micros a second; 0 before the first measurement."""
        return self._average / self._weight if self._weight else 0.0

    def back_off(self, micros: int) -> None:
        """Shrink and lengthen the next lease after an unused one, down to about a bid, until a bid sizes it."""
        self.untried = max(micros // _IDLE_STEP, min(micros, _LEAST_UNTRIED))
        self.patience = min(_IDLE_STEP * self.patience, LONGEST_IDLE)

    def lease_for(self, seconds: float) -> int:
        """Return the most micros that a lease of this length should hold."""
        if not self.largest:
            return self.untried
        return min(MAX_MICROS, math.ceil(max(_HEAD_ROOM * self.rate * seconds, _FEWEST_BIDS * self.largest)))
