"""Operations per second of the ledger alone, next to `redis-benchmark` on the same server in the same run.

How to run:

    python -m benchmarks.ledger [--rounds 5] [--url redis://...]

What to expect: about half a minute; a table on standard error, one JSON line last. Settlements are complete: the script
with its once-per-bid marks, pots and the event in the stream, each for a new bid that was won. A renewal is one lease
granted and one closed. The embedded server syncs its disk before it answers (`appendfsync always`), for
`redis-benchmark` as for us. Requires `redis-benchmark` on the PATH (Debian: redis-tools).
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import redis
import redis.asyncio as aioredis
import typer
import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from raybid.local.ports import free_port
from rtb.ledger import Closing, Grant, NoticeOutcome, ValkeyLedger
from rtb.ledger.embedded import EmbeddedServer
from rtb.money.micros import MAX_MICROS
from rtb.runtime import processes
from rtb.settlement.notice_tokens import BidRef, Kind

_IN_FLIGHT = (1, 16, 64)
_SETTLEMENTS = 2_000  # per round, at each number in flight
_CAMPAIGNS = 200
_RENEWALS = 10  # rounds over all campaigns
_PLAIN = 10_000  # requests of redis-benchmark
_PIPELINE = 16
_PRICE, _CEILING = 700, 1_000

_numbers = itertools.count(1)


@processes.ended_by_signals()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="number of measurements; the median counts")] = 5,
    url: Annotated[str, typer.Option(help="URL of an empty Redis or Valkey; default: an embedded one")] = "",
) -> None:
    """Run the measurements in turn, several times."""
    console = Console(stderr=True)
    if shutil.which("redis-benchmark") is None:
        console.print("benchmarks.ledger: redis-benchmark is not on the PATH: install Redis' tools", style="red")
        raise typer.Exit(1)
    with _server(url) as address:
        measured: dict[str, list[float]] = defaultdict(list)
        for _ in track(range(rounds), "measuring", console=console):
            for name, value in (uvloop.run(_ours(address)) | _theirs(address)).items():
                measured[name].append(value)
    medians = {name: round(statistics.median(values)) for name, values in measured.items()}
    ratios = {
        f"settle_ratio_{n}": round(medians[f"settlements_per_s_{n}"] / medians[f"redis_set_per_s_{n}"], 3)
        for n in _IN_FLIGHT
    } | {"renew_ratio": round(medians["lease_renewals_per_s"] / medians["redis_set_pipelined_per_s"], 3)}
    table = Table("figure", "median", title=f"the ledger and its server, {rounds} rounds")
    for name, value in (medians | ratios).items():
        table.add_row(name, f"{value:,}")
    console.print(table)
    typer.echo(msgspec.json.encode(medians | ratios).decode())


@contextmanager
def _server(url: str) -> Iterator[str]:
    """Yield the URL to measure: the given server if it is empty, else an embedded one."""
    if url:
        with redis.Redis.from_url(url) as client:
            if client.dbsize():
                raise typer.BadParameter("it holds keys: a benchmark needs an empty server", param_hint="--url")
            try:
                yield url
            finally:
                client.flushdb()
        return
    with tempfile.TemporaryDirectory(prefix="raybid-bench-") as folder:
        port = free_port()
        server = EmbeddedServer(port, Path(folder))
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.stop()


async def _ours(url: str) -> dict[str, float]:
    async with aioredis.Redis.from_url(url) as client:
        ledger = ValkeyLedger(client)
        for campaign in range(_CAMPAIGNS):
            await ledger.open(campaign, MAX_MICROS // 2)
        found = {f"settlements_per_s_{n}": await _settlements(ledger, n) for n in _IN_FLIGHT}
        return found | {"lease_renewals_per_s": await _renewals(ledger)}


async def _settlements(ledger: ValkeyLedger, in_flight: int) -> float:
    """Settle distinct bids of one lease, this many notices at a time; return the rate."""
    now, lease = time.time(), next(_numbers)
    held = _SETTLEMENTS * _CEILING
    assert await ledger.lease([Grant(lease, 0, held, 0.0, now + 600, at=now)]) == [held]
    bids = iter([BidRef(lease, number, 0, 0, _CEILING, int(now) + 300) for number in range(_SETTLEMENTS)])

    async def settle() -> None:
        for bid in bids:
            assert await ledger.settle(bid, Kind.BILL, _PRICE, now) is NoticeOutcome.SETTLED

    started = time.perf_counter()
    await asyncio.gather(*(settle() for _ in range(in_flight)))
    return _SETTLEMENTS / (time.perf_counter() - started)


async def _renewals(ledger: ValkeyLedger) -> float:
    """Renew all campaigns' leases as a replica does, new ones granted, then the old ones closed; return the rate."""
    now = time.time()
    old: list[Closing] = []
    started = time.perf_counter()
    for _ in range(_RENEWALS):
        grants = [Grant(next(_numbers), campaign, _CEILING, 0.0, now + 600, at=now) for campaign in range(_CAMPAIGNS)]
        assert all(await ledger.lease(grants))
        await ledger.close(old)
        old = [Closing(grant.lease, 0, now) for grant in grants]
    seconds = time.perf_counter() - started
    await ledger.close(old)
    await ledger.reclaim(now + 1_000)
    return _RENEWALS * _CAMPAIGNS / seconds


def _theirs(url: str) -> dict[str, float]:
    plain = {f"redis_set_per_s_{n}": _redis_benchmark(url, n, 1) for n in _IN_FLIGHT}
    return plain | {"redis_set_pipelined_per_s": _redis_benchmark(url, 1, _PIPELINE)}


def _redis_benchmark(url: str, connections: int, pipeline: int) -> float:
    """Return SETs per second."""
    at = urlsplit(url)
    requests = _PLAIN if connections > 1 or pipeline > 1 else _PLAIN // 5
    options = f"-t set -c {connections} -P {pipeline} -n {requests} -r 100000 --csv"
    command = ["redis-benchmark", "-h", str(at.hostname), "-p", str(at.port or 6379), *options.split()]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (row,) = csv.DictReader(said.splitlines())
    return float(row["rps"])


if __name__ == "__main__":
    typer.run(main)
