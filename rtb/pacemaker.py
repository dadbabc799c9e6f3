"""The Controller's arithmetic: from what the ledger says now and said before, the pacing table replicas bid by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from rtb.catalog import Entry
from rtb.ledger import Balance
from rtb.money import MAX_MICROS
from rtb.snapshot import PACING_DTYPE, PacingTable
from rtb.terms import day_of, terms_of
from rtb.winrate import UNKNOWN, Market

_MEMORY = float(np.exp(-1.0))
"""Weight of the past in a recent average, per tick: what the training environment uses per step."""

_NO_MARKETS: Mapping[int, Market] = MappingProxyType({})


@dataclass
class _Recent:
    """Exponential averages of one campaign's last ticks."""

    balance: Balance
    opportunities: float = 0.0
    bids: float = 0.0
    probability: float = 0.0
    bills: float = 0.0
    spent: float = 0.0
    price_squares: float = 0.0

    def advance(self, now: Balance) -> None:
        """Fold the difference between the last balance and this one into the averages."""
        for name in ("opportunities", "bids", "probability", "bills", "spent", "price_squares"):
            change = max(0.0, float(getattr(now, name) - getattr(self.balance, name)))
            setattr(self, name, _MEMORY * getattr(self, name) + (1 - _MEMORY) * change)
        self.balance = now


@dataclass
class Pacemaker:
    """Keeps the recent averages between ticks and makes the table.

    Attributes:
        tick_seconds: time between two calls of `tick`.
    """

    tick_seconds: float
    _recent: dict[int, _Recent] = field(default_factory=dict)

    def tick(
        self,
        entries: Sequence[Entry],
        balances: Sequence[Balance],
        now: float,
        markets: Mapping[int, Market] = _NO_MARKETS,
    ) -> PacingTable:
        """One record a campaign, in the order given.

        Args:
            entries: the campaigns.
            balances: where each stands in the ledger.
            now: Unix time.
            markets: what is known of their markets, by campaign number.
        """
        table = np.zeros(len(entries), PACING_DTYPE)
        for row, (entry, balance) in enumerate(zip(entries, balances, strict=True)):
            recent = self._recent.setdefault(entry.number, _Recent(balance))
            recent.advance(balance)
            table[row] = self._record(entry, balance, recent, now, markets.get(entry.number, UNKNOWN))
        return table

    def _record(
        self, entry: Entry, balance: Balance, recent: _Recent, now: float, market: Market
    ) -> tuple[float | bool | str, ...]:
        campaign = entry.campaign
        limits, day = terms_of(entry), day_of(entry, now)
        left = balance.available + balance.leased
        spendable = min(left, balance.day_left(now))
        usual_price = _ratio(balance.spent, balance.bills)
        usual_pctr = _ratio(balance.probability, balance.opportunities)
        recent_price, recent_std = _mean_and_std(recent.bills, recent.spent, recent.price_squares)
        terms = (
            entry.number,
            limits.runs(now) and spendable > 0,
            campaign.goal.kind == "conversion",
            float(campaign.goal.value_micros),
            _most(campaign.goal.max_bid_micros, spendable),
            market.price_median,
            market.price_shape,
            *day,
        )
        state = {
            "budget_total": float(balance.budget),
            "budget_left": float(left),
            "time_total": entry.ends - entry.starts if entry.ends > entry.starts else 1.0,  # ended before it was made
            "time_left": max(0.0, entry.ends - max(now, entry.starts)),
            "recent_win_rate": min(1.0, _ratio(recent.bills, recent.bids)),
            # Where nothing was seen lately, the recent is the usual, as at the start of an episode in training.
            "recent_pctr": _ratio(recent.probability, recent.opportunities) or usual_pctr,
            "usual_pctr": usual_pctr,
            "recent_price": recent_price or usual_price,
            "recent_price_std": recent_std,
            "usual_price": usual_price,
            "recent_opportunities": recent.opportunities / self.tick_seconds,
        }
        return (*terms, *(state[name] for name in PACING_DTYPE.names[len(terms) :]))  # type: ignore[index]


def _most(max_bid_micros: int, spendable_micros: float) -> int:
    """Cap of a campaign's bids: its own (0: none), and what is left, so that the last of a budget is bid as well."""
    return int(min(max_bid_micros or MAX_MICROS, max(1, spendable_micros)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _mean_and_std(count: float, total: float, squares: float) -> tuple[float, float]:
    if count <= 0:
        return 0.0, 0.0
    mean = total / count
    return mean, float(np.sqrt(max(0.0, squares / count - mean * mean)))
