"""Serving's closed loop in one thread: Controller, bidder and ledger against a made-up market with a day's wave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np
import numpy.typing as npt

from rtb.auction.stages import Auction, AuctionOutcome, BidStage
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance, LeaseBook, MemoryLedger
from rtb.models.policy import neutral
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.snapshot import PacingTable
from rtb.pacing.terms import terms_of
from rtb.settlement.notice_tokens import BidRef, Kind

Floats = npt.NDArray[np.float64]

Notice = Callable[[], Awaitable[object]]

DAY = 86_400.0


@dataclass
class Market:
    """Impressions of their own for each campaign, at prices and in numbers that follow the time of day.

    Args:
        rng: of every impression.
        rate: impressions of one campaign a second, over a day.
        traffic_wave: height of the daily wave of traffic, below 1.
        price_wave: height of the daily wave of log prices.
        median_price: micros.
        mean_pctr: chance of a click.
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

    Attributes:
        tables: published so far.
        spent: micros of each campaign as those tables were made.
    """

    entries: Sequence[CatalogEntry]
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
        self._due: list[list[Notice]] = [[] for _ in range(self.late)]

    async def run(self, ticks: int) -> list[Balance]:
        """Open the campaigns and serve so many ticks; where they stand when the last notices have come."""
        for entry in self.entries:
            await self.ledger.open(entry.number, terms_of(entry))
        for _ in range(ticks):
            await self._tick()
        for notices in self._due:
            await self._hear(notices)
        return await self._balances()

    async def _balances(self) -> list[Balance]:
        """Where the campaigns stand."""
        return await self.ledger.balances([entry.number for entry in self.entries])

    async def _tick(self) -> None:
        """One look of the Controller, and the bids until the next."""
        await self.ledger.reclaim(self.now)
        balances = await self._balances()
        table = self.pacemaker.tick(self.entries, balances, self.now)
        self.tables.append(table)
        self.spent.append([balance.spent for balance in balances])
        await self.ledger.report(self.stage.set_pacing_table(table))
        await self.book.maintain()
        self._due.append(self._bid())
        await self._hear(self._due.pop(0))
        await self.ledger.report(self.stage.drain())
        self.now += self.seconds

    async def _hear(self, notices: list[Notice]) -> None:
        for notice in notices:
            await notice()

    def _bid(self) -> list[Notice]:
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

    def _notices(self, auction: Auction, made: AuctionOutcome, price: Floats) -> list[Notice]:
        notices: list[Notice] = []
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
            notices.append(partial(self._settle, ref, cost) if bid >= cost else partial(self._release, ref))
        return notices

    async def _settle(self, ref: BidRef, cost: int) -> None:
        await self.ledger.settle(ref, Kind.BILL, cost, self.now)

    async def _release(self, ref: BidRef) -> None:
        await self.ledger.release(ref, self.now)
