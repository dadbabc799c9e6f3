"""What the protocol promises, in plain functions of figures: what a grant gives, what a notice does.

Money held for bids is one pot here, `leased`: which part of it is reserved depends on what replicas said when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from rtb.ledger import Balance, Day, Grant, NoticeOutcome, Terms, Usage
from rtb.settlement.notice_tokens import BidRef, Kind

COUNTER = {Kind.WIN: "wins", Kind.BILL: "bills", Kind.CLICK: "clicks", Kind.CONVERSION: "conversions"}


class Bid(NamedTuple):
    """A bid and what became of it.

    Attributes:
        ref: the bid.
        told: kinds of notice that came.
        recorded: those of them that left an event.
        is_charged: its price was asked for.
        is_held: its money lies in its lease.
        paid: what it cost, micros.
        is_paid: it was charged, and its campaign had the money.
    """

    ref: BidRef
    told: frozenset[Kind] = frozenset()
    recorded: frozenset[Kind] = frozenset()
    is_charged: bool = False
    is_held: bool = True
    paid: int = 0
    is_paid: bool = False

    def after(self, kind: Kind, outcome: NoticeOutcome, **changes: bool | int) -> Bid:
        """Return the bid after a notice."""
        is_recorded = outcome is not NoticeOutcome.DUPLICATE
        recorded = self.recorded | {kind} if is_recorded else self.recorded
        return self._replace(told=self.told | {kind}, recorded=recorded)._replace(**changes)  # type: ignore[arg-type]

    def rebuilt(self) -> Bid:
        """Return the bid in a ledger rebuilt from events: its lease is gone."""
        return self._replace(told=self.recorded, is_held=False)


class Told(NamedTuple):
    """What the ledger answers to a notice, and how the bid and its campaign stand then."""

    outcome: NoticeOutcome
    bid: Bid
    balance: Balance


@dataclass
class Spending:
    """A campaign's charges by its own days, as the ledger hears of them."""

    day: Day = field(default_factory=Day)
    charges: list[tuple[float, int]] = field(default_factory=list)

    def hear(self, grant: Grant) -> None:
        """Start the day that a grant names, without earlier spend unless its day was unknown."""
        if grant.day < self.day.name or not grant.day or grant.at >= grant.day_ends:
            return
        if grant.day > self.day.name and self.day.name:
            self.charges = [charge for charge in self.charges if charge[0] >= self.day.ends]
        self.day = Day(grant.day, grant.day_ends)

    def restart(self, began: float) -> None:
        """Forget the day after a rebuild: nobody has named one, and what was spent since it began is known."""
        self.day, self.charges = Day(), [charge for charge in self.charges if charge[0] >= began]

    def of(self, balance: Balance) -> Balance:
        """Build a balance with these figures of its day."""
        today = sum(micros for at, micros in self.charges if at < self.day.ends)
        later = sum(micros for at, micros in self.charges if at >= self.day.ends)
        return balance._replace(spent_today=today, spent_next=later, day_ends=self.day.ends)


def held_together(balance: Balance) -> Balance:
    """Return a balance with one pot for all that is held."""
    return balance._replace(leased=balance.leased + balance.reserved, reserved=0)


def day_room(balance: Balance) -> float:
    """Micros that may be promised today on top of what is."""
    if not balance.daily:
        return math.inf
    return balance.daily - balance.spent_today - balance.spent_next - balance.leased - balance.reserved


def granted(grant: Grant, terms: Terms, balance: Balance) -> int:
    """Micros that a grant with a new number gives, once its day is heard of."""
    if not terms.runs(grant.at):
        return 0
    room = int(min(balance.available, day_room(balance)))
    amount = min(room, max(grant.least_micros, min(grant.most_micros, math.ceil(room * grant.share))))
    return amount if amount >= max(1, grant.useful_micros) else 0


def opened(terms: Terms, balance: Balance) -> Balance:
    """Apply other terms to a campaign: its budget never falls below spent and held, and moves stay."""
    wanted = max(1, terms.budget_micros + balance.moved) if balance.moved else terms.budget_micros
    budget = max(wanted, balance.budget - balance.available)
    return balance._replace(
        budget=budget, available=budget - (balance.budget - balance.available), daily=terms.daily_micros
    )


def moved(micros: int, source: Balance, target: Balance) -> tuple[int, Balance, Balance]:
    """Budget goes from one campaign to another: what is free, but for the last micro; how much, and both then."""
    micros = max(0, min(micros, source.available, source.budget - 1))

    def changed(balance: Balance, by: int) -> Balance:
        return balance._replace(budget=balance.budget + by, available=balance.available + by, moved=balance.moved + by)

    return micros, changed(source, -micros)._replace(given=source.given + micros), changed(target, micros)


