"""Any order of bids, notices, deaths and edits: both ledgers agree, and the money adds up."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Any, NamedTuple

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

from rtb.ledger import Day, Grant, LeaseBook, Ledger, MemoryLedger, Outcome, Terms, Usage, ValkeyLedger
from rtb.notices import BidRef, Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import CAMPAIGNS, NOW, assert_adds_up

REPLICAS = (0, 1, 2)
LEASE_SECONDS, NOTICE_TTL, SHARE = 5.0, 20.0, 0.3
DAY_SECONDS = 25

campaigns = st.sampled_from(CAMPAIGNS)
replicas = st.sampled_from(REPLICAS)
amounts = st.integers(0, 400)
picks = st.one_of(st.integers(0, 1), st.integers(0, 10**6))  # of the bids made so far; the last two most often


class World(NamedTuple):
    """A ledger and its replicas' books."""

    ledger: Ledger
    books: dict[int, LeaseBook]


class MoneyMachine(RuleBasedStateMachine):
    """The same operations on a ledger in memory and on a server."""

    def __init__(self, valkey: Valkey) -> None:
        super().__init__()
        valkey.flush()
        self.runner = asyncio.Runner()
        self.client = valkey.client()
        self.now = NOW
        self.worlds = [World(ledger, {}) for ledger in (MemoryLedger(), ValkeyLedger(self.client))]
        self.numbers = [itertools.count(1) for _ in self.worlds]
        for replica in REPLICAS:
            self.start(replica)
        self.bids: list[BidRef] = []
        self.told: dict[BidRef, set[Kind]] = {}
        self.freed: set[BidRef] = set()
        self.paid: dict[BidRef, int] = {}
        self.terms: dict[int, Terms] = {}
        self.spent_today = dict.fromkeys(CAMPAIGNS, 0)
        self.allowed: dict[int, float] = dict.fromkeys(CAMPAIGNS, math.inf)

    def start(self, replica: int) -> None:
        for world, numbers in zip(self.worlds, self.numbers, strict=True):
            world.books[replica] = LeaseBook(
                world.ledger,
                seconds=LEASE_SECONDS,
                share=SHARE,
                notice_ttl=NOTICE_TTL,
                clock=lambda: self.now,
                new_number=lambda numbers=numbers: next(numbers),
            )

    def on_ledgers(self, operation: str, *arguments: Any) -> Any:
        """Do it to both; what both answered."""
        answers = [self.runner.run(getattr(world.ledger, operation)(*arguments)) for world in self.worlds]
        assert answers[0] == answers[1]
        return answers[0]

    def on_books(self, replica: int, operation: str) -> None:
        for world in self.worlds:
            self.runner.run(getattr(world.books[replica], operation)())

    def bid(self, pick: int) -> BidRef | None:
        """One of the bids, if its notices are still honoured (the notice desk refuses the others)."""
        ref = self.bids[-1 - pick % len(self.bids)]
        return ref if self.now <= ref.expires else None

    @initialize(first=st.integers(0, 1_000), second=st.integers(0, 1_000))
    def open_campaigns(self, first: int, second: int) -> None:
        for campaign, budget in zip(CAMPAIGNS, (first, second), strict=True):
            self.on_ledgers("open", campaign, budget)
            self.terms[campaign] = Terms(budget)
        for replica in REPLICAS:
            for world in self.worlds:
                world.books[replica].want({*CAMPAIGNS})
            self.on_books(replica, "maintain")

    @rule(
        replica=replicas,
        campaign=campaigns,
        ceilings=st.lists(st.integers(0, 120), min_size=1, max_size=4),
        ttl=st.sampled_from([2.0, NOTICE_TTL, 1_000.0]),
    )
    def bids_are_made(self, replica: int, campaign: int, ceilings: list[int], ttl: float) -> None:
        for ceiling in ceilings:
            held = [world.books[replica].reserve(campaign, ceiling, ttl) for world in self.worlds]
            assert held[0] == held[1]
            if held[0] is not None:
                lease, sequence, expires = held[0]
                self.bids.append(BidRef(lease, sequence, campaign, 0, ceiling, expires))
                self.told[self.bids[-1]] = set()

    @rule(replica=replicas)
    def a_replica_maintains_its_leases(self, replica: int) -> None:
        self.on_books(replica, "maintain")

    @rule(replica=replicas)
    def a_replica_dies_and_another_takes_its_place(self, replica: int) -> None:
        self.start(replica)

    @rule(replica=replicas)
    def a_replica_shuts_down(self, replica: int) -> None:
        self.on_books(replica, "shutdown")

    @property
    def today(self) -> Day:
        number = int(self.now // DAY_SECONDS)
        return Day(f"{number:09d}", (number + 1) * DAY_SECONDS)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 10.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        before, self.now = self.today, self.now + seconds
        if self.today != before:
            self.spent_today = dict.fromkeys(CAMPAIGNS, 0)
            for campaign in CAMPAIGNS:
                self.allow(campaign, 0)

    @rule()
    def expired_leases_are_reclaimed(self) -> None:
        self.on_ledgers("reclaim", self.now)

    @rule(
        campaign=campaigns,
        budget=st.integers(0, 2_000),
        daily=st.one_of(st.just(0), st.integers(1, 500)),
        flight=st.sampled_from([(0.0, math.inf), (0.0, 30.0), (20.0, 60.0)]),
        paused=st.sampled_from([False, False, True]),
    )
    def terms_are_edited(
        self, campaign: int, budget: int, daily: int, flight: tuple[float, float], paused: bool
    ) -> None:
        terms = Terms(budget, daily, NOW + flight[0], NOW + flight[1], paused)
        self.on_ledgers("open", campaign, terms)
        self.terms[campaign] = terms
        self.allow(campaign, self.spent_today[campaign])

    @rule(campaign=campaigns, paused=st.booleans())
    def a_campaign_is_paused_or_resumed(self, campaign: int, paused: bool) -> None:
        self.terms[campaign] = self.terms[campaign]._replace(paused=paused)
        self.on_ledgers("open", campaign, self.terms[campaign])

    @rule(replica=replicas)
    def a_replica_learns_which_day_it_is(self, replica: int) -> None:
        for world in self.worlds:
            world.books[replica].enter(dict.fromkeys(CAMPAIGNS, self.today))

    def allow(self, campaign: int, spent: int) -> None:
        """What may be spent today, `spent` being already: the day's limit, or what was promised before it."""
        balance = self.on_ledgers("balances", [campaign])[0]
        daily = self.terms[campaign].daily_micros
        self.allowed[campaign] = max(daily, spent + balance.leased + balance.reserved) if daily else math.inf

    @rule(
        campaign=campaigns,
        number=st.integers(1, 5),
        least=amounts,
        share=st.sampled_from([0.0, 0.1, 1.0]),
        limits=st.tuples(amounts, amounts),
    )
    def somebody_else_leases(
        self, campaign: int, number: int, least: int, share: float, limits: tuple[int, int]
    ) -> None:
        grant = Grant(2**63 + number, campaign, least, share, self.now + 30, *limits, self.now, *self.today)
        runs = self.terms[campaign].runs(self.now)
        assert self.on_ledgers("lease", [grant]) == [0] or runs

    @rule(campaign=campaigns, opportunities=amounts, eighths=amounts)
    def usage_is_reported(self, campaign: int, opportunities: int, eighths: int) -> None:
        self.on_ledgers("report", [Usage(campaign, opportunities, opportunities // 2, eighths / 8)])

    @precondition(lambda self: self.bids)
    @rule(pick=picks, price=st.integers(0, 200), kind=st.sampled_from([Kind.BILL, Kind.BILL, Kind.WIN]))
    def a_bid_is_charged(self, pick: int, price: int, kind: Kind) -> None:
        ref = self.bid(pick)
        if ref is None:
            return
        outcome = self.on_ledgers("settle", ref, kind, price, self.now)
        again = kind in self.told[ref] or ref in self.paid
        self.told[ref].add(kind)
        if again:
            assert outcome is Outcome.DUPLICATE
            return
        self.paid[ref] = min(price, ref.ceiling_micros) if outcome is Outcome.SETTLED else 0
        self.spent_today[ref.campaign] += self.paid[ref]
        assert self.spent_today[ref.campaign] <= self.allowed[ref.campaign]
        # Its money was held from the bid to the last moment its notice counts, whatever became of its replica.
        assert outcome is Outcome.SETTLED or ref in self.freed

    @precondition(lambda self: self.bids)
    @rule(pick=picks)
    def a_bid_loses(self, pick: int) -> None:
        ref = self.bid(pick)
        if ref is None:
            return
        outcome = self.on_ledgers("release", ref, self.now)
        assert (outcome is Outcome.DUPLICATE) == (Kind.LOSS in self.told[ref])
        self.told[ref].add(Kind.LOSS)
        if outcome is Outcome.FREED:
            self.freed.add(ref)

    @precondition(lambda self: self.bids)
    @rule(pick=picks, kind=st.sampled_from([Kind.WIN, Kind.CLICK, Kind.CONVERSION]))
    def a_notice_is_counted(self, pick: int, kind: Kind) -> None:
        ref = self.bids[-1 - pick % len(self.bids)]
        outcome = self.on_ledgers("count", ref, kind, self.now)
        assert outcome is (Outcome.DUPLICATE if kind in self.told[ref] else Outcome.COUNTED)
        self.told[ref].add(kind)

    @invariant()
    def the_money_adds_up(self) -> None:
        for campaign, balance in zip(CAMPAIGNS, self.on_ledgers("balances", CAMPAIGNS), strict=True):
            assert_adds_up(balance)
            assert balance.spent == sum(micros for ref, micros in self.paid.items() if ref.campaign == campaign)

    def teardown(self) -> None:
        try:
            self.now += 10_000
            self.on_ledgers("reclaim", self.now)
            for balance in self.on_ledgers("balances", CAMPAIGNS):
                assert balance.leased == balance.reserved == 0
                assert balance.available == balance.budget - balance.spent
        finally:
            self.runner.run(self.client.aclose())
            self.runner.close()


def test_both_ledgers_agree_and_the_money_adds_up_whatever_happens(valkey: Valkey):
    run_state_machine_as_test(lambda: MoneyMachine(valkey), settings=settings(stateful_step_count=60, print_blob=True))
