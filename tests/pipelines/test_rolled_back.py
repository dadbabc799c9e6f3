"""A ledger whose server came up with an older file: nothing is spent twice, and all of it comes back."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from pipelines.rebuild_ledger import rebuild
from rtb.catalog import Catalog
from rtb.catalog.spend_book import CatalogSpendBook
from rtb.events import STREAM, EventStream
from rtb.events.parquet import read_events
from rtb.events.writer import EventWriter
from rtb.ledger import Balance, Floor, Grant, NoticeOutcome, Terms, Transfer
from rtb.runtime.settings import Settings
from rtb.settlement.notice_tokens import BidRef, Kind
from rtb.store import event_store
from tests.pipelines.test_rebuild_ledger import (
    BUDGET,
    CAMPAIGNS,
    KNOWN,
    Notice,
    balances,
    on_ledger,
    play,
    tell,
    tell_all,
    without_holds,
)
from tests.rtb.builders import make_campaign
from tests.rtb.ledger.support import Restartable


class _World:
    """A server of its own with its catalog and files, and an older copy of its data."""

    def __init__(self, port: int, folder: Path) -> None:
        self.server = Restartable(port, folder / "server")
        self.settings = Settings(var_dir=folder, redis_url=f"redis://127.0.0.1:{port}/0")
        self._data, self._copy = folder / "server", folder / "copy"
        self.catalog = Catalog(self.settings.catalog_url)
        for number in CAMPAIGNS:
            self.catalog.add(make_campaign(f"c{number}", budget=BUDGET))

    def write_events(self) -> None:
        with redis.Redis(port=self.server.at.port) as client:
            writer = EventWriter(
                EventStream(client),
                event_store(self.settings),
                CatalogSpendBook(self.catalog),
                self.settings.events_lock,
            )
            writer.drain()
            writer.close()

    def copy(self) -> None:
        shutil.copytree(self._data, self._copy)

    def roll_back(self) -> None:
        self.server.kill()
        shutil.rmtree(self._data)
        shutil.copytree(self._copy, self._data)
        self.server.start()

    def behind(self) -> list[int]:
        given, spent = self.catalog.portfolios.given(), self.catalog.spent()
        floors = [Floor(number, spent.get(number, 0), given.get(number, 0)) for number in CAMPAIGNS]
        found: list[int] = on_ledger(self.server.at, lambda ledger: ledger.verify(floors))
        return found


@pytest.fixture
def world(free_port: int, tmp_path: Path) -> Iterator[_World]:
    made = _World(free_port, tmp_path)
    yield made
    made.catalog.close()
    made.server.process.stop()


def _open(world: _World) -> None:
    on_ledger(world.server.at, lambda ledger: ledger.open_all(dict.fromkeys(CAMPAIGNS, Terms(BUDGET))))


def _charge(world: _World, number: int, price: int) -> Notice:
    """Charge a bid of a campaign that has leased its budget."""
    lease = time.time_ns()
    ref = BidRef(lease, 1, number, 0, price, int(time.time()) + 60)

    async def charged(ledger: Any) -> Notice:
        await ledger.lease([Grant(lease, number, price, 0.0, time.time() + 60)])
        notice: Notice = ("settle", ref, Kind.BILL, price)
        assert await tell(ledger, notice) is NoticeOutcome.SETTLED
        return notice

    made: Notice = on_ledger(world.server.at, charged)
    return made


def _events(world: _World) -> list[tuple[str, str]]:
    table = read_events(event_store(world.settings), 0, 10**10)
    return list(zip(table.column("kind").to_pylist(), table.column("bid").to_pylist(), strict=True))


@pytest.mark.parametrize("goes_on", [False, True], ids=["at once", "after it ran for a while"])
def test_nothing_is_spent_twice_and_every_figure_comes_back(world: _World, goes_on: bool) -> None:
    first = play(world.server.at, bids=60, seed=1)
    world.copy()  # some of its events are still in its stream
    world.write_events()
    second = [_charge(world, 1, 70_000), _charge(world, 2, 90_000)]
    world.write_events()
    before, written = balances(world.server.at), _events(world)
    world.roll_back()
    rolled = balances(world.server.at)
    assert [b.spent - r.spent for b, r in zip(before, rolled, strict=True)] == [70_000, 90_000, 0]

    assert world.behind() == [1, 2]
    assert tell_all(world.server.at, second) == {NoticeOutcome.BEHIND}
    assert on_ledger(world.server.at, lambda ledger: ledger.lease([Grant(5, 1, 1, 0.0, time.time() + 60)])) == [0]
    later = _charge(world, 3, 40_000) if goes_on else None
    if goes_on:
        world.write_events()
        assert world.behind() == [1, 2]

    summary = rebuild(world.settings)  # without --force
    assert summary["restored"] == 2
    assert world.behind() == []
    after = [without_holds(b) for b in balances(world.server.at)]
    spent = [b.spent + (40_000 if goes_on and n == 3 else 0) for n, b in zip(CAMPAIGNS, before, strict=True)]
    assert [b.spent for b in after] == spent
    assert [b.available for b in after] == [BUDGET - s for s in spent]
    assert tell_all(world.server.at, first + second + ([later] if later else [])) == KNOWN
    assert [b.spent for b in balances(world.server.at)] == spent
    assert sorted(_events(world)) == sorted(written + ([("bill", later[1].bid_id)] if later else []))


def test_an_event_that_only_the_stream_has_is_kept_though_its_id_is_old(world: _World) -> None:
    """A server that was wiped while its clock was behind: its events are news, those of a rolled back one are not."""
    _open(world)
    _charge(world, 1, 50_000)
    world.write_events()
    with redis.Redis(port=world.server.at.port) as client:
        client.delete(STREAM)
        news = {"kind": "bill", "bid": "b", "campaign": 1, "price_micros": 10, "at": time.time(), "outcome": "settled"}
        client.xadd(STREAM, news, id="5-1")
    rebuild(world.settings, force=True)
    assert sum(kind == "bill" for kind, _ in _events(world)) == 2
    assert world.catalog.spent() == {1: 50_010}


def test_budget_that_was_moved_away_does_not_come_back(world: _World) -> None:
    """Of two campaigns of a portfolio the one that gave is behind though it spent nothing, and both are restored."""
    _open(world)
    world.copy()
    moved = [Transfer(1, 2, 300, "p", "w"), Transfer(2, 1, 100, "p", "w")]
    assert on_ledger(world.server.at, lambda ledger: ledger.move(moved[:1], time.time())) == [300]
    world.write_events()
    before = balances(world.server.at)
    world.roll_back()
    assert world.behind() == [1]
    assert rebuild(world.settings)["restored"] == 2
    assert balances(world.server.at) == before
    assert world.behind() == []


def test_a_server_that_nobody_vetted_is_refused_by_replicas(world: _World) -> None:
    from deployments.wiring import ledger_client  # noqa: PLC0415
    from rtb.ledger.vetting import Vetting  # noqa: PLC0415

    async def is_used() -> bool:
        async with ledger_client(world.settings) as client:
            try:
                return bool(await client.ping())
            except redis.exceptions.ConnectionError as error:
                assert "not verified" in str(error)
                return False

    async def vet() -> bool:
        async with world.server.at.client() as client:
            vetting = Vetting(client)
            was_due = await vetting.is_due()
            await vetting.passed()
            return was_due

    assert not asyncio.run(is_used())
    assert asyncio.run(vet())
    assert asyncio.run(is_used())
    assert not asyncio.run(vet())
    world.copy()
    world.roll_back()
    assert not asyncio.run(is_used())
    assert asyncio.run(vet())
    assert asyncio.run(is_used())
    world.server.at.flush()
    assert asyncio.run(vet())
    assert balances(world.server.at) == [Balance()] * 3
