"""The Controller's pacing: from successive balances of the ledger to the pacing table that replicas bid by.

The closed loop of `rtb.pacing.loops`, on top of which policies are trained, spends each campaign's money evenly over
the time to come. A tick is a decision, an opportunity is an auction, and payments tell the market's prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from rtb.models.observation import PacingState
from rtb.models.winrate import UNKNOWN_MARKET, CampaignMarket
from rtb.pacing.closed_loop import MEMORY
from rtb.pacing.hourly_stats import HourlyStats
from rtb.pacing.loops import PacingLoops
from rtb.pacing.market_estimate import MarketEstimate, estimate_markets
from rtb.pacing.moment import Moment
from rtb.pacing.past import Past
from rtb.pacing.recent import Brought
from rtb.pacing.snapshot import PACING_DTYPE, PacingTable
from rtb.pacing.terms import PacingSpan
from rtb.pacing.terms_table import TermsTable

Floats = npt.NDArray[np.float64]
Totals = dict[str, Floats]

_COUNTS = ("opportunities", "bids", "bills", "probability", "spent", "price_squares", "levels")
"""Rising figures of a balance that tell of the market."""

_MEMORY_SECONDS = 10.0
"""Least memory of the loops: wins are paid seconds later, and a shorter memory would oscillate."""

_STATE = [field.name for field in fields(PacingState)]
_LEVELS = [name for name in _STATE if name.startswith("level")]
_HOUR = 3_600.0


class Pacemaker:
    """The closed loops of all campaigns, kept between ticks."""

    def __init__(self) -> None:
        self._at = 0.0  # time of the last tick: intervals vary
        self._row_of: dict[int, int] = {}
        self._open = np.zeros(0, np.bool_)
        self._terms: TermsTable | None = None
        self._totals: Totals = {name: np.zeros(0) for name in _COUNTS}
        self._loops: PacingLoops | None = None
        self._days = HourlyStats(0)

    def tick(
        self,
        entries: Sequence[CatalogEntry],
        balances: Sequence[Balance],
        now: float,
        markets: Mapping[int, CampaignMarket] | None = None,
    ) -> PacingTable:
        """Return a pacing table with one record per campaign, in the order given.

        Args:
            entries: the campaigns.
            balances: balance of each in the ledger.
            now: Unix time.
            markets: estimated markets by campaign number.
        """
        table = np.zeros(len(entries), PACING_DTYPE)
        if not len(entries):
            return table
        if self._terms is None or not self._terms.are_of(entries):
            self._terms = TermsTable(entries)
        held = dict(zip(Balance._fields, np.array(balances, np.float64).T.copy(), strict=True))
        told = _told(self._terms.campaigns, markets or {})
        span = self._terms.fill(table, held, balances, now)
        table["markets"] = np.array([one.markets for one in told])
        totals = {name: held[name] for name in _COUNTS}
        state = self._pace(table, totals, estimate_markets(totals, told, table["value_micros"]), span, now)
        for name in _STATE:
            table[name] = getattr(state, name)
        return table

    def _pace(
        self, table: PacingTable, totals: Totals, known: MarketEstimate, span: PacingSpan, now: float
    ) -> PacingState:
        """Learn from the interval since the last tick; return the pacing states."""
        numbers = table["number"].tolist()
        rows = np.array([self._row_of.get(number, -1) for number in numbers], np.intp)
        brought, level = self._since(totals, rows)
        days = HourlyStats(len(rows))
        days.remember(self._days, rows)
        forecast = brought.auctions * known.landscape.spend(level)
        # A closed campaign sees no opportunities, which tells nothing of the traffic.
        watched = np.where(np.append(self._open, False)[rows], max(0.0, now - self._at), 0.0) / _HOUR
        days.add(now / _HOUR, watched, brought.auctions, brought.paid, forecast)
        rate = np.maximum(days.traffic() / _HOUR, 1e-9)  # opportunities a second
        loops = PacingLoops(
            Past(known.landscape, days.profile(), known.pctr, known.price),
            span.money,
            np.maximum(rate * span.seconds, 1.0),
            memory=np.maximum(MEMORY, _MEMORY_SECONDS * rate),
        )
        if self._loops is not None:
            loops.remember(self._loops, rows)
        loops.learn(level, brought)
        self._row_of, self._open = {number: row for row, number in enumerate(numbers)}, table["open"].copy()
        self._at, self._totals, self._loops, self._days = now, totals, loops, days
        state = loops.decide(span.money_left, _moment(span, rate, now))
        levels = {name: np.where(known.pctr > 0.0, getattr(state, name), 0.0) for name in _LEVELS}
        return replace(state, time_total=span.seconds, time_left=span.seconds_left, **levels)

    def _since(self, totals: Totals, rows: npt.NDArray[np.intp]) -> tuple[Brought, Floats]:
        """Return the outcome since the last tick, and the mean level actually bid, a policy's multiplier included.

        It is zero for a campaign not seen before: its totals are usual, not recent.
        """
        before = {name: np.append(column, 0.0)[rows] for name, column in self._totals.items()}
        since = {name: np.where(rows >= 0, np.maximum(totals[name] - before[name], 0.0), 0.0) for name in totals}
        brought = Brought(
            auctions=since["opportunities"],
            bids=since["bids"],
            won=since["bills"],
            pctr=since["probability"],
            paid=since["spent"],
            squares=since["price_squares"],
        )
        return brought, since["levels"] / np.maximum(since["opportunities"], 1.0)


def _told(campaigns: Sequence[int], markets: Mapping[int, CampaignMarket]) -> list[CampaignMarket]:
    """Return the estimated market of each campaign."""
    return [markets.get(campaign, UNKNOWN_MARKET) for campaign in campaigns]


def _moment(span: PacingSpan, rate: Floats, now: float) -> Moment:
    return Moment(
        auctions_left=rate * span.seconds_left,
        time_left=span.seconds_left / span.seconds,
        hour=np.full(len(rate), now / _HOUR),
        hours_left=span.seconds_left / _HOUR,
    )
