"""A campaign divided and joined in any order with bids, notices and edits: both ledgers agree, nothing is lost."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rtb.ledger import Balance, Closing, Day, Division, Grant, MemoryLedger, NoticeOutcome, Terms, ValkeyLedger
from rtb.money.accounts import arm_of
from rtb.settlement.notice_tokens import BidRef, Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import NOW, assert_adds_up
from tests.rtb.ledger.worlds import World

EXAMPLES, STEPS, DAY_SECONDS = 60, 35, 25

budgets = st.integers(0, 2_000)
dailies = st.one_of(st.just(0), st.integers(1, 4), st.integers(50, 200), st.integers(50, 200))
arms = st.booleans()
picks = st.integers(0, 10**6)


class ArmsMachine(RuleBasedStateMachine):
    """One campaign and its arms."""

    def __init__(self, valkey: Valkey, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        valkey.flush()
        self.client = valkey.client()
        self.worlds = (World(MemoryLedger()), World(ValkeyLedger(self.client, in_flight=1), loop))
        self.now = NOW
        self.terms = Terms(0)
        self.experiment = 1
        self.leases: dict[int, list[int]] = {}  # number -> account, micros left, bids
        self.bids: list[BidRef] = []
        self.paid: Counter[str] = Counter()
        self.exposed = 0

    def ask(self, operation: str, *arguments: Any) -> Any:
        memory, valkey = (world.run(getattr(world.ledger, operation)(*arguments)) for world in self.worlds)
        assert memory == valkey
        return memory

    def account(self, is_arm: bool) -> int:
        return arm_of(1, self.experiment) if is_arm else 1

    def day(self) -> Day:
        number = int(self.now // DAY_SECONDS)
        return Day(f"{number:09d}", (number + 1) * DAY_SECONDS)

    @initialize(budget=budgets, daily=dailies)
    def the_campaign_is_opened(self, budget: int, daily: int) -> None:
        self.edit(budget, daily, False)

    @rule(budget=budgets, daily=dailies, paused=st.booleans())
    def edit(self, budget: int, daily: int, paused: bool) -> None:
        self.terms = Terms(budget, daily, paused=paused)
        self.ask("open", 1, self.terms)

    @rule(share=st.sampled_from([0.05, 0.2, 0.5, 0.9]))
    def it_is_divided(self, share: float) -> None:
        before = self.whole()
        self.ask("divide", [Division(1, self.account(True), share)])
        assert self.whole() == before

    @rule()
    def it_is_joined(self) -> None:
        before, own, had = self.whole(), *self.own_and_arm()
        self.experiment += self.ask("rejoin", [1])[0]
        after = self.whole()
        assert after == before._replace(
            day_ends=after.day_ends, spent_today=after.spent_today, spent_next=after.spent_next
        )
        if own.day_ends == had.day_ends:
            assert after.spent_today == own.spent_today + had.spent_today

    @rule(is_arm=arms, micros=st.integers(1, 150), tells_day=st.sampled_from([True, True, True, False]))
    def money_is_leased(self, is_arm: bool, micros: int, tells_day: bool) -> None:
        number = len(self.leases) + 1
        day = self.day() if tells_day else Day()
        rest = (10**9, 1, self.now, *day)
        (granted,) = self.ask("lease", [Grant(number, self.account(is_arm), micros, 0.1, self.now + 60, *rest)])
        if granted:
            self.leases[number] = [self.account(is_arm), granted, 0]

    @precondition(lambda self: self.leases)
    @rule(pick=picks, ceilings=st.lists(st.integers(1, 120), min_size=1, max_size=3))
    def bids_are_made(self, pick: int, ceilings: list[int]) -> None:
        number = [*self.leases][pick % len(self.leases)]
        lease = self.leases[number]
        for ceiling in ceilings:
            if ceiling <= lease[1]:
                lease[1:] = [lease[1] - ceiling, lease[2] + 1]
                self.bids.append(BidRef(number, lease[2], lease[0], 0, ceiling, int(self.now) + 50))

    @precondition(lambda self: self.leases)
    @rule(pick=picks)
    def a_lease_is_closed(self, pick: int) -> None:
        number = [*self.leases][pick % len(self.leases)]
        reserved = sum(ref.ceiling_micros for ref in self.bids if ref.lease == number)
        self.ask("close", [Closing(number, reserved)])
        self.leases[number][1] = 0

    @precondition(lambda self: self.bids)
    @rule(pick=picks, kind=st.sampled_from([Kind.BILL, Kind.BILL, Kind.LOSS, Kind.CLICK]), price=st.integers(0, 150))
    def a_notice_comes(self, pick: int, kind: Kind, price: int) -> None:
        ref = self.bids[-1 - pick % len(self.bids)]
        if kind is Kind.BILL:
            if self.ask("settle", ref, kind, price, self.now) is NoticeOutcome.SETTLED:
                self.paid[self.day().name] += min(price, ref.ceiling_micros)
        else:
            self.ask(*(("release", ref, self.now) if kind is Kind.LOSS else ("count", ref, kind, self.now)))

    @rule(seconds=st.sampled_from([1.0, 10.0, 25.0]), is_reclaimed=st.booleans())
    def time_passes(self, seconds: float, is_reclaimed: bool) -> None:
        self.now += seconds
        if is_reclaimed:
            self.ask("reclaim", self.now)

    def own_and_arm(self) -> list[Balance]:
        (own,) = self.ask("balances", [1])
        return [own, *self.ask("balances", [own.arm or self.account(True)])]

    def whole(self) -> Balance:
        """Both accounts together; of terms, the campaign's own."""
        own, arm = self.own_and_arm()
        kept = {"arm": 0, "base": 0, "day_ends": own.day_ends}
        return Balance(*(mine + theirs for mine, theirs in zip(own, arm, strict=True)))._replace(**kept)  # type: ignore[arg-type]

    @invariant()
    def nothing_is_lost_or_promised_twice(self) -> None:
        balances = self.own_and_arm()
        for balance in balances:
            assert_adds_up(balance)
        whole = self.whole()
        assert whole.spent == sum(self.paid.values())
        assert whole.budget >= self.terms.budget_micros or not whole.budget
        assert whole.daily == self.terms.daily_micros
        exposed = self.paid[self.day().name] + whole.leased + whole.reserved
        # A limit that is lowered below what one account holds leaves the other its own part of the limit.
        limit = self.terms.daily_micros + sum(map(excess, balances)) if self.terms.daily_micros else math.inf
        assert exposed <= max(limit, self.exposed)
        self.exposed = exposed

    def teardown(self) -> None:
        try:
            self.ask("rejoin", [1])
            self.ask("reclaim", self.now + 10_000)
            self.ask("open", 1, self.terms)
            (balance,) = self.ask("balances", [1])
            assert balance.leased == balance.reserved == 0
            assert balance.budget == max(self.terms.budget_micros, balance.spent)
        finally:
            self.worlds[1].run(self.client.aclose())


def excess(balance: Balance) -> int:
    """Return what an account holds and spent beyond its day's limit, promised before it was lowered."""
    exposed = balance.leased + balance.reserved + balance.spent_today + balance.spent_next
    return max(0, exposed - balance.daily)


def test_both_ledgers_divide_and_join_alike(quick: Valkey, loop: asyncio.AbstractEventLoop) -> None:
    run_state_machine_as_test(
        lambda: ArmsMachine(quick, loop),  # type: ignore[arg-type]  # what makes one will do
        settings=settings(
            max_examples=max(EXAMPLES, settings().max_examples), stateful_step_count=STEPS, print_blob=True
        ),
    )
