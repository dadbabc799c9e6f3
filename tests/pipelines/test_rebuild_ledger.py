"""A ledger that was wiped comes back from catalog and events, figure by figure."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import typer
from typer.testing import CliRunner

from pipelines import rebuild_ledger
from pipelines.rebuild_ledger import RebuildRefused, rebuild
from rtb.catalog import Catalog
from rtb.catalog.spend_book import CatalogSpendBook
from rtb.events import STREAM, BidEvent, EventSink, EventStream
from rtb.events.merging import merge_hour
from rtb.events.parquet import hour_folders, read_events
from rtb.events.writer import EventWriter, WriterBusy
from rtb.ledger import Balance, Grant, LeaseBook, Ledger, NoticeOutcome, ValkeyLedger
from rtb.pacing.terms import lost_campaigns
from rtb.runtime.settings import Settings
from rtb.settlement.notice_tokens import BidRef, Kind
from rtb.store import event_store
from tests.conftest import Valkey
from tests.rtb.builders import make_campaign

CAMPAIGNS = (1, 2, 3)
BUDGET = 500_000_000


@pytest.fixture
def settings(valkey: Valkey, tmp_path: Path) -> Settings:
    made = Settings(var_dir=tmp_path, redis_url=f"redis://127.0.0.1:{valkey.port}/0")
    catalog = Catalog(made.catalog_url)
    for number in CAMPAIGNS:
        catalog.add(make_campaign(f"c{number}", budget=BUDGET))
    catalog.close()
    return made


@pytest.fixture
def writer(settings: Settings) -> Iterator[EventWriter]:
    with redis.Redis.from_url(settings.ledger_url) as client:
        book = CatalogSpendBook(Catalog(settings.catalog_url))
        made = EventWriter(EventStream(client), event_store(settings), book, settings.events_lock, 100)
        yield made
        made.close()


def on_ledger(valkey: Valkey, body: Callable[[ValkeyLedger], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with valkey.client() as client:
            return await body(ValkeyLedger(client))

    return asyncio.run(main())


def balances(valkey: Valkey) -> list[Balance]:
    found: list[Balance] = on_ledger(valkey, lambda ledger: ledger.balances(CAMPAIGNS))
    return found


Notice = tuple[str, BidRef, Kind, int]


async def tell(ledger: Ledger, notice: Notice) -> NoticeOutcome:
    operation, ref, kind, price = notice
    now = time.time()
    if operation == "settle":
        return await ledger.settle(ref, kind, price, now)
    if operation == "release":
        return await ledger.release(ref, now, min_to_win_micros=price)
    return await ledger.count(ref, kind, now)


async def traffic(ledger: ValkeyLedger, client: Any, bids: int, seed: int) -> list[Notice]:
    """Bids of all campaigns from leases, and notices of most, some repeated; every notice that was sent."""
    rng = random.Random(seed)
    for number in CAMPAIGNS:
        await ledger.open(number, BUDGET)
    book = LeaseBook(ledger, seconds=5.0, share=0.2, notice_ttl=60.0)
    book.keep_leased({*CAMPAIGNS})
    await book.maintain()
    sink = EventSink(client)
    sent: list[Notice] = []
    for _ in range(bids):
        number, ceiling = rng.choice(CAMPAIGNS), rng.randrange(1, 200_000)
        held = book.reserve(number, ceiling)
        if held is None:
            await book.maintain()
            continue
        ref = BidRef(held.lease, held.sequence, number, 0, ceiling, held.expires)
        sink.put(bid_event(ref))
        for notice in notices(rng, ref):
            await tell(ledger, notice)
            sent.append(notice)
    for number in CAMPAIGNS:  # no campaign has that much
        ref = BidRef(1, number, number, 0, 2 * BUDGET, int(time.time()) + 60)
        sent.append(("settle", ref, Kind.BILL, 2 * BUDGET))
        await tell(ledger, sent[-1])
    await sink.flush()
    return sent


def notices(rng: random.Random, ref: BidRef) -> list[Notice]:
    charge = ("settle", ref, Kind.BILL, rng.randrange(0, 2 * ref.ceiling_micros))
    win, loss = ("count", ref, Kind.WIN, 0), ("release", ref, Kind.LOSS, rng.randrange(1, 10**6))
    click, conversion = ("count", ref, Kind.CLICK, 0), ("count", ref, Kind.CONVERSION, 0)
    stories: list[list[Notice]] = [
        [win, charge],
        [win, charge, charge, click],
        [charge, click, click, conversion],
        [loss],
        [loss, loss, charge],
        [charge, loss],
        [],
    ]
    return rng.choice(stories)


def bid_event(ref: BidRef) -> BidEvent:
    rest: dict[str, Any] = {"request": "r", "creative": "c/1", "features": [1], "pctr": 0.1, "multiplier": 1.0}
    money: dict[str, Any] = {"price_micros": ref.ceiling_micros, "floor_micros": 0}
    return BidEvent(bid=ref.bid_id, campaign=ref.campaign, at=time.time(), **rest, **money)


def play(valkey: Valkey, bids: int = 400, seed: int = 1) -> list[Notice]:
    async def main() -> list[Notice]:
        async with valkey.client() as client:
            return await traffic(ValkeyLedger(client), client, bids, seed)

    return asyncio.run(main())


def without_holds(balance: Balance) -> Balance:
    """Return a campaign's figures after all leases and reservations have come back."""
    free = balance.available + balance.leased + balance.reserved
    return balance._replace(available=free, leased=0, reserved=0)


