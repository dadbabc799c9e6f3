"""How fast a replica reserves a campaign's money: what its next lease is sized by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rtb.money.micros import MAX_MICROS

_HEAD_ROOM = 1.5
"""A lease is for this many times what was reserved lately: traffic is not even."""

_FEWEST_BIDS = 20
"""Bids a lease pays at least: a burst is over before a campaign that bid rarely until then has a larger lease."""

_FORGET_BID = 60.0
"""Lease lengths over which the largest bid is forgotten: an outlier must not size leases for ever."""

_LEAST_UNTRIED = 10_000
"""Micros that most first bids cost less than: a CPM of 10."""

_IDLE_STEP = 4
"""What lay idle is asked for next at this part of its size, for this many times as long."""

LONGEST_IDLE = 16
"""Lease lengths that a lease lasts at most while nothing is bid from it."""


@dataclass(slots=True)
class Burn:
    """Micros a second one replica reserves for one campaign, averaged over about one lease's length.

    Attributes:
        largest: largest bid seen lately, paid or not, micros.
        untried: most to lease before the first bid was seen, micros.
        patience: lease lengths that the next lease lasts while nothing is bid from it.
        at: until when this is measured, Unix time; between its bids it may lag behind (`catch_up`).
    """

    largest: float = 0.0
    untried: int = MAX_MICROS
    patience: int = 1
    at: float = 0.0
    _pending: int = 0
    _average: float = 0.0
    _weight: float = 0.0

    def spend(self, micros: int) -> None:
        """Note a bid that was reserved."""
        self._pending += micros
        self.note(micros)

    def note(self, micros: int) -> None:
        """Note the size of a bid, paid or not."""
        if micros > self.largest:
            self.largest = float(micros)

    def advance(self, elapsed: float, memory: float) -> None:
        """Fold what was reserved in the last `elapsed` seconds into an average over `memory` seconds."""
        kept = math.exp(-elapsed / memory)
        self._average = kept * self._average + (1 - kept) * self._pending / elapsed
        self._weight = kept * self._weight + (1 - kept)  # the first seconds count in full, not as a rise from zero
        self._pending = 0
        self.largest *= kept ** (1 / _FORGET_BID)

    def catch_up(self, now: float, memory: float) -> None:
        """Fold in the time since it was last measured, with what was reserved in it."""
        if now > self.at:
            self.advance(now - self.at, memory)
            self.at = now

    @property
    def rate(self) -> float:
        """Micros a second; 0 when nothing was measured yet."""
        return self._average / self._weight if self._weight else 0.0

    def lay_idle(self, micros: int) -> None:
        """A whole lease went unused: until there is a bid to size by, ask for less, but for a bid, and for longer."""
        self.untried = max(micros // _IDLE_STEP, min(micros, _LEAST_UNTRIED))
        self.patience = min(_IDLE_STEP * self.patience, LONGEST_IDLE)

    def lease_for(self, seconds: float) -> int:
        """Most a lease of this length should hold, micros."""
        if not self.largest:
            return self.untried
        return min(MAX_MICROS, math.ceil(max(_HEAD_ROOM * self.rate * seconds, _FEWEST_BIDS * self.largest)))
