"""Serving's closed loop in one thread: Controller, bidder and ledger against a made-up market with a day's wave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt

from rtb.catalog import Entry
from rtb.ledger import Balance, LeaseBook, MemoryLedger
from rtb.notices import BidRef, Kind
from rtb.pacemaker import Pacemaker
from rtb.policy import neutral
from rtb.snapshot import PacingTable
from rtb.stages import Auction, BidStage, Decisions
from rtb.terms import terms_of

Floats = npt.NDArray[np.float64]

DAY = 86_400.0


@dataclass
class Market:
    """Impressions of their own for each campaign, at prices and in numbers that follow the time of day.

    Args:
        rng: of every impression.
        rate: impressions of one campaign a second, over a day.
        traffic_wave: height of the daily wave of traffic, below 1.
        price_wave: height of the daily wave of log prices.
    """

    rng: np.random.Generator
    rate: float
    traffic_wave: float = 0.6
    price_wave: float = 0.2
    median_price: float = 400.0
    mean_pctr: float = 1e-3

    def impressions(self, now: float, seconds: float) -> tuple[Floats, Floats]:
        """Chances and prices of what comes to one campaign in so many seconds."""
        wave = float(np.sin(2.0 * np.pi * (now / DAY - 0.4)))
        size = self.rng.poisson(self.rate * seconds * (1.0 + self.traffic_wave * wave))
        chance = self.mean_pctr * np.exp(self.rng.normal(-0.32, 0.8, size))
        level = np.log(self.median_price) + self.price_wave * wave
        return chance, np.exp(self.rng.normal(level, 0.6, size))


@dataclass
class House:
    """The platform's money and pacing, a tick at a time; notices come `late` ticks after their bids.

    Args:
        entries: the campaigns.
        market: what they bid in.
        seconds: of a tick.
        now: when it begins.
        late: ticks from a bid to its notice.
    """

    entries: Sequence[Entry]
    market: Market
    seconds: float
    now: float
    late: int = 2
    tables: list[PacingTable] = field(default_factory=list)
    spent: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = count(1)
        self.ledger = MemoryLedger()
        self.book = LeaseBook(
            self.ledger,
            seconds=5.0 * self.seconds,
            share=0.5,
            notice_ttl=10.0 * self.seconds,
            clock=lambda: self.now,
            new_number=lambda: next(numbers),
        )
        self.stage = BidStage(neutral(), self.book)
        self.pacemaker = Pacemaker()
        self._due: list[list[Callable[[], object]]] = [[] for _ in range(self.late)]

    async def open(self) -> None:
        """Give the campaigns their money."""
        for entry in self.entries:
            await self.ledger.open(entry.number, terms_of(entry))

    async def balances(self) -> list[Balance]:
        """Where the campaigns stand."""
        return await self.ledger.balances([entry.number for entry in self.entries])

    async def tick(self) -> None:
        """One look of the Controller, and the bids until the next."""
        await self.ledger.reclaim(self.now)
        balances = await self.balances()
        table = self.pacemaker.tick(self.entries, balances, self.now)
        self.tables.append(table)
        self.spent.append([balance.spent for balance in balances])
        await self.ledger.report(self.stage.repace(table))
        await self.book.maintain()
        self._due.append(self._bid())
        for notice in self._due.pop(0):
            await notice()  # type: ignore[misc]
        await self.ledger.report(self.stage.drain())
        self.now += self.seconds

    def _bid(self) -> list[Callable[[], object]]:
        parts = [self.market.impressions(self.now, self.seconds) for _ in self.entries]
        chance, price = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        sizes = [len(part[0]) for part in parts]
        numbers = np.repeat([entry.number for entry in self.entries], sizes).astype(np.int32)
        auction = Auction(
            imp=np.arange(len(chance)),
            campaign=numbers,
            probability=np.stack([chance, np.zeros(len(chance))], axis=1).astype(np.float32),
            floor_micros=np.zeros(len(chance), np.int64),
            first_price=np.zeros(len(chance), np.bool_),
        )
        return self._notices(auction, self.stage.decide(auction), price)

    def _notices(self, auction: Auction, made: Decisions, price: Floats) -> list[Callable[[], object]]:
        notices: list[Callable[[], object]] = []
        ledger = self.ledger
        columns = (
            made.lease.tolist(),
            made.sequence.tolist(),
            auction.campaign[made.candidate].tolist(),
            made.price_micros.tolist(),
            made.expires.tolist(),
            np.ceil(price[made.candidate]).astype(np.int64).tolist(),
        )
        for lease, sequence, number, bid, expires, cost in zip(*columns, strict=True):
            ref = BidRef(lease, sequence, number, 0, bid, expires)
            if bid >= cost:
                notices.append(lambda ref=ref, cost=cost: ledger.settle(ref, Kind.BILL, cost, self.now))
            else:
                notices.append(lambda ref=ref: ledger.release(ref, self.now))
        return notices
