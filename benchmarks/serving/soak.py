"""The platform under steady load for minutes: do memory and latency stay, are files and connections closed?

How to run:

    make soak                                  # or:
    python -m benchmarks.serving.soak [--minutes 10] [--rate 300] [--graph composed]

What to expect: the given minutes and one to start. Bid requests and the notices of wins come at random times. Every ten
seconds the resources of each replica, Valkey and HAProxy and the latencies are recorded. Two tables on standard error;
the last line is one JSON object with `ok`, and the failures under `wrong`; exit code 1 if there are any.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.serving.processes import ProcessUsage, held, of_platform
from benchmarks.serving.replicas import deployments
from benchmarks.serving.rig import Counted, Rig, rig
from benchmarks.serving.traffic import requests_file
from benchmarks.serving.trends import drift, gained, growth, slope
from benchmarks.serving.wrk import Load, LoadError, load
from raybid.local import LaunchError
from raybid.local.configuration import Graph
from raybid.refusing import refuse

_SLICE_SECONDS = 10.0
_WARM_UP = 0.2
"""Share of the slices, but at least two, in which pools fill and caches grow, as they should."""

_CONNECTIONS = 16
_CAMPAIGNS = 200
_WINS = 0.3
_MOST_GROWTH = 0.05
_MOST_MIB_AN_HOUR = 60.0
_MOST_DRIFT = 1.5
_LATENCY_SLACK_MS = 5.0
_MOST_MORE = {"files": 8, "threads": 4, "connections": 8}
"""Allowed growth from the first third to the last: pools fluctuate with the load."""


class Slice(msgspec.Struct, frozen=True):
    """Ten seconds of the run.

    Attributes:
        seconds: time since the start, at its end.
        load: results of wrk.
        held: resources of each process at its end, by name.
        pids: process ids.
    """

    seconds: float
    load: Load
    held: dict[str, ProcessUsage]
    pids: dict[str, int]


class Trend(msgspec.Struct, frozen=True):
    """The trend of one process, after the warm-up.

    Attributes:
        rss_mib: resident memory at the end, MiB.
        mib_an_hour: slope of the memory.
        growth: growth of the memory from the first slice to the last, as a share, by the same line.
        files: increase from the first third to the last; the others likewise.
        threads: increase of threads.
        connections: increase of connections.
    """

    rss_mib: float
    mib_an_hour: float
    growth: float
    files: float
    threads: float
    connections: float


def main(
    minutes: Annotated[float, typer.Option(min=1.0, help="duration, minutes")] = 10.0,
    rate: Annotated[float, typer.Option(min=1.0, help="requests per second, including notices")] = 300.0,
    graph: Annotated[str, typer.Option(help="composed or colocated")] = "composed",
    requests: Annotated[str, typer.Option(help="file with an OpenRTB request per line; default: simulated ones")] = "",
) -> None:
    """Run the benchmark once."""
    console = Console(stderr=True, highlight=False)
    if graph not in ("composed", "colocated"):
        refuse("benchmarks.serving.soak", "--graph must be composed or colocated", 2)
    try:
        report = soak(console, minutes, rate, "colocated" if graph == "colocated" else "composed", requests)
    except (LaunchError, LoadError, OSError, httpx.HTTPError) as error:
        refuse("benchmarks.serving.soak", error)
    typer.echo(msgspec.json.encode(report).decode())
    if not report["ok"]:
        raise typer.Exit(1)


def soak(console: Console, minutes: float, rate: float, graph: Graph, requests: str = "") -> dict[str, Any]:
    """Start a platform, load it and return the results.

    Raises:
        LaunchError: the platform does not start.
        LoadError: wrk is missing or fails.
    """
    with rig(graph, _CAMPAIGNS, lambda text: console.print(f"[dim]{text}[/dim]")) as platform:
        before = platform.counters()
        slices = list(_slices(platform, console, minutes, rate, requests))
        counted = Counted.between(before, platform.counters())
    settled = slices[max(2, round(_WARM_UP * len(slices))) :]
    trends = {name: trend(name, settled) for name in settled[-1].held}
    wrong = [*restarted(settled), *leaks(trends), *slowed(settled)]
    errors = sum(one.load.errors for one in slices)
    if errors:
        wrong.append(f"{errors} requests failed")
    console.print(_processes_table(trends))
    console.print(_latency_table(settled))
    return {
        "ok": not wrong,
        "wrong": wrong,
        "requests": sum(one.load.requests for one in slices),
        "notices": sum(one.load.notices for one in slices),
        "errors": errors,
        "troubled": counted.troubled,
        "p50_drift": round(drift([one.load.p50_ms for one in settled]), 2),
        "p99_drift": round(drift([one.load.p99_ms for one in settled]), 2),
        "processes": trends,
        "slices": slices,
    }


def _slices(platform: Rig, console: Console, minutes: float, rate: float, requests: str) -> Iterator[Slice]:
    path, url = requests_file(requests), platform.settings.base_url
    count = max(6, round(60.0 * minutes / _SLICE_SECONDS))
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{rate:g} a second", total=count)
        for _ in range(count):
            done = load(
                url, path, connections=_CONNECTIONS, seconds=_SLICE_SECONDS, rate=rate, wins=_WINS, key=platform.key
            )
            found = deployments(platform.settings)
            pids = of_platform(os.getpid(), found.values())
            holds = {name: now for name, pid in pids.items() if (now := held(pid)) is not None}
            progress.update(task, advance=1, description=f"{done.qps:.0f} a second, p99 {done.p99_ms:.0f} ms")
            yield Slice(round(time.monotonic() - began, 1), done, holds, pids)


def trend(name: str, slices: list[Slice]) -> Trend:
    """Return the trend of a process over the slices that have it."""
    known = [(one.seconds, one.held[name]) for one in slices if name in one.held]
    seconds, memory = [at for at, _ in known], [now.rss_mib for _, now in known]

    def more(field: str) -> float:
        values = [float(getattr(now, field)) for _, now in known]
        return round(gained(values), 1) if len(values) >= 3 else 0.0

    return Trend(
        rss_mib=memory[-1],
        mib_an_hour=round(slope(seconds, memory), 1),
        growth=round(growth(seconds, memory), 4),
        files=more("files"),
        threads=more("threads"),
        connections=more("connections"),
    )


def leaks(trends: dict[str, Trend]) -> list[str]:
    """Return what grows but should not, a line each."""
    wrong = []
    for name, one in trends.items():
        # Valkey keeps the memory of events that are on disk, and of notices while they are honoured.
        if one.growth > _MOST_GROWTH and one.mib_an_hour > _MOST_MIB_AN_HOUR and name != "Valkey":
            wrong.append(f"{name} grows by {one.mib_an_hour:g} MiB an hour, {one.growth:.1%} in the time")
        for what, most in _MOST_MORE.items():
            if (more := getattr(one, what)) > most:
                wrong.append(f"{name} has {more:g} more {what}")
    return wrong


def slowed(slices: list[Slice]) -> list[str]:
    """Return latency percentiles that are worse in the last third than in the first, a line each."""
    wrong = []
    for name in ("p50_ms", "p99_ms"):
        values = [float(getattr(one.load, name)) for one in slices]
        if drift(values) > _MOST_DRIFT and gained(values) > _LATENCY_SLACK_MS:
            wrong.append(f"{name.removesuffix('_ms')} is {drift(values):.2f} times what it was")
    return wrong


def restarted(slices: list[Slice]) -> list[str]:
    """Return the processes that were replaced during the run, a line each."""
    first, last = slices[0].pids, slices[-1].pids
    return [f"{name} was replaced" for name in first if last.get(name) != first[name]]


def _processes_table(trends: dict[str, Trend]) -> Table:
    names = ("MiB", "MiB an hour", "growth", "more files", "more threads", "more connections")
    table = Table("process", *names, title="what each process holds, after the warm-up")
    for name, one in trends.items():
        more = (f"{value:+g}" for value in (one.files, one.threads, one.connections))
        table.add_row(name, f"{one.rss_mib:.0f}", f"{one.mib_an_hour:+.1f}", f"{one.growth:+.1%}", *more)
    return table


def _latency_table(slices: list[Slice]) -> Table:
    table = Table("", "first third", "last third", "ratio", title="latency, medians over slices")
    third = len(slices) // 3
    for name in ("p50_ms", "p99_ms"):
        values = [float(getattr(one.load, name)) for one in slices]
        first, last = sorted(values[:third])[third // 2], sorted(values[-third:])[third // 2]
        table.add_row(name.removesuffix("_ms"), f"{first:.1f} ms", f"{last:.1f} ms", f"{drift(values):.2f}")
    return table


if __name__ == "__main__":
    typer.run(main)
