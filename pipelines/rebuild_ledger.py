"""Rebuild the ledger after its server was lost, from the catalog and the events' Parquet files.

How to run, with the platform stopped on all hosts, with the settings of its Controller:

    python -m pipelines.rebuild_ledger --dry-run     # show what would be restored
    python -m pipelines.rebuild_ledger

What to expect: a progress bar, a table of the campaigns, then one JSON line. Spend and counts are those of the events
written before the loss (the last seconds were on the server only); spend is at least the catalog's, in case old events
were deleted. Leased and reserved money is available again; repeated notices remain duplicates. In a ledger that was
rolled back, only campaigns of which it knows less than the catalog are restored. If the ledger has money in it and
nothing is missing, this refuses: `--force` overwrites it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, NamedTuple

import msgspec
import redis
import redis.asyncio as aioredis
import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from raybid.refusing import refuse
from rtb.catalog import Catalog, CatalogEntry, CatalogError
from rtb.catalog.spend_book import CatalogSpendBook
from rtb.events import EventStream, StreamError
from rtb.events.parquet import runs
from rtb.events.writer import EventWriter, WriterBusy
from rtb.ledger import Balance, Floor, LedgerError, Mark, ValkeyLedger, embedded
from rtb.ledger.history import History
from rtb.pacing.terms import day_began, lost_campaigns
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from rtb.store import event_store

_MARKS_AT_ONCE = 1_000
_TIMEOUT_S = 30.0
_TABLE_WIDTH = 140  # figures are never cut short: on a narrow screen they wrap


class RebuildRefused(RuntimeError):
    """An error for a refusal that changed nothing; the message says why."""


@processes.ended_by_signals()
def main(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the figures, restore nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="overwrite the ledger's figures")] = False,
) -> None:
    """Restore the ledger's figures from the catalog and the events."""
    try:
        summary = rebuild(Settings(), dry_run=dry_run, force=force)
    except (RebuildRefused, WriterBusy, StreamError, LedgerError, CatalogError, RedisError, OSError) as error:
        refuse("rebuild_ledger", error, 2)
    typer.echo(msgspec.json.encode(summary).decode())


class Restored(NamedTuple):
    """A campaign and its restored figures."""

    number: int
    name: str
    balance: Balance


def rebuild(settings: Settings, *, dry_run: bool = False, force: bool = False) -> dict[str, int]:
    """Restore the ledger.

    Args:
        settings: settings that locate catalog, events and ledger.
        dry_run: show the figures, restore nothing.
        force: overwrite figures that the ledger has.

    Returns:
        Counts: campaigns, how many were restored, their spend in micros, bid marks, events read.

    Raises:
        Refused: the ledger has money in it.
        WriterBusy: the platform is running, on this machine at least.
        LedgerError, CatalogError, RedisError, StreamError, OSError: a part is unavailable or damaged.
    """
    wanted: Sequence[Restored] = ()
    if dry_run:
        figures, history = _figures(settings)
    else:
        with _server(settings), redis.Redis.from_url(settings.ledger_url, socket_timeout=_TIMEOUT_S) as client:
            _refuse_over_money(settings, force)
            book = CatalogSpendBook(Catalog(settings.catalog_url))
            with _writing(EventWriter(EventStream(client), event_store(settings), book, settings.events_lock)):
                figures, history = _figures(settings)
                wanted = figures if force else asyncio.run(_lost(settings, figures))
                asyncio.run(_restore(settings, wanted, list(history.marks()), force))
    return {
        "campaigns": len(figures),
        "restored": len(wanted),
        "spent_micros": sum(row.balance.spent for row in figures),
        "marks": sum(1 for _ in history.marks()),
        "events": history.events,
    }


@contextmanager
def _server(settings: Settings) -> Iterator[None]:
    """Provide the ledger's server: start the embedded one for the block if nobody else has."""
    server = embedded.start_if_needed(settings)
    try:
        yield
    finally:
        if server is not None:
            server.stop()


@contextmanager
def _writing(writer: EventWriter) -> Iterator[None]:
    """Keep other writers out, and write what the server still has to the files."""
    try:
        writer.resume()
        writer.drain()
        yield
    finally:
        writer.close()


