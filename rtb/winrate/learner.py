"""What the Controller knows of each campaign's market, kept up to date by the events it writes anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rtb.winrate import loglogistic
from rtb.winrate.evidence import HALF_LIFE, Evidence
from rtb.winrate.following import PATIENCE, End, Follower
from rtb.winrate.market import UNKNOWN, Market

Floats = npt.NDArray[np.float64]

_FEWEST = 30.0
"""Bids that must have ended before a campaign's prices are believed."""


class MarketLearner:
    """Learns each campaign's market from batches of events, in the thread that has them.

    Attributes:
        markets: what is known, by campaign number; another mapping after each batch, so that any thread may read it.

    Args:
        patience: seconds after which a bid that nothing was heard of is lost.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.markets: Mapping[int, Market] = MappingProxyType({})
        self._follower = Follower(patience)
        self._row: dict[int, int] = {}
        self._evidence = Evidence()
        self._pctr = _LogSpread()

    def observe(self, events: pa.Table) -> None:
        """Take in the next events of the stream, a table of `rtb.events.schema.SCHEMA`."""
        changed = self._add_pctrs(events) | self._add_ends(self._follower.ends(events))
        if not changed:
            return
        numbers = sorted(changed)
        rows = self._rows(numbers)
        counts = self._evidence.counts[rows]
        fitted = loglogistic.fit(counts)
        known = counts.sum(axis=(1, 2)) >= _FEWEST
        median = np.where(known, fitted.median, UNKNOWN.price_median)
        shape = np.where(known, fitted.shape, UNKNOWN.price_shape)
        columns = (median.tolist(), shape.tolist(), self._pctr.std(rows).tolist())
        news = dict(zip(numbers, map(Market._make, zip(*columns, strict=True)), strict=True))
        self.markets = MappingProxyType({**self.markets, **news})

    def _add_ends(self, ends: Sequence[End]) -> set[int]:
        if not ends:
            return set()
        campaign, verdict, micros = (np.array(column, np.int64) for column in zip(*ends, strict=True))
        self._evidence.add(self._rows(campaign.tolist()), verdict, micros)
        return set(campaign.tolist())

    def _add_pctrs(self, events: pa.Table) -> set[int]:
        bids = events.filter(pc.and_(pc.equal(events.column("kind"), "bid"), pc.greater(events.column("pctr"), 0.0)))
        if not len(bids):
            return set()
        campaign = bids.column("campaign").to_pylist()
        self._pctr.add(self._rows(campaign), np.log(bids.column("pctr").to_numpy()))
        return set(campaign)

    def _rows(self, numbers: Sequence[int]) -> npt.NDArray[np.intp]:
        """Rows of campaigns in the arrays, a new one for each that is new."""
        rows = np.array([self._row.setdefault(number, len(self._row)) for number in numbers], np.intp)
        self._evidence.grow(len(self._row))
        self._pctr.grow(len(self._row))
        return rows


class _LogSpread:
    """How far the logarithms of some numbers lie apart, by campaign, old ones forgotten like evidence."""

    def __init__(self) -> None:
        self._sums = np.zeros((1, 3))  # how many, their sum, and that of their squares

    def grow(self, campaigns: int) -> None:
        if campaigns > len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros((campaigns, 3))])

    def add(self, row: npt.NDArray[np.intp], logs: Floats) -> None:
        rows, count = np.unique(row, return_counts=True)
        self._sums[rows] *= (0.5 ** (count / HALF_LIFE))[:, None]
        np.add.at(self._sums, row, np.stack([np.ones(len(logs)), logs, logs**2], axis=1))

    def std(self, row: npt.NDArray[np.intp]) -> Floats:
        """0 where there were none."""
        count, total, squares = self._sums[row].T
        mean = total / np.maximum(count, 1.0)
        spread: Floats = np.sqrt(np.maximum(squares / np.maximum(count, 1.0) - mean**2, 0.0))
        return spread
