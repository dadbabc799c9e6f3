"""Throughput of the platform on this machine, over HTTP, in both graphs, next to a bare answer and a peer service.

How to run:

    make bench                    # about eleven minutes
    make bench QUICK=1            # two minutes: one short round of both graphs only
    make bench REQUESTS=FILE      # replay these, an OpenRTB request per line, instead of simulated ones

What to expect: one platform at a time is started and stopped, progress goes to standard error, and a table comes at the
end. The last line is one JSON object. wrk, the load generator, shares the cores with the platform. What is compared
takes turns within a round; figures are medians over rounds, ratios medians of the rounds' ratios.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import batch
from benchmarks.serving import autoscale, peer, rounds, wrk
from benchmarks.serving.rig import rig
from benchmarks.serving.rounds import MeasurementPlan, Measurements
from benchmarks.serving.traffic import requests_file
from benchmarks.serving.wrk import LoadError
from raybid.local import LaunchError
from raybid.local.configuration import Graph
from raybid.refusing import refuse

_CAMPAIGNS = 200
_PEER_PORT = 8_055
_P99_MS: dict[Graph, float] = {"composed": 82.0, "colocated": 45.0}
"""Latency limit of the level that is reported first."""

_FULL, _QUICK = MeasurementPlan(3, 7.0), MeasurementPlan(1, 3.0)
_CATALOGS = (10, 1_000, 10_000)
_CALLS = 16
_MANY_CALLS = 1_000_000  # batches are REST calls, and all come from one caller here


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="one short round of both graphs")] = False,
    requests: Annotated[str, typer.Option(help="file with an OpenRTB request per line; default: simulated ones")] = "",
) -> None:
    """Run all measurements."""
    console = Console(stderr=True, highlight=False)
    plan = _QUICK if quick else _FULL
    try:
        wrk.program()
        replayed = requests_file(requests)
        found = _both_graphs(plan, replayed, console)
        if not quick:
            found["batch_bids_per_s"] = _bids_in_batches(plan, console)
            found["campaigns"] = {str(size): _rate_at(size, replayed, plan, console) for size in _CATALOGS}
            step = autoscale.measure(_sayer(console, "autoscaling"), str(replayed))
            found["autoscale"] = msgspec.to_builtins(step)
            found["failed"] += step.errors + step.troubled
            found["unbalanced_micros"] += step.unbalanced_micros
    except (LaunchError, LoadError, OSError, httpx.HTTPError) as error:
        refuse("benchmarks.serving", error)
    console.print(_table(found))
    typer.echo(msgspec.json.encode(found).decode())
    if found["failed"] or found["unbalanced_micros"]:
        refuse("benchmarks.serving", "requests failed, or the ledger does not balance: see above")


def _both_graphs(plan: MeasurementPlan, requests: Path, console: Console) -> dict[str, Any]:
    """Measure both graphs, the co-located one in turn with the peer service."""
    books: dict[Graph, Measurements] = {}
    unbalanced = 0
    for graph in _P99_MS:
        say = _sayer(console, graph)
        with rig(graph, _CAMPAIGNS, say) as platform:
            if graph == "composed":
                books[graph] = rounds.compare(platform, requests, plan, say)
            else:
                with peer.running(platform.settings.ctr_dir, _PEER_PORT) as url:
                    books[graph] = rounds.compare(platform, requests, plan, say, url)
            unbalanced += platform.unbalanced_micros()
    return {**_compared(books), "unbalanced_micros": unbalanced}


def _compared(books: dict[Graph, Measurements]) -> dict[str, Any]:
    """Return the figures of both graphs."""
    found: dict[str, Any] = {}
    for graph, book in books.items():
        first = rounds.best(book, _P99_MS[graph])
        level = int(first["connections"])
        found[graph] = first | {
            "levels": {str(one): book.figures(rounds.name_of(one)) for one in rounds.LEVELS},
            "bare": {str(one): book.figures(rounds.bare_of(one))["qps"] for one in rounds.LEVELS},
            "with_notices": book.figures("notices"),
            "low_load": book.figures("low load"),
            "bid_rate": book.bid_rate(),
        }
        found[f"ratio_{graph}"] = book.ratio(rounds.name_of(level), rounds.bare_of(level))
    colocated = books["colocated"]
    return found | {
        "bare_asgi_qps": max(found["colocated"]["bare"].values()),
        "bare_early_qps": colocated.figures(rounds.EARLY)["qps"],
        "uvicorn_peer_qps": colocated.figures("peer")["qps"],
        "low_load": found["composed"]["low_load"],
        "failed": sum(book.failed for book in books.values()),
        "requests": sum(book.answered for book in books.values()),
    }


def _bids_in_batches(plan: MeasurementPlan, console: Console) -> float:
    """Return bids per second in calls of 500, with a co-located Router per core: such a call keeps a core busy."""
    say = _sayer(console, "batches")
    cores = os.cpu_count() or 1
    routers = {"Router": {"min_replicas": cores, "initial_replicas": cores, "max_replicas": cores}}
    with tempfile.TemporaryDirectory(prefix="raybid-calls-") as folder:
        calls = Path(folder) / "calls.jsonl"
        calls.write_bytes(b"\n".join(batch.calls(_CALLS)) + b"\n")
        with rig("colocated", _CAMPAIGNS, say, routers, calls_per_minute=_MANY_CALLS) as platform:
            return rounds.middle(rounds.batches(platform, calls, plan, say, batch.SLOTS))


def _rate_at(campaigns: int, requests: Path, plan: MeasurementPlan, console: Console) -> float:
    """Return requests per second with this many campaigns, composed, at 64 connections."""
    say = _sayer(console, f"{campaigns:,} campaigns")
    with rig("composed", campaigns, say) as platform:
        return rounds.rate(platform, requests, plan, say)


def _sayer(console: Console, what: str) -> Any:
    return lambda text: console.print(f"[dim]{what}: {text}[/dim]")


def _table(found: dict[str, Any]) -> Table:
    table = Table("", "requests/s", "p50 ms", "p99 ms", "of the bare answer", title="medians of rounds")
    for graph in ("composed", "colocated"):
        for level, told in found[graph]["levels"].items():
            bare = found[graph]["bare"][level]
            table.add_row(f"{graph}, {level} connections", *_cells(told), f"{told['qps'] / bare:.2f}")
        table.add_row(f"{graph}, with notices", *_cells(found[graph]["with_notices"]), "")
        table.add_row(f"{graph}, 200 requests a second", *_cells(found[graph]["low_load"]), "")
    table.add_row("bare answer on the bid path", f"{found['bare_early_qps']:,.0f}", "", "", "")
    table.add_row("uvicorn + FastAPI + torch per request", f"{found['uvicorn_peer_qps']:,.0f}", "", "", "")
    for size, rate in found.get("campaigns", {}).items():
        table.add_row(f"composed, {int(size):,} campaigns", f"{rate:,.0f}", "", "", "")
    if "batch_bids_per_s" in found:
        table.add_row("bids in batches of 500", f"{found['batch_bids_per_s']:,.0f}", "", "", "")
    return table


def _cells(told: dict[str, float]) -> tuple[str, str, str]:
    return f"{told['qps']:,.0f}", f"{told['p50_ms']:.1f}", f"{told['p99_ms']:.1f}"


if __name__ == "__main__":
    typer.run(main)
