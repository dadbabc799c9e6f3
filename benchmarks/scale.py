"""Cost of thousands of campaigns over ten: per request, in pauses of an event loop, and in background CPU time.

How to run:

    python -m benchmarks.scale [--campaigns 10 --campaigns 1000 --campaigns 10000]

What to expect: a table on standard error, one JSON line last; half a minute. Everything runs in one process except the
ledger, a separate Valkey server. `request_us`: find, price and pay for the bids of a request, in batches of 32.
`pause_ms`: longest wait of another task on the event loop while a replica loads a catalog, an edit of one campaign, a
pacing table, or leases. `tick_ms`: CPU time of one tick of the Controller, and of the server for it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import msgspec
import psutil
import redis.asyncio as aioredis
import typer
from rich.console import Console
from rich.table import Table

from rtb.auction.edge import Edge
from rtb.auction.stages import BidStage
from rtb.catalog import CatalogEntry
from rtb.ledger import LeaseBook, ValkeyLedger, embedded
from rtb.models import policy
from rtb.models.ctr import CTRScorer
from rtb.pacing import snapshot
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.terms import terms_of
from rtb.runtime import gc_control, processes
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from simulation import reference
from simulation.campaigns import sample_campaigns
from simulation.requests import to_openrtb

_BATCH, _REQUESTS = 32, 1_024
_PORT = 6391
_RICH = 2**50  # micros: no campaign runs out of money here

Figures = dict[str, float]


@processes.ended_by_signals()
def main(
    campaigns: Annotated[list[int], typer.Option(min=1, help="number of active campaigns; repeatable")] = [  # noqa: B006
        10,
        1_000,
        10_000,
    ],
    port: Annotated[int, typer.Option(help="port for the ledger's server")] = _PORT,
) -> None:
    """Measure with each number of campaigns."""
    result = {count: asyncio.run(_measure(count, port)) for count in campaigns}
    table = Table("figure", *(f"{count:,} campaigns" for count in campaigns))
    for name in result[campaigns[0]]:
        table.add_row(name, *(f"{result[count][name]:.2f}" for count in campaigns))
    Console(stderr=True).print(table)
    typer.echo(msgspec.json.encode(result).decode())


async def _measure(count: int, port: int) -> Figures:
    entries = [
        CatalogEntry(number, campaign, time.time())
        for number, campaign in enumerate(sample_campaigns(count, reference.MARKET_SEED, budget_micros=_RICH), 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        server = embedded.EmbeddedServer(port, Path(folder))
        try:
            client = aioredis.Redis(port=port)
            figures = await _figures(entries, ValkeyLedger(client), server.pid)
            await client.aclose()
            return figures
        finally:
            server.stop()


async def _figures(entries: list[CatalogEntry], ledger: ValkeyLedger, server: int) -> Figures:
    numbers = [entry.number for entry in entries]
    await ledger.open_all({entry.number: terms_of(entry) for entry in entries})
    edge = Edge(
        signer=Signer("a secret for timing only"),
        users=UserKeys("a secret for timing only"),
        base_url="http://a",
        currency="USD",
        max_imps=64,
        max_candidates=16,
    )
    reader = snapshot.CatalogReader()
    book = LeaseBook(ledger, seconds=5.0, share=0.05, notice_ttl=60.0)
    stage, pacemaker = BidStage(policy.neutral(), book), Pacemaker()

    async def take_up(body: bytes) -> None:
        with gc_control.gc_paused():
            view = await asyncio.to_thread(edge.view, await asyncio.to_thread(reader.read, body))
            gc_control.freeze_if_large(reader.fresh)
        edge.show(view)

    async def pace(body: bytes) -> None:
        table = snapshot.decode_pacing(body)
        edge.set_open(table["number"][table["open"]].tolist())
        stage.set_pacing_table(table)

    async def tick() -> bytes:
        return snapshot.encode_pacing(pacemaker.tick(entries, await ledger.balances(numbers), time.time()))

    listings = [Listing(entry.number, entry.campaign) for entry in entries]
    edited = [Listing(1, msgspec.structs.replace(entries[0].campaign, name="edited")), *listings[1:]]
    figures = {"pause_ms catalog": await _pause(take_up(snapshot.encode_catalog(listings)))}
    figures["pause_ms edit"] = await _pause(take_up(snapshot.encode_catalog(edited)))
    await pace(await tick())
    figures["pause_ms first leases"] = await _pause(book.maintain())
    figures["pause_ms pacing"] = await _pause(pace(await tick()))
    own, servers = time.process_time(), _cpu(server)
    for _ in range(5):
        await tick()
    figures["tick_ms controller"] = (time.process_time() - own) / 5 * 1e3
    figures["tick_ms server"] = (_cpu(server) - servers) / 5 * 1e3
    return figures | await _requests(edge, stage, book)


async def _requests(edge: Edge, stage: BidStage, book: LeaseBook) -> Figures:
    """Return microseconds per request of the parts that depend on campaigns, the best of five passes."""
    market = reference.market(traffic_seed=1)
    auctions = market.step(_REQUESTS)
    prepared = [edge.prepare(msgspec.json.encode(to_openrtb(market, auctions, i))) for i in range(_REQUESTS)]
    chunks = [prepared[start : start + _BATCH] for start in range(0, _REQUESTS, _BATCH)]
    scorer = CTRScorer.untrained()
    scores = [scorer.score(edge.assemble(chunk).rows) for chunk in chunks]
    best = {"request_us assemble": 1e9, "request_us decide": 1e9}
    for _ in range(5):
        began = time.perf_counter()
        batches = [edge.assemble(chunk) for chunk in chunks]
        assembled = time.perf_counter()
        for batch, scored in zip(batches, scores, strict=True):
            stage.decide(batch.auction(scored))
        spent = {"assemble": assembled - began, "decide": time.perf_counter() - assembled}
        for name, seconds in spent.items():
            best[f"request_us {name}"] = min(best[f"request_us {name}"], seconds / _REQUESTS * 1e6)
        await book.maintain()
    candidates = sum(len(batch.candidates) for batch in batches) / _REQUESTS
    return best | {"candidates a request": candidates}


async def _pause(work: Awaitable[object]) -> float:
    """Return the longest wait of another task, in milliseconds, while this work was done."""
    longest, last, done = 0.0, time.perf_counter(), False

    async def watch() -> None:
        nonlocal longest, last
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            time.sleep(0.0002)  # like a busy loop: other threads may take the interpreter

    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    await work
    await asyncio.sleep(0)
    done = True
    await watching
    return longest * 1e3


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    typer.run(main)
