"""The calibration of served click predictions: predicted against observed clicks of charged bids.

Predictions of bid events are kept until their notices come, for a bounded number of bids; a charged bid adds its
predicted probability to one sum, its click adds 1 to the other. Both are of the same bids, so their ratio tells how far
the predictions are off, whatever part of the bids was kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, TypeVar

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


class CalibrationMonitor:
    """A monitor that follows bids from their events to their clicks; one thread calls `observe`.

    Args:
        most: most bids kept at once in each state: waiting for a charge, or for a click.
    """

    def __init__(self, most: int = _MOST_BIDS) -> None:
        self._most = most
        self._bid: OrderedDict[int, float] = OrderedDict()  # predicted, oldest first
        self._early: OrderedDict[int, bool] = OrderedDict()  # charged (true) or lost before their bid events came
        self._shown: OrderedDict[int, None] = OrderedDict()
        self._clicked: OrderedDict[int, None] = OrderedDict()  # clicked before their charge
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
        is_charged = self._early.pop(bid, None)
        if is_charged is None:
            self._keep(self._bid, bid, pctr)
        elif is_charged:
            self._show(bid, pctr)

    def _charge(self, bid: int) -> None:
        pctr = self._bid.pop(bid, None)
        if pctr is None:
            self._keep(self._early, bid, True)
        else:
            self._show(bid, pctr)

    def _lose(self, bid: int) -> None:
        """Forget a bid that neither charge nor click will come of."""
        if self._bid.pop(bid, None) is None:
            self._keep(self._early, bid, False)

    def _show(self, bid: int, pctr: float) -> None:
        clicked = bid in self._clicked
        self._clicked.pop(bid, None)
        if not clicked:
            self._keep(self._shown, bid, None)
        predicted, observed, charged = self._sums
        self._sums = CalibrationSums(predicted + pctr, observed + clicked, charged + 1)

    def _click(self, bid: int) -> None:
        if bid in self._shown:
            del self._shown[bid]
            self._sums = self._sums._replace(observed=self._sums.observed + 1)
        else:
            self._keep(self._clicked, bid, None)

    def _keep(self, among: OrderedDict[int, Value], bid: int, what: Value) -> None:
        among[bid] = what
        if len(among) > self._most:
            among.popitem(last=False)
