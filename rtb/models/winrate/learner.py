"""The Controller's estimate of each campaign's markets, updated from the events that it archives."""

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
from rtb.models.winrate.evidence import HALF_LIFE, Evidence, PriceEvidence
from rtb.models.winrate.following import PATIENCE, BidOutcome, Follower
from rtb.models.winrate.market import MOST_MARKETS, UNKNOWN_MARKET, CampaignMarket, market_table

Floats = npt.NDArray[np.float64]

_FEWEST = 30.0
"""Fewest outcomes before a market's prices are believed; at least one must not be a loss.

Where all bids lose, the price to beat is only known to be higher: bidding less would win nothing either.
"""


class MarketLearner:
    """The learner of each campaign's markets from batches of events, in the thread that has them.

    Each exchange is learned by itself: its prices move no bid elsewhere. The summary for pacing weighs exchanges by the
    bids they charged, so that none has influence for free.

    Attributes:
        markets: market of each campaign by number; replaced after each batch, so that any thread may read it.

    Args:
        patience: seconds without a notice after which a bid is lost.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.markets: Mapping[int, CampaignMarket] = MappingProxyType({})
        self._follower = Follower(patience)
        self._row: dict[tuple[int, int], int] = {}  # row of a campaign and a market
        self._keys: dict[int, list[int]] = {}  # keys of the markets of a campaign
        self._evidence = Evidence()
        self._charged = np.zeros(1)  # charged bids, decayed like evidence
        self._fits: dict[tuple[int, int], _Fit] = {}
        self._pctr_row: dict[int, int] = {}
        self._pctr = _LogSpread()

    def observe(self, events: pa.Table) -> None:
        """Learn from the next events of the stream, a table of `rtb.events.schema.SCHEMA`."""
        changed = self._add_pctrs(events) | self._add_ends(self._follower.ends(events))
        if not changed:
            return
        numbers = sorted(changed)
        spreads = self._pctr.std(self._pctr_rows(numbers)).tolist()
        news = {number: self._market(number, spread) for number, spread in zip(numbers, spreads, strict=True)}
        self.markets = MappingProxyType({**self.markets, **news})

    def _add_ends(self, ends: Sequence[BidOutcome]) -> set[int]:
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
        """Fit the changed markets; one with too little evidence has no fit."""
        rows = self._rows(pairs)
        counts = self._evidence.counts[rows]
        weight = counts.sum(axis=(1, 2), dtype=np.float64)
        fitted = loglogistic.fit(counts)
        columns = (fitted.median, fitted.shape, weight, self._charged[rows])
        is_won: list[bool] = np.asarray(counts[:, [PriceEvidence.WON, PriceEvidence.KNOWN]].any(axis=(1, 2))).tolist()
        for pair, won, *fit in zip(pairs, is_won, *(column.tolist() for column in columns), strict=True):
            if won and fit[2] >= _FEWEST:
                self._fits[pair] = _Fit(*fit)

    def _market(self, number: int, pctr_log_std: float) -> CampaignMarket:
        """Return the market of a campaign."""
        known = [(key, fit) for key in self._keys.get(number, ()) if (fit := self._fits.get((number, key)))]
        if not known:
            return UNKNOWN_MARKET._replace(pctr_log_std=pctr_log_std)
        known = sorted(known, key=lambda one: -one[1].weight)[:MOST_MARKETS]
        table = market_table((key, fit.median, fit.shape) for key, fit in known)
        if not (charged := sum(fit.charged for _, fit in known)):
            return UNKNOWN_MARKET._replace(pctr_log_std=pctr_log_std, markets=table)
        median = math.exp(sum(fit.charged * math.log(fit.median) for _, fit in known) / charged)
        shape = sum(fit.charged * fit.shape for _, fit in known) / charged
        return CampaignMarket(median, shape, pctr_log_std, table)

    def _add_pctrs(self, events: pa.Table) -> set[int]:
        bids = events.filter(pc.and_(pc.equal(events.column("kind"), "bid"), pc.greater(events.column("pctr"), 0.0)))
        if not len(bids):
            return set()
        campaign = bids.column("campaign").to_pylist()
        self._pctr.add(self._pctr_rows(campaign), np.log(bids.column("pctr").to_numpy()))
        return set(campaign)

    def _rows(self, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.intp]:
        """Return the rows of campaigns in markets, adding rows for new ones."""
        for pair in pairs:
            if pair not in self._row:
                self._row[pair] = len(self._row)
                self._keys.setdefault(pair[0], []).append(pair[1])
        self._evidence.grow(len(self._row))
        if len(self._charged) < len(self._evidence):
            self._charged = np.append(self._charged, np.zeros(len(self._evidence) - len(self._charged)))
        return np.array([self._row[pair] for pair in pairs], np.intp)

    def _pctr_rows(self, numbers: Sequence[int]) -> npt.NDArray[np.intp]:
        """Return the rows of campaigns among the spreads, adding rows for new ones."""
        rows = np.array([self._pctr_row.setdefault(number, len(self._pctr_row)) for number in numbers], np.intp)
        self._pctr.grow(len(self._pctr_row))
        return rows


class _Fit(NamedTuple):
    """The fit of a campaign in one market: the curve, and the bids and charged bids behind it."""

    median: float
    shape: float
    weight: float
    charged: float


class _LogSpread:
    """The standard deviation of logarithms by campaign, decayed like evidence."""

    def __init__(self) -> None:
        self._sums = np.zeros((1, 3))  # count, sum, and sum of squares

    def grow(self, campaigns: int) -> None:
        if campaigns > len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros((campaigns, 3))])

    def add(self, row: npt.NDArray[np.intp], logs: Floats) -> None:
        rows, count = np.unique(row, return_counts=True)
        self._sums[rows] *= (0.5 ** (count / HALF_LIFE))[:, None]
        np.add.at(self._sums, row, np.stack([np.ones(len(logs)), logs, logs**2], axis=1))

    def std(self, row: npt.NDArray[np.intp]) -> Floats:
        """Return the standard deviations; 0 where there are no numbers."""
        count, total, squares = self._sums[row].T
        mean = total / np.maximum(count, 1.0)
        spread: Floats = np.sqrt(np.maximum(squares / np.maximum(count, 1.0) - mean**2, 0.0))
        return spread