def _figures(settings: Settings) -> tuple[list[Restored], History]:
    """Return every campaign's figures from catalog and events, and show them as a table."""
    console = Console(stderr=True)
    (entries, booked, moved, given), now = _of_record(settings), time.time()
    history = History(settings.notice_times.longest, now, {entry.number: day_began(entry, now) for entry in entries})
    for run in track(runs(event_store(settings)), "reading events", total=None, console=console):
        history.add(run.table)
    known = {entry.number: (entry.campaign.id, entry.campaign.budget.total_micros) for entry in entries}
    numbers = sorted({*known, *booked, *history.campaigns})
    named = {number: known.get(number, ("(not in the catalog)", 0)) for number in numbers}
    figures = [
        Restored(
            number, name, history.balance(number, budget, *(book.get(number, 0) for book in (booked, moved, given)))
        )
        for number, (name, budget) in named.items()
    ]
    console.print(_table(figures), width=max(console.width, _TABLE_WIDTH), crop=False)
    return figures, history


def _of_record(settings: Settings) -> tuple[list[CatalogEntry], dict[int, int], dict[int, int], dict[int, int]]:
    """Return the campaigns, and by number what each spent, received from others, and gave, in micros."""
    catalog = Catalog(settings.catalog_url)
    try:
        return catalog.all(), catalog.spent(), catalog.portfolios.moved(), catalog.portfolios.given()
    finally:
        catalog.close()


def _refuse_over_money(settings: Settings, force: bool) -> None:
    entries, spent, _, given = _of_record(settings)
    numbers = [entry.number for entry in entries]
    known = sorted({*spent, *given})

    async def held() -> list[Balance]:
        async with _client(settings) as client:
            ledger = ValkeyLedger(client)
            await ledger.verify([Floor(number, spent.get(number, 0), given.get(number, 0)) for number in known])
            return await ledger.balances(numbers)

    balances = asyncio.run(held())
    with_money = sum(balance.budget > 0 for balance in balances)
    if with_money and not force and not lost_campaigns(entries, balances, spent):
        raise RebuildRefused(
            f"the ledger is not empty: {with_money} of {len(numbers)} campaigns have money, and nothing that "
            "the catalog knows is missing; nothing was changed. Use --force to overwrite it"
        )


async def _lost(settings: Settings, figures: Sequence[Restored]) -> list[Restored]:
    """Return the campaigns whose figures the ledger lacks, or has older: in spend, money given, or money moved."""
    async with _client(settings) as client:
        ledger = ValkeyLedger(client)
        behind = await ledger.verify([Floor(row.number, row.balance.spent, row.balance.given) for row in figures])
        balances = await ledger.balances([row.number for row in figures])
    pairs = zip(figures, balances, strict=True)
    return [row for row, held in pairs if not held.budget or row.number in behind or held.moved != row.balance.moved]


async def _restore(settings: Settings, figures: Sequence[Restored], marks: Sequence[Mark], force: bool) -> None:
    """Restore the marks first: a ledger without figures refuses all notices, so none is counted twice meanwhile."""
    async with _client(settings) as client:
        ledger = ValkeyLedger(client)
        for start in range(0, len(marks), _MARKS_AT_ONCE):
            await ledger.remember(marks[start : start + _MARKS_AT_ONCE])
        before = await ledger.balances([row.number for row in figures])
        for row, held in zip(figures, before, strict=True):
            if not await ledger.restore(row.number, row.balance, overwrite=force or held.budget > 0):
                raise RebuildRefused(
                    f"campaign {row.number} got money while its figures were restored: is the platform up?"
                )


def _client(settings: Settings) -> aioredis.Redis:
    return aioredis.Redis.from_url(settings.ledger_url, socket_timeout=_TIMEOUT_S)


def _table(figures: Sequence[Restored]) -> Table:
    counts = ("wins", "bills", "losses", "clicks", "conversions", "unfunded", "unpaid")
    table = Table("campaign", "budget", "spent", "available", *counts, title="figures from catalog and events, micros")
    for row in figures:
        money = (row.balance.budget, row.balance.spent, row.balance.available)
        numbers = (*money, *(getattr(row.balance, name) for name in counts))
        table.add_row(plain(f"{row.number} {row.name}"), *(f"{number:,}" for number in numbers))
    return table


if __name__ == "__main__":
    typer.run(main)
