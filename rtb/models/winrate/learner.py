"""What the Controller knows of each campaign's markets, kept up to date by the events it writes anyway."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rtb.models.winrate import loglogistic
from rtb.models.winrate.evidence import HALF_LIFE, Evidence, Verdict
from rtb.models.winrate.following import PATIENCE, End, Follower
from rtb.models.winrate.market import MOST_MARKETS, UNKNOWN, Market, markets_of

Floats = npt.NDArray[np.float64]

_FEWEST = 30.0
"""Bids that must have ended in a market before its prices are believed, one of them by more than a loss.

Where all bids lose, nothing is known of the price to beat but that it is higher: to bid less would win nothing either.
"""


class MarketLearner:
    """Learns each campaign's markets from batches of events, in the thread that has them.

    Each exchange is learned by itself: what one of them says of its prices moves no bid anywhere else. What pacing is
    told of a campaign's prices altogether weighs exchanges by the bids they charged, so that nobody has a say for free.

    Attributes:
        markets: what is known, by campaign number; another mapping after each batch, so that any thread may read it.

    Args:
        patience: seconds after which a bid that nothing was heard of is lost.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.markets: Mapping[int, Market] = MappingProxyType({})
        self._follower = Follower(patience)
        self._row: dict[tuple[int, int], int] = {}  # of a campaign and a market
        self._keys: dict[int, list[int]] = {}  # the markets of a campaign
        self._evidence = Evidence()
        self._charged = np.zeros(1)  # bids, forgotten like evidence
        self._fits: dict[tuple[int, int], _Fit] = {}
        self._pctr_row: dict[int, int] = {}
        self._pctr = _LogSpread()

    def observe(self, events: pa.Table) -> None:
        """Take in the next events of the stream, a table of `rtb.events.schema.SCHEMA`."""
        changed = self._add_pctrs(events) | self._add_ends(self._follower.ends(events))
        if not changed:
            return
        numbers = sorted(changed)
        spreads = self._pctr.std(self._pctr_rows(numbers)).tolist()
        news = {number: self._market(number, spread) for number, spread in zip(numbers, spreads, strict=True)}
        self.markets = MappingProxyType({**self.markets, **news})

    def _add_ends(self, ends: Sequence[End]) -> set[int]:
        if not ends:
            return set()
        campaign, market, verdict, micros, charged = zip(*ends, strict=True)
        pairs = [*zip(campaign, market, strict=True)]
        rows = self._rows(pairs)
        some, bids = np.unique(rows, return_counts=True)
        self._charged[some] *= 0.5 ** (bids / HALF_LIFE)
        np.add.at(self._charged, rows, charged)
        self._evidence.add(rows, np.array(verdict, np.int64), micros)
        self._fit(sorted(set(pairs)))
        return set(campaign)

    def _fit(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Fit what changed; a market that is not known well enough has no fit."""
        rows = self._rows(pairs)
        counts = self._evidence.counts[rows]
        weight = counts.sum(axis=(1, 2), dtype=np.float64)
        fitted = loglogistic.fit(counts)
        columns = (fitted.median, fitted.shape, weight, self._charged[rows])
        is_won: list[bool] = np.asarray(counts[:, [Verdict.WON, Verdict.KNOWN]].any(axis=(1, 2))).tolist()
        for pair, won, *fit in zip(pairs, is_won, *(column.tolist() for column in columns), strict=True):
            if won and fit[2] >= _FEWEST:
                self._fits[pair] = _Fit(*fit)

    def _market(self, number: int, pctr_log_std: float) -> Market:
        """All that is known of a campaign's prices."""
        known = [(key, fit) for key in self._keys.get(number, ()) if (fit := self._fits.get((number, key)))]
        if not known:
            return UNKNOWN._replace(pctr_log_std=pctr_log_std)
        known = sorted(known, key=lambda one: -one[1].weight)[:MOST_MARKETS]
        table = markets_of((key, fit.median, fit.shape) for key, fit in known)
        if not (charged := sum(fit.charged for _, fit in known)):
            return UNKNOWN._replace(pctr_log_std=pctr_log_std, markets=table)
        median = math.exp(sum(fit.charged * math.log(fit.median) for _, fit in known) / charged)
        shape = sum(fit.charged * fit.shape for _, fit in known) / charged
        return Market(median, shape, pctr_log_std, table)

    def _add_pctrs(self, events: pa.Table) -> set[int]:
        bids = events.filter(pc.and_(pc.equal(events.column("kind"), "bid"), pc.greater(events.column("pctr"), 0.0)))
        if not len(bids):
            return set()
        campaign = bids.column("campaign").to_pylist()
        self._pctr.add(self._pctr_rows(campaign), np.log(bids.column("pctr").to_numpy()))
        return set(campaign)

    def _rows(self, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.intp]:
        """Rows of campaigns in markets in the arrays, a new one for each that is new."""
        for pair in pairs:
            if pair not in self._row:
                self._row[pair] = len(self._row)
                self._keys.setdefault(pair[0], []).append(pair[1])
        self._evidence.grow(len(self._row))
        if len(self._charged) < len(self._evidence):
            self._charged = np.append(self._charged, np.zeros(len(self._evidence) - len(self._charged)))
        return np.array([self._row[pair] for pair in pairs], np.intp)

    def _pctr_rows(self, numbers: Sequence[int]) -> npt.NDArray[np.intp]:
        """Rows of campaigns among the spreads, likewise."""
        rows = np.array([self._pctr_row.setdefault(number, len(self._pctr_row)) for number in numbers], np.intp)
        self._pctr.grow(len(self._pctr_row))
        return rows


class _Fit(NamedTuple):
    """A campaign in one market: the curve, and the bids and the charged bids it stands for."""

    median: float
    shape: float
    weight: float
    charged: float


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
