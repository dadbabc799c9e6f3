"""The balances and marks of a lost ledger, rebuilt from the events.

Leases and reservations are lost with it, so all that is not spent is available. Usage (opportunities, probability) is
not in the events and starts at zero; `bids` are the bid events, less those that were dropped while the stream was full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from rtb.events.spend import tally
from rtb.ledger.protocol import MEMORY_SECONDS, Balance, Mark, NoticeOutcome
from rtb.settlement.notice_tokens import GRACE, USERS, Kind

_COUNTER = {
    "bid": "bids",
    Kind.WIN: "wins",
    Kind.BILL: "bills",
    Kind.LOSS: "losses",
    Kind.CLICK: "clicks",
    Kind.CONVERSION: "conversions",
}
_CHARGES = (NoticeOutcome.SETTLED, NoticeOutcome.UNFUNDED)


@dataclass
class _Figures:
    spent: int = 0
    spent_today: int = 0
    price_squares: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, amount: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount


class History:
    """A sum of events, added table by table.

    Args:
        notice_ttl: seconds a bid's notices are honoured, as when the bids were made (or longer).
        now: Unix time; marks that expired by then are left out.
        days: Unix time at which each campaign's current day began; without it nothing counts as spent today.
    """

    def __init__(self, notice_ttl: float, now: float, days: Mapping[int, float] | None = None) -> None:
        self._notice_ttl = notice_ttl
        self._now = now
        self._days = days or {}
        self._figures: dict[int, _Figures] = {}
        self._marks: dict[str, dict[str, float]] = {}  # bid -> mark -> when it expires
        self.events = 0

    def add(self, table: pa.Table) -> None:
        """Add events, a table of `rtb.events.schema.SCHEMA`."""
        self.events += table.num_rows
        for campaign, kind, outcome, count, micros in tally(table):
            figures = self._figures.setdefault(campaign, _Figures())
            if outcome == NoticeOutcome.UNFUNDED:
                figures.count("unfunded", count)
            elif kind in _COUNTER:
                figures.count("unpaid" if outcome == NoticeOutcome.UNPAID else _COUNTER[kind], count)
            if outcome == NoticeOutcome.SETTLED:
                figures.spent += micros
        self._add_charges(table)
        self._add_marks(table)

    @property
    def campaigns(self) -> list[int]:
        """Numbers of the campaigns that have events."""
        return sorted(self._figures)

    def balance(
        self,
        campaign: int,
        budget_micros: int,
        booked_micros: int = 0,
        moved_micros: int = 0,
        given_micros: int = 0,
    ) -> Balance:
        """Return a campaign's balance under a budget, which is at least what was spent, as in the ledger.

        Args:
            campaign: number of the campaign.
            budget_micros: total budget set by its owner.
            booked_micros: spend known from elsewhere: more than in the events where some were deleted.
            moved_micros: net budget moved to it from other campaigns, below 0 where more went to others.
            given_micros: budget moved from it to others, whatever came back.
        """
        figures = self._figures.get(campaign, _Figures())
        spent = max(figures.spent, booked_micros)
        budget = max(budget_micros + moved_micros, spent, 1 if moved_micros else 0)
        return Balance(
            budget=budget,
            available=budget - spent,
            spent=spent,
            spent_today=figures.spent_today,
            moved=moved_micros,
            given=given_micros,
            price_squares=float(figures.price_squares),
            **figures.counts,
        )

    def marks(self) -> Iterator[Mark]:
        """Yield the marks that have not expired."""
        for bid, names in self._marks.items():
            yield Mark(bid, tuple(names), int(max(names.values()) - self._now) + 1)

    def _add_charges(self, table: pa.Table) -> None:
        """Add today's charges, and the squares of all as the ledger's script computes them (a double each)."""
        settled = table.filter(pc.equal(table.column("outcome"), NoticeOutcome.SETTLED.value))
        at = pc.cast(settled.column("at"), pa.int64())
        columns = (settled.column("campaign"), settled.column("price_micros"), at)
        for campaign, price, moment in zip(*(column.to_pylist() for column in columns), strict=True):
            figures = self._figures[campaign]
            figures.price_squares += int(float(price) * float(price))
            if moment / 1e6 >= self._days.get(campaign, math.inf):
                figures.spent_today += price

    def _add_marks(self, table: pa.Table) -> None:
        for kind in Kind:
            rows = table.filter(pc.equal(table.column("kind"), kind.value))
            columns = (rows.column("bid"), rows.column("outcome"), pc.cast(rows.column("at"), pa.int64()))
            for bid, outcome, at in zip(*(column.to_pylist() for column in columns), strict=True):
                # A notice came before its bid's expiry, and that is at most `notice_ttl` after the bid.
                grace = GRACE[Kind.CONVERSION] if _is_used(kind, outcome) else GRACE.get(kind, 0)
                if (until := at / 1e6 + self._notice_ttl + grace + MEMORY_SECONDS) > self._now:
                    self._mark(bid, kind, outcome, until)

    def _mark(self, bid: str, kind: Kind, outcome: str, until: float) -> None:
        names = self._marks.setdefault(bid, {})
        names[kind.value] = until
        if outcome in _CHARGES:
            names["charged"] = until
        if outcome == NoticeOutcome.SETTLED or _is_used(kind, outcome):
            names["paid"] = until
        if outcome == NoticeOutcome.FREED:
            names["freed"] = until


def _is_used(kind: Kind, outcome: str) -> bool:
    """Return whether a user acted on a paid bid: it is remembered as long as further actions may come."""
    return kind in USERS and outcome == NoticeOutcome.COUNTED