@pytest.mark.parametrize(("seed", "is_merged"), [(1, False), (2, False), (3, True)])
def test_every_figure_comes_back(
    valkey: Valkey, settings: Settings, writer: EventWriter, seed: int, is_merged: bool
) -> None:
    sent = play(valkey, seed=seed)
    writer.drain()
    writer.close()
    if is_merged:
        store = event_store(settings)
        assert sum(len(merge_hour(store, hour)) for hour in hour_folders(store, 0.0)) > 1
    before = balances(valkey)
    valkey.flush()
    summary = rebuild(settings)
    after = balances(valkey)
    bids = [balance.bids for balance in after]
    assert after == [without_holds(b)._replace(bids=n) for b, n in zip(before, bids, strict=True)]
    assert sum(bids) == read_events(event_store(settings), 0, 10**10).column("kind").to_pylist().count("bid") > 300
    assert [b.unfunded for b in after] == [1, 1, 1]
    assert min(b.spent for b in after) > 0
    assert summary["spent_micros"] == sum(b.spent for b in before)
    assert tell_all(valkey, sent) == KNOWN
    assert balances(valkey) == after


KNOWN = {NoticeOutcome.DUPLICATE, NoticeOutcome.CHARGED}
"""What notices that came before are told: those of a loss also that the bid is charged."""


def tell_all(valkey: Valkey, sent: list[Notice]) -> set[NoticeOutcome]:
    async def again(ledger: ValkeyLedger) -> set[NoticeOutcome]:
        return {await tell(ledger, notice) for notice in sent}

    found: set[NoticeOutcome] = on_ledger(valkey, again)
    return found


def test_late_notices_of_bids_made_before_settle_once(valkey: Valkey, settings: Settings, writer: EventWriter) -> None:
    play(valkey, bids=20)
    writer.drain()
    writer.close()
    valkey.flush()
    rebuild(settings)
    ref = BidRef(99, 1, 1, 0, 500, int(time.time()) + 60)
    late = [("settle", ref, Kind.BILL, 300)] * 2

    async def settle(ledger: ValkeyLedger) -> list[NoticeOutcome]:
        return [await tell(ledger, notice) for notice in late]

    before = balances(valkey)[0]
    assert on_ledger(valkey, settle) == [NoticeOutcome.SETTLED, NoticeOutcome.DUPLICATE]
    assert balances(valkey)[0].spent == before.spent + 300


