"""Leases follow the burn rate: little lies idle, replicas share, and a budget is spent to its end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.ledger import Day, LeaseBook, MemoryLedger, NoticeOutcome, Terms
from rtb.ledger.burn import Burn
from rtb.money.micros import MAX_MICROS
from rtb.settlement.notice_tokens import BidRef, Kind
from tests.rtb.ledger.support import NOW, assert_adds_up, balance
from tests.support import examples

LEASE_SECONDS, NOTICE_TTL, STEP = 5.0, 20.0, 0.1
DAY_SECONDS = 60


@given(rate=st.integers(1, 10**9), steps=st.integers(1, 200))
def test_a_steady_rate_is_known_from_the_first_measurement_on(rate: int, steps: int):
    burn = Burn()
    for _ in range(steps):
        burn.spend(rate)
        burn.advance(1.0, LEASE_SECONDS)
    assert burn.rate == pytest.approx(rate)
    assert 5 * rate <= burn.lease_for(LEASE_SECONDS) <= 20 * rate


def test_a_rate_falls_when_bids_stop_and_a_few_bids_stay_leased():
    burn = Burn()
    for spent in [10] * 20 + [0] * 100:
        burn.spend(spent)
        burn.advance(1.0, LEASE_SECONDS)
    assert burn.rate < 1e-6
    assert 100 < burn.lease_for(LEASE_SECONDS) <= 200


def test_before_the_first_bid_a_lease_is_a_share_then_ever_less_but_enough_for_a_bid():
    burn = Burn()
    assert burn.lease_for(LEASE_SECONDS) == MAX_MICROS
    for granted, asked in [(60_000, 15_000), (15_000, 10_000), (10_000, 10_000), (9_000, 9_000)]:
        burn.back_off(granted)
        assert burn.lease_for(LEASE_SECONDS) == asked
    burn.note(7)
    assert burn.lease_for(LEASE_SECONDS) == 140


@dataclass
class Market:
    """Replicas that bid from one budget as often as they are asked, and an exchange that answers some time later."""

    budget: int
    replicas: int
    seed: int
    daily: int = 0
    now: float = NOW
    spent_on: Counter[int] = field(default_factory=Counter)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    idle: list[float] = field(default_factory=list)
    pending: list[tuple[float, BidRef]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.books = [self.book() for _ in range(self.replicas)]
        self.bids = [0] * self.replicas

    def book(self) -> LeaseBook:
        return LeaseBook(
            self.ledger,
            seconds=LEASE_SECONDS,
            share=0.05,
            notice_ttl=NOTICE_TTL,
            clock=lambda: self.now,
            new_number=lambda: self.random.getrandbits(63),
        )

    async def run(self, seconds: float, sizes: tuple[int, int], win: float, deaths: float = 0.0) -> None:
        """Two bids a replica and step; a won one is billed, half of the others are told lost, the rest expire."""
        await self.ledger.open(1, Terms(self.budget, self.daily))
        for step in range(int(seconds / STEP)):
            self.now = NOW + step * STEP
            for place, book in enumerate(self.books):
                if self.random.random() < 0.3:  # replicas hear of a new day some time after it began
                    book.enter({1: self.today})
                await book.maintain()
                for _ in range(2):
                    self.bid(place, book, self.random.randint(*sizes))
                if self.random.random() < deaths:
                    self.books[place] = self.book()
                    self.books[place].keep_leased({1})
            await self.answer(win)
            await self.ledger.reclaim(self.now)
            stands = await balance(self.ledger)
            assert_adds_up(stands)
            self.idle.append(stands.leased / self.budget)

    @property
    def today(self) -> Day:
        number = int(self.now // DAY_SECONDS)
        return Day(f"{number:09d}", (number + 1.0) * DAY_SECONDS)

    def bid(self, place: int, book: LeaseBook, size: int) -> None:
        held = book.reserve(1, size, self.random.choice([3.0, NOTICE_TTL]))
        if held is not None:
            self.bids[place] += 1
            self.pending.append((self.now + 1, BidRef(held.lease, held.sequence, 1, 0, size, held.expires)))

    async def answer(self, win: float) -> None:
        due = [ref for at, ref in self.pending if at <= self.now]
        self.pending = [(at, ref) for at, ref in self.pending if at > self.now]
        for ref in due:
            chance = self.random.random()
            if chance < win:
                price = self.random.randint(ref.ceiling_micros // 2, ref.ceiling_micros)
                assert await self.ledger.settle(ref, Kind.BILL, price, self.now) is NoticeOutcome.SETTLED
                self.spent_on[int(self.now // DAY_SECONDS)] += price
            elif chance < (1 + win) / 2:
                await self.ledger.release(ref, self.now)


@settings(max_examples=examples(12))
@given(
    replicas=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    sizes=st.sampled_from([(100, 100), (20, 300), (1, 1_000)]),
    win=st.sampled_from([0.3, 1.0]),
    deaths=st.sampled_from([0.0, 0.002]),
)
def test_where_demand_allows_a_budget_is_spent_to_its_end(
    replicas: int, seed: int, sizes: tuple[int, int], win: float, deaths: float
):
    market = Market(100_000, replicas, seed)
    asyncio.run(market.run(600.0, sizes, win, deaths))
    stands = asyncio.run(balance(market.ledger))
    assert 0.99 * market.budget <= stands.spent <= market.budget


@settings(max_examples=examples(8))
@given(
    replicas=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    win=st.sampled_from([0.3, 1.0]),
    deaths=st.sampled_from([0.0, 0.002]),
)
def test_each_day_is_spent_to_its_limit_and_not_a_micro_further(replicas: int, seed: int, win: float, deaths: float):
    market = Market(10**9, replicas, seed, daily=10_000)
    asyncio.run(market.run(4.0 * DAY_SECONDS, (20, 150), win, deaths))
    assert max(market.spent_on.values()) <= market.daily
    if win == 1.0:  # else money waits for bids to expire, a good part of so short a day
        assert min(market.spent_on[day] for day in sorted(market.spent_on)[:4]) >= 0.98 * market.daily


def test_replicas_with_equal_traffic_spend_alike_and_hold_little():
    market = Market(10_000_000, 10, 1)
    asyncio.run(market.run(60.0, (50, 150), 0.5))
    assert min(market.bids) > 0.9 * max(market.bids)
    assert max(market.idle[100:]) < 0.02  # ten shares of 5 % would be 40 %
