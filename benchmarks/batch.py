"""Bids per second of `POST /bid/batch`, over HTTP, through a whole platform on this machine.

How to run:

    python -m benchmarks.batch [--campaigns 200] [--seconds 10] [--graph composed] [--routers 1]
    python -m benchmarks.batch --url http://127.0.0.1:8000

What to expect: half a minute with a platform of its own (which trains a small model first), else the given seconds. One
JSON line last. The calls are encoded beforehand; a slot counts as answered unless it was shed, came too late or failed.
A platform of yours must allow that many calls: `RAYBID_CALLS_PER_MINUTE`, or a key's own `per_minute`.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress

from benchmarks.serving.rig import make_models
from raybid.local import LaunchError, Platform
from raybid.local.configuration import Graph
from raybid.refusing import refuse
from rtb import simple_api
from rtb.runtime.settings import Settings
from simulation import reference
from simulation.campaigns import sample_campaigns
from simulation.exchange.client import HttpClient, TransportError
from simulation.requests import to_openrtb

SLOTS = 500
CONNECTIONS = 4
_CALLS = 32  # different calls, sent in turn
_PATH = "/bid/batch"
_RICH = 10**12  # micros: no campaign runs out of money while no notice frees any
_WARM_UP_SECONDS = 5.0
_UNANSWERED = ("timeout", "stage_failed", "shed_queue", "shed_latency")
_DEVICES = {number: name for name, number in simple_api.DEVICES.items()}


class BatchFigures(msgspec.Struct, frozen=True):
    """The results of a run.

    Attributes:
        bids_per_s: slots answered per second, with a bid or a reason for no bid.
        p50_ms: median latency of calls.
        p99_ms: 99th percentile of the latency.
        calls: calls made.
        errors: calls without a complete answer of status 200.
        unanswered: slots that were shed, came too late, or failed.
        bid_rate: share of the answered slots with a bid.
        slots_a_call: slots per call.
        seconds: time from the first call to the last answer.
    """

    bids_per_s: float
    p50_ms: float
    p99_ms: float
    calls: int
    errors: int
    unanswered: int
    bid_rate: float
    slots_a_call: int
    seconds: float


def main(
    *,
    url: Annotated[str, typer.Option(help="URL of a running platform; empty: start one and stop it again")] = "",
    campaigns: Annotated[int, typer.Option(min=1, help="active campaigns of the started platform")] = 200,
    seconds: Annotated[float, typer.Option(min=1, help="duration, seconds")] = 10.0,
    connections: Annotated[int, typer.Option(min=1, help="calls in flight")] = CONNECTIONS,
    slots: Annotated[int, typer.Option(min=1, max=500, help="slots per call")] = SLOTS,
    graph: Annotated[Graph, typer.Option(help="where the models of the started platform run")] = "composed",
    routers: Annotated[int, typer.Option(min=1, help="minimum Router replicas of the started platform")] = 1,
) -> None:
    """Drive the endpoint, and report its speed."""
    console = Console(stderr=True, highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="raybid-batch-") as folder:
            if url:
                figures = _measured((url, Settings().find_secret("exchange_key")), seconds, connections, slots, console)
            else:
                settings = Settings().model_copy(update={"var_dir": Path(folder), "calls_per_minute": 1_000_000})
                make_models(settings, neutral=True)
                replicas = {"Router": routers}
                with Platform(settings, graph, lambda text: console.print(f"[dim]{text}[/dim]"), replicas) as platform:
                    platform.register(sample_campaigns(campaigns, reference.MARKET_SEED, budget_micros=_RICH))
                    platform.await_campaigns()
                    figures = _measured(
                        (settings.base_url, settings.resolve_secret("exchange_key")),
                        seconds,
                        connections,
                        slots,
                        console,
                    )
    except (LaunchError, OSError) as error:
        refuse("benchmarks.batch", error)
    typer.echo(msgspec.json.encode(figures).decode())
    if figures.errors:
        refuse("benchmarks.batch", f"{figures.errors} of {figures.calls} calls failed")


async def drive(
    url: str, seconds: float, connections: int = CONNECTIONS, slots: int = SLOTS, key: str = ""
) -> BatchFigures:
    """Call a platform's batch endpoint as fast as the connections allow.

    Args:
        url: URL of the platform.
        seconds: time in which calls are started.
        connections: calls in flight.
        slots: slots per call, at most 500.
        key: sent as `X-API-Key`; empty: none is sent.
    """
    bodies, turn = calls(_CALLS, slots), count()
    headers = f"Content-Type: application/json\r\n{f'X-API-Key: {key}' if key else 'Accept: */*'}\r\n"
    took: list[float] = []
    answers: list[tuple[int, int]] = []  # slots answered, bids among them
    started = time.perf_counter()

    async def call_on(client: HttpClient) -> None:
        while (begun := time.perf_counter()) < started + seconds:
            try:
                answer = await client.post(url.rstrip("/") + _PATH, bodies[next(turn) % len(bodies)], headers)
            except TransportError:
                answers.append((-1, 0))
                continue
            took.append(time.perf_counter() - begun)
            answers.append(_answered(answer.body, slots) if answer.status == 200 else (-1, 0))

    async with HttpClient(timeout_seconds=30.0) as client:
        await asyncio.gather(*(call_on(client) for _ in range(connections)))
    elapsed = time.perf_counter() - started
    good = [one for one in answers if one[0] >= 0]
    answered, bids = sum(one[0] for one in good), sum(one[1] for one in good)
    cuts = statistics.quantiles(took, n=100, method="inclusive") if len(took) > 1 else [0.0] * 99
    return BatchFigures(
        bids_per_s=round(answered / elapsed, 1),
        p50_ms=round(cuts[49] * 1e3, 1),
        p99_ms=round(cuts[98] * 1e3, 1),
        calls=len(answers),
        errors=len(answers) - len(good),
        unanswered=len(good) * slots - answered,
        bid_rate=round(bids / answered, 4) if answered else 0.0,
        slots_a_call=slots,
        seconds=round(elapsed, 3),
    )


def calls(number: int, slots: int = SLOTS, seed: int = 1) -> list[bytes]:
    """Return bodies of calls with varied slots: users, places and sizes of the simulated market, by seed."""
    market = reference.market(traffic_seed=seed)
    found = []
    for _ in range(number):
        auctions = market.step(slots)
        found.append(msgspec.json.encode({"bids": [_slot(to_openrtb(market, auctions, i)) for i in range(slots)]}))
    return found


def _slot(request: dict[str, Any]) -> dict[str, Any]:
    """Return a simulated exchange's offer in the simple format."""
    imp, device, user = request["imp"][0], request["device"], request["user"]
    place = {"page": request["site"]["page"]} if "site" in request else {"app": request["app"]["bundle"]}
    return {
        "id": request["id"],
        "w": imp["banner"]["w"],
        "h": imp["banner"]["h"],
        "floor": imp["bidfloor"],
        **place,
        "user": user["id"],
        "segments": [segment["id"] for data in user["data"] for segment in data["segment"]],
        "device": _DEVICES[device["devicetype"]],
        "os": device["os"],
        "ua": device["ua"],
        "language": device["language"],
        "geo": f"{device['geo']['country']}/{device['geo']['region']}",
    }


def _answered(body: bytes, slots: int) -> tuple[int, int]:
    """Return slots answered and bids, counted without decoding; (-1, 0) if answers are missing."""
    bids = body.count(b'"bid":true')
    if bids + body.count(b'"bid":false') != slots:
        return -1, 0
    return slots - sum(body.count(b'"reason":"%s"' % name.encode()) for name in _UNANSWERED), bids


def _measured(target: tuple[str, str], seconds: float, connections: int, slots: int, console: Console) -> BatchFigures:
    """Measure after a warm-up, so that replicas, caches and leases are in their steady state."""
    url, key = target
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("warming up", total=None)
        uvloop.run(drive(url, _WARM_UP_SECONDS, connections, slots, key))
        progress.update(task, description=f"{connections} connections, {slots} slots a call")
        return uvloop.run(drive(url, seconds, connections, slots, key))


if __name__ == "__main__":
    typer.run(main)
