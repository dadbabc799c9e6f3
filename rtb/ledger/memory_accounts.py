"""Accounts of the ledger in memory: those of campaigns, and those of their arms in experiments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rtb.ledger.protocol import ANYBODY, CREDIT, Balance, Division, Floor, Terms, Transfer
from rtb.money.accounts import campaign_of

Pots = dict[str, float]


def day_room(pots: Pots) -> float:
    """Return the micros of the daily limit that are neither spent nor promised."""
    if not pots["daily"]:
        return math.inf
    return pots["daily"] - sum(pots[name] for name in ("spent_today", "spent_next", "leased", "reserved"))


@dataclass
class Accounts:
    """The accounts of a ledger in memory, and their division."""

    _campaigns: dict[int, Pots] = field(default_factory=dict)
    _terms: dict[int, Terms] = field(default_factory=dict)
    _days: dict[int, str] = field(default_factory=dict)
    _first_days: dict[int, str] = field(default_factory=dict)
    _credit: Counter[tuple[int, int]] = field(default_factory=Counter)  # by account and caller

    async def verify(self, floors: Sequence[Floor]) -> list[int]:
        """See `Ledger.verify`."""
        return [floor.campaign for floor in floors if self._is_behind(floor)]

    def _is_behind(self, floor: Floor) -> bool:
        pots = self._campaigns.get(floor.campaign)
        if pots is None:
            return False
        arm = self._campaigns.get(int(pots["arm"])) if pots["arm"] else None
        spent = pots["spent"] + (arm["spent"] if arm else 0)
        is_behind = spent < floor.spent_micros or pots["given"] < floor.given_micros
        for account in filter(None, (pots, arm)):
            account["behind"] = int(is_behind)
        return is_behind

    async def move(self, transfers: Sequence[Transfer], now: float) -> list[int]:
        """See `Ledger.move`."""
        return [self._move_budget(one) for one in transfers]

    def _move_budget(self, one: Transfer) -> int:
        source, target = self._campaigns.get(one.source), self._campaigns.get(one.target)
        if source is None or target is None or source is target:
            return 0
        if source["behind"] or target["behind"]:
            return 0
        micros = int(min(one.micros, source["available"], source["budget"] - 1))
        if micros < 1:
            return 0
        source["given"] += micros
        for pots, change in ((source, -micros), (target, micros)):
            for name in ("budget", "available", "moved"):
                pots[name] += change
        return micros

    async def divide(self, divisions: Sequence[Division]) -> list[int]:
        """See `Ledger.divide`."""
        return [self._divide(division) for division in divisions]

    def _divide(self, division: Division) -> int:
        pots = self._campaigns.get(division.campaign)
        if pots is None or pots["behind"] or pots["arm"] not in (0, division.arm):
            return 0
        is_new = not pots["arm"]
        day = self._days.get(division.campaign, "")
        arm = self._campaigns.get(division.arm) or self._new_arm(pots)
        wanted = math.floor(division.share * max(0, pots["budget"] + arm["budget"] - arm["base"])) - arm["budget"]
        change = max(-arm["available"], min(wanted, pots["available"]))
        daily = self._daily_change(division, pots, arm, is_new)
        if is_new:
            if change < 1 or (pots["daily"] and daily < 1):
                return 0
            self._campaigns[division.arm], pots["arm"] = arm, division.arm
            self._terms[division.arm] = self._terms[division.campaign]
            self._days[division.arm] = self._first_days[division.arm] = day
        for name, amount in (("budget", change), ("available", change), ("daily", daily)):
            pots[name] -= amount
            arm[name] += amount
        return int(arm["budget"])

    @staticmethod
    def _new_arm(pots: Pots) -> Pots:
        arm: Pots = Balance(day_ends=pots["day_ends"])._asdict()
        arm["base"] = pots["budget"] - pots["available"]
        return arm

    def _daily_change(self, division: Division, pots: Pots, arm: Pots, is_new: bool) -> float:
        """Return the part of the daily limit that an arm gets, or below 0 what it gives back."""
        limit = pots["daily"] + arm["daily"]
        if limit <= 1:
            return 0
        theirs = arm["daily"]
        if is_new:
            theirs = math.floor(division.share * max(0, day_room(pots)))
        elif self._days.get(division.campaign, "") != self._first_days[division.arm]:
            theirs = math.floor(division.share * limit)
        change = max(1, min(theirs, limit - 1)) - arm["daily"]
        if change > 0:
            return min(change, max(0, day_room(pots)))
        return max(change, min(0, -day_room(arm)))

    async def rejoin(self, campaigns: Sequence[int]) -> list[bool]:
        """See `Ledger.rejoin`."""
        return [self._rejoin(campaign) for campaign in campaigns]

    def _rejoin(self, campaign: int) -> bool:
        pots = self._campaigns.get(campaign)
        if pots is None or not pots["arm"]:
            return False
        account = int(pots["arm"])
        arm = self._campaigns.pop(account)
        day, arm_day = self._days.get(campaign, ""), self._days.pop(account, "")
        late, known, ends = (pots, day, arm["day_ends"]) if day < arm_day else (arm, arm_day, pots["day_ends"])
        if day != arm_day:  # bring the account behind up to the latest day
            late["spent_today"], late["spent_next"] = late["spent_next" if known else "spent_today"], 0
            late["day_ends"] = ends
            self._days[campaign] = max(day, arm_day)
        for name, value in arm.items():
            if name not in ("base", "day_ends", "behind"):
                pots[name] += value
        pots["arm"] = 0
        for number, caller in [key for key in self._credit if key[0] == account]:
            self._credit[campaign, caller] += self._credit.pop((number, caller))
        return True

    def _open_arm(self, pots: Pots, terms: Terms) -> Terms:
        """Set an arm's terms by its campaign's; return those left to the campaign's own account."""
        account = int(pots["arm"])
        arm = self._campaigns[account]
        daily = max(1, min(int(arm["daily"]), terms.daily_micros - 1)) if terms.daily_micros > 1 else 0
        arm["daily"] = daily
        self._terms[account] = terms._replace(paused=terms.paused or terms.daily_micros == 1)
        return terms._replace(
            budget_micros=terms.budget_micros - int(arm["budget"]), daily_micros=terms.daily_micros - daily
        )

    def _earn_credit(self, account: int, caller: int, price: int) -> None:
        """Raise a caller's credit for a payment, to at most the budget."""
        if caller != ANYBODY and price:
            key = self._number(account), caller
            self._credit[key] = min(int(self._held_by(account)["budget"]), self._credit[key] + CREDIT * price)

    def _lose_credit(self, account: int, caller: int, expired: int) -> None:
        """Lower a caller's credit for bids that were not paid in time."""
        key = self._number(account), caller
        self._credit[key] -= min(self._credit[key], expired)

    def _forget_credit(self, campaign: int) -> None:
        for key in [key for key in self._credit if campaign_of(key[0]) == campaign]:
            del self._credit[key]

    def _held_by(self, number: int) -> Pots:
        pots = self._account(number)
        assert pots is not None
        return pots

    def _account(self, number: int) -> Pots | None:
        """Return an account's pots; for an arm that has rejoined its campaign, the campaign's."""
        return self._campaigns.get(self._number(number))

    def _number(self, account: int) -> int:
        """Return an account's number; for an arm that has rejoined its campaign, the campaign's."""
        return account if account in self._campaigns else campaign_of(account)
