"""The calibration of served click predictions: predicted against observed clicks of charged bids.

Predictions of bid events are kept until their notices come, for a bounded number of bids; a charged bid adds its
predicted probability to one sum, its click adds 1 to the other. Both are of the same bids, so their ratio tells how far
the predictions are off, whatever part of the bids was kept.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import pyarrow as pa

_MOST_BIDS = 200_000
Value = TypeVar("Value")


class CalibrationSums(NamedTuple):
    """Sums over charged bids.

    Attributes:
        predicted: sum of predicted click probabilities.
        observed: number of clicks.
        charged: number of charged bids.
    """

    predicted: float = 0.0
    observed: int = 0
    charged: int = 0


class _Recent(Generic[Value]):
    """Values of the last bids, at least half of `most`: two plain dictionaries take half the memory of an ordered one.

    Args:
        most: most bids kept.
    """

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._newer: dict[int, Value] = {}
        self._older: dict[int, Value] = {}

    def put(self, bid: int, value: Value) -> None:
        """Keep a value; the older half is dropped when the newer one is full."""
        if len(self._newer) >= self._half:
            self._newer, self._older = {}, self._newer
        self._newer[bid] = value

    def pop(self, bid: int) -> Value | None:
        """Remove a bid's value and return it."""
        value = self._newer.pop(bid, None)
        return self._older.pop(bid, None) if value is None else value


class CalibrationMonitor:
    """A monitor that follows bids from their events to their clicks; one thread calls `observe`.

    Args:
        most: most bids kept at once in each state: waiting for a charge, or for a click.
    """

    def __init__(self, most: int = _MOST_BIDS) -> None:
        self._bid: _Recent[float] = _Recent(most)  # predicted
        self._early: _Recent[bool] = _Recent(most)  # charged (true) or lost before their bid events came
        self._shown: _Recent[bool] = _Recent(most)
        self._clicked: _Recent[bool] = _Recent(most)  # clicked before their charge
        self._sums = CalibrationSums()

    def observe(self, events: pa.Table) -> None:
        """Add the next events of the stream, a table of `rtb.events.schema.SCHEMA`."""
        names = ("kind", "bid", "pctr", "outcome")
        for kind, name, pctr, outcome in zip(*(events.column(name).to_pylist() for name in names), strict=True):
            bid = hash(name)  # a third of the memory that the name takes
            if kind == "bid" and pctr is not None:
                self._begin(bid, pctr)
            elif outcome == "settled":
                self._charge(bid)
            elif outcome == "freed":
                self._lose(bid)
            elif kind == "click" and outcome == "counted":
                self._click(bid)

    def take(self) -> CalibrationSums:
        """Return the sums since the last call."""
        taken, self._sums = self._sums, CalibrationSums()
        return taken

    def _begin(self, bid: int, pctr: float) -> None:
        is_charged = self._early.pop(bid)
        if is_charged is None:
            self._bid.put(bid, pctr)
        elif is_charged:
            self._show(bid, pctr)

    def _charge(self, bid: int) -> None:
        pctr = self._bid.pop(bid)
        if pctr is None:
            self._early.put(bid, True)
        else:
            self._show(bid, pctr)

    def _lose(self, bid: int) -> None:
        """Forget a bid that neither charge nor click will come of."""
        if self._bid.pop(bid) is None:
            self._early.put(bid, False)

    def _show(self, bid: int, pctr: float) -> None:
        clicked = self._clicked.pop(bid) is not None
        if not clicked:
            self._shown.put(bid, True)
        predicted, observed, charged = self._sums
        self._sums = CalibrationSums(predicted + pctr, observed + clicked, charged + 1)

    def _click(self, bid: int) -> None:
        if self._shown.pop(bid):
            self._sums = self._sums._replace(observed=self._sums.observed + 1)
        else:
            self._clicked.put(bid, True)