def test_what_is_still_in_the_stream_is_not_left_out(valkey: Valkey, settings: Settings) -> None:
    play(valkey)
    before = balances(valkey)
    with redis.Redis(port=valkey.port) as client:
        client.delete(*(f"raybid:campaign:{number}" for number in CAMPAIGNS))
        rebuild(settings)
        assert client.xlen(STREAM) == 0
    assert [b.spent for b in balances(valkey)] == [b.spent for b in before]


def test_a_ledger_with_money_in_it_is_refused_unless_forced(
    valkey: Valkey, settings: Settings, writer: EventWriter
) -> None:
    play(valkey)
    writer.drain()
    writer.close()
    before = balances(valkey)
    with pytest.raises(RebuildRefused, match="not empty: 3 of 3 campaigns"):
        rebuild(settings)
    assert balances(valkey) == before
    rebuild(settings, force=True)
    after = balances(valkey)
    assert [(b.spent, b.leased, b.reserved) for b in after] == [(b.spent, 0, 0) for b in before]
    on_ledger(valkey, lambda ledger: ledger.reclaim(time.time() + 10_000))  # leases of old hold nothing any more
    assert balances(valkey) == after
    (amount,) = on_ledger(valkey, lambda ledger: ledger.lease([Grant(5, 1, 100, 0.0, time.time() + 60)]))
    assert amount == 100


def test_spend_whose_events_were_deleted_is_not_forgotten(
    valkey: Valkey, settings: Settings, writer: EventWriter
) -> None:
    play(valkey)
    writer.drain()
    writer.close()
    before = balances(valkey)
    valkey.flush()
    for path in (settings.var_dir / "events").glob("date=*/hour=*/part-*"):
        path.unlink()
    rebuild(settings)
    assert [(b.spent, b.available) for b in balances(valkey)] == [(b.spent, BUDGET - b.spent) for b in before]


def test_campaigns_that_never_spent_go_on_in_another_server(valkey: Valkey, settings: Settings) -> None:
    """They are closed until they are restored, since nobody can tell an empty server from one that lost them."""
    catalog = Catalog(settings.catalog_url)
    on_ledger(valkey, lambda ledger: ledger.open(1, BUDGET))
    catalog.mark_opened(CAMPAIGNS)
    valkey.flush()
    assert lost_campaigns(catalog.all(), balances(valkey), {}) == catalog.all()
    assert rebuild(settings)["spent_micros"] == 0
    assert balances(valkey) == [Balance(budget=BUDGET, available=BUDGET)] * 3
    assert lost_campaigns(catalog.all(), balances(valkey), {}) == []
    catalog.close()


def test_a_running_writer_is_a_reason_to_refuse(valkey: Valkey, settings: Settings, writer: EventWriter) -> None:
    play(valkey, bids=10)
    writer.drain()
    valkey.flush()
    with pytest.raises(WriterBusy):
        rebuild(settings)
    assert balances(valkey) == [Balance()] * 3


def test_the_command_line(
    valkey: Valkey, settings: Settings, writer: EventWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(settings.var_dir))
    monkeypatch.setenv("RAYBID_REDIS_URL", settings.redis_url)
    play(valkey)
    writer.drain()
    writer.close()
    spent = sum(b.spent for b in balances(valkey))
    app = typer.Typer()
    app.command()(rebuild_ledger.main)

    refused = CliRunner().invoke(app, [])
    assert refused.exit_code == 2
    assert refused.stderr.startswith("rebuild_ledger: the ledger is not empty")
    assert refused.stdout == ""

    valkey.flush()
    shown = CliRunner().invoke(app, ["--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "c2" in shown.stderr
    assert balances(valkey) == [Balance()] * 3

    done = CliRunner().invoke(app, [])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary == json.loads(shown.stdout.splitlines()[-1]) | {"restored": 3}
    assert (summary["campaigns"], summary["spent_micros"]) == (3, spent)
    assert set(summary) == {"campaigns", "restored", "spent_micros", "marks", "events"}
