"""The division of campaigns' money in an experiment, and the pacing of its arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rtb.catalog import CatalogEntry
from rtb.experiment.record import Experiment
from rtb.ledger import Balance, Division, Ledger
from rtb.money.accounts import MOST_CAMPAIGNS

_COUNTED = (
    "spent",
    "opportunities",
    "bids",
    "wins",
    "bills",
    "losses",
    "clicks",
    "conversions",
    "unpaid",
    "probability",
    "levels",
    "price_squares",
)
"""Figures of a balance that only rise."""


class DividedCampaigns(NamedTuple):
    """Campaigns and their arms; lists are in the order of the entries.

    Attributes:
        entries: the campaigns.
        own: balances of their own accounts.
        arms: balances of their arms; none for those without one.
    """

    entries: Sequence[CatalogEntry]
    own: Sequence[Balance]
    arms: Sequence[Balance | None]

    @property
    def whole(self) -> list[Balance]:
        """Balances of the campaigns, arms included."""
        return [own if arm is None else own.plus(arm) for own, arm in zip(self.own, self.arms, strict=True)]


class Arms:
    """The Controller's side of an experiment.

    Args:
        ledger: ledger of the money.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._past: dict[int, Balance] = {}
        self._share = 0.0

    async def keep(
        self, entries: Sequence[CatalogEntry], balances: Sequence[Balance], experiment: Experiment | None
    ) -> DividedCampaigns:
        """Divide campaigns of a running experiment and rejoin all others; return their balances.

        Args:
            entries: the campaigns.
            balances: current balances of their own accounts.
            experiment: the last experiment, running or not.

        Raises:
            LedgerError: the ledger does not answer; the next call continues.
        """
        self._share = 0.0 if experiment is None else experiment.share
        running = experiment if experiment is not None and experiment.is_running else None
        pairs = list(zip(entries, balances, strict=True))
        over = [
            entry.number for entry, own in pairs if own.arm and not (running and own.arm == running.arm(entry.number))
        ]
        if over:
            await self._ledger.rejoin(over)
        if running:
            part = [entry.number for entry, own in pairs if own.arm or entry.campaign.status == "active"]
            numbers = [number for number in part if number <= MOST_CAMPAIGNS]
            await self._ledger.divide([Division(number, running.arm(number), running.share) for number in numbers])
        if not over and not running:
            self._past.clear()
            return DividedCampaigns(entries, balances, [None] * len(entries))
        own = await self._ledger.balances([entry.number for entry in entries])
        found = iter(await self._ledger.balances([one.arm for one in own if one.arm]))
        return DividedCampaigns(entries, own, [next(found) if one.arm else None for one in own])

    def to_pace(self, divided: DividedCampaigns) -> tuple[list[CatalogEntry], list[Balance]]:
        """Return entries and balances for the pacemaker, with each arm as a campaign of its own."""
        entries, balances = list(divided.entries), list(divided.own)
        for place, arm in enumerate(divided.arms):
            if arm is not None:
                own = divided.own[place]
                past = self._past.setdefault(own.arm, own)
                balances[place], view = separate_balances(own, arm, self._share, past)
                entries.append(divided.entries[place]._replace(number=own.arm))
                balances.append(view)
        return entries, balances


def separate_balances(own: Balance, arm: Balance, share: float, past: Balance) -> tuple[Balance, Balance]:
    """Return balances of a campaign's own account and its arm's as if both had always been separate.

    An arm starts in the middle of a flight with all of its money, and its campaign continues with less. By these
    figures the one would look far behind on spending and the other far ahead. So earlier spend of the flight and of the
    day is attributed to both by their shares; and an arm inherits the prices and clicks that its campaign had seen.

    Args:
        own: balance of the campaign's own account.
        arm: balance of its arm.
        share: the arm's share.
        past: balance of the campaign's own account when the arm was first seen.
    """
    before = round(share * arm.base)
    of_day = round(share * (own.daily + arm.daily)) - arm.daily if arm.daily else 0
    known = {name: getattr(arm, name) + getattr(past, name) for name in _COUNTED}
    return (
        own._replace(budget=own.budget - before, daily=own.daily - of_day, spent_today=own.spent_today - of_day),
        arm._replace(
            budget=arm.budget + before, daily=arm.daily + of_day, spent_today=arm.spent_today + of_day, **known
        ),
    )