def reported(usage: Usage, balance: Balance) -> Balance:
    """Usage is added."""
    return balance._replace(
        opportunities=balance.opportunities + usage.opportunities,
        bids=balance.bids + usage.bids,
        probability=balance.probability + usage.probability,
        levels=balance.levels + usage.levels,
    )


def rebuilt(terms: Terms, balance: Balance) -> Balance:
    """Return a campaign in a ledger rebuilt from events: nothing is held, and usage is forgotten."""
    forgotten = {"leased": 0, "reserved": 0, "opportunities": 0, "bids": 0, "probability": 0.0, "levels": 0.0}
    return opened(terms, balance._replace(budget=balance.spent, available=0, **forgotten))  # type: ignore[arg-type]


def notice(bid: Bid, kind: Kind, charged: Kind, price: int, *, now: float, balance: Balance) -> Told:
    """Apply a notice of money in a platform that charges on this kind."""
    if kind is Kind.LOSS:
        return _lose(bid, balance)
    return charge(bid, kind, price, now, balance) if kind is charged else count(bid, kind, balance)


def charge(bid: Bid, kind: Kind, price: int, now: float, balance: Balance) -> Told:
    """Charge a price once a bid, from the bid's own money or, if that came back, from what is available."""
    if bid.is_charged or kind in bid.told:
        return Told(NoticeOutcome.DUPLICATE, bid.after(kind, NoticeOutcome.DUPLICATE), balance)
    price = min(price, bid.ref.ceiling_micros)
    held = bid.ref.ceiling_micros if bid.is_held else 0
    is_free = price <= held  # of what others could have
    if not is_free and price > min(balance.available, day_room(balance)):
        unpaid = balance._replace(unfunded=balance.unfunded + 1)
        return Told(
            NoticeOutcome.UNFUNDED, bid.after(kind, NoticeOutcome.UNFUNDED, is_charged=True, is_held=False), unpaid
        )
    day = "spent_today" if now < balance.day_ends else "spent_next"
    moved = balance._replace(
        available=balance.available + held - price,
        leased=balance.leased - held,
        spent=balance.spent + price,
        price_squares=balance.price_squares + float(price) ** 2,
        **{day: getattr(balance, day) + price},
    )
    paid = bid.after(kind, NoticeOutcome.SETTLED, is_charged=True, is_held=False, paid=price, is_paid=True)
    for early in bid.told & {Kind.CLICK, Kind.CONVERSION}:
        moved = _counted(moved, COUNTER[early])
    return Told(NoticeOutcome.SETTLED, paid, _counted(moved, COUNTER[kind]))


def count(bid: Bid, kind: Kind, balance: Balance) -> Told:
    """Count a notice without a price once a bid and kind."""
    if kind in bid.told:
        return Told(NoticeOutcome.DUPLICATE, bid.after(kind, NoticeOutcome.DUPLICATE), balance)
    if kind in (Kind.CLICK, Kind.CONVERSION) and not bid.is_paid:
        return Told(NoticeOutcome.UNPAID, bid.after(kind, NoticeOutcome.UNPAID), _counted(balance, "unpaid"))
    return Told(NoticeOutcome.COUNTED, bid.after(kind, NoticeOutcome.COUNTED), _counted(balance, COUNTER[kind]))


def _lose(bid: Bid, balance: Balance) -> Told:
    """Give the bid's money back on a loss, unless a notice said that it was won."""
    if bid.is_charged:
        return Told(NoticeOutcome.CHARGED, bid, balance)
    if Kind.LOSS in bid.told:
        return Told(NoticeOutcome.DUPLICATE, bid, balance)
    lost = _counted(balance, "losses")
    if bid.told & {Kind.WIN, Kind.BILL}:
        return Told(NoticeOutcome.COUNTED, bid.after(Kind.LOSS, NoticeOutcome.COUNTED), lost)
    back = bid.ref.ceiling_micros if bid.is_held else 0
    freed = lost._replace(available=lost.available + back, leased=lost.leased - back)
    return Told(NoticeOutcome.FREED, bid.after(Kind.LOSS, NoticeOutcome.FREED, is_held=False), freed)


def _counted(balance: Balance, counter: str) -> Balance:
    return balance._replace(**{counter: getattr(balance, counter) + 1})
