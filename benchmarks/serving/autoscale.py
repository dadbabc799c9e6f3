"""A load step, and how the deployments follow it: from their minimum of replicas to their maximum and back.

How to run:

    python -m benchmarks.serving.autoscale

What to expect: a minute and a half. It starts a platform of its own, composed, with production's settings except for a
ceiling of two replicas and a shorter delay before scaling down. Requests continue while replicas start and, slowly,
while they drain, so that failures are counted. Progress is on standard error; the last line is one JSON object; exit
code 1 if a deployment did not follow, a request failed or the ledger does not balance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import msgspec
import typer
from rich.console import Console

from benchmarks.serving.replicas import Deployment, ReplicaHistory, back_at, deployments, reached_at
from benchmarks.serving.rig import SCALED, Counted, Rig, rig
from benchmarks.serving.traffic import requests_file
from benchmarks.serving.wrk import Load, LoadError, load
from raybid.local import LaunchError
from raybid.local.cluster import Say
from raybid.refusing import refuse
from rtb.runtime.settings import Settings

_LEAST, _MOST = 1, 2
_DOWNSCALE_SECONDS = 10.0
_CAMPAIGNS = 200
_CONNECTIONS = 128
_STEP_SECONDS = 30.0
_TRICKLE_RATE = 40.0
_TRICKLE_CONNECTIONS = 4
_TRICKLE_SECONDS = 4.0
_BACK_SECONDS = 45.0
_LOOK_SECONDS = 0.25


class Scaled(msgspec.Struct, frozen=True):
    """The response of one deployment to the load.

    Attributes:
        min: replicas at the start.
        max: maximum of replicas.
        reached: most replicas running at a time.
        seconds_to_max: time from the start of the step until the maximum ran; None: never.
        seconds_back: time from its end until back at the minimum, with drained replicas gone; None: not in time.
    """

    min: int
    max: int
    reached: int
    seconds_to_max: float | None
    seconds_back: float | None


class AutoscaleFigures(msgspec.Struct, frozen=True):
    """The results of a load step.

    Attributes:
        deployments: results by name.
        requests: requests answered during and after the step.
        errors: broken connections, timeouts and answers from 400 up.
        troubled: requests without a bid because of the platform: see `rig.Counted`.
        qps: requests per second in the step.
        p50_ms: median latency in the step.
        p99_ms: 99th percentile of the latency in the step.
        after_p99_ms: 99th percentile afterwards, while replicas drain.
        unbalanced_micros: difference between budgets and pots of campaigns afterwards; should be 0.
    """

    deployments: dict[str, Scaled]
    requests: int
    errors: int
    troubled: int
    qps: float
    p50_ms: float
    p99_ms: float
    after_p99_ms: float
    unbalanced_micros: int

    @property
    def wrong(self) -> list[str]:
        """Failures, a line each."""
        found = [
            f"{name} {what}"
            for name, one in self.deployments.items()
            for what, seconds in (("does not scale up", one.seconds_to_max), ("does not scale back", one.seconds_back))
            if seconds is None
        ]
        if self.errors:
            found.append(f"{self.errors} requests failed")
        if self.unbalanced_micros:
            found.append(f"the ledger's sums differ by {self.unbalanced_micros} micros")
        return found


def measure(say: Say, requests: str = "") -> AutoscaleFigures:
    """Start a platform, raise the load and lower it again.

    Args:
        say: called with progress, a line at a time.
        requests: file with an OpenRTB request per line; empty: simulated ones.

    Raises:
        LaunchError: the platform does not start.
        LoadError: wrk is missing or fails.
        OSError: the requests cannot be read.
    """
    path = requests_file(requests)
    numbers = {"min_replicas": _LEAST, "initial_replicas": _LEAST, "max_replicas": _MOST}
    scaling = {name: {**numbers, "downscale_delay_s": _DOWNSCALE_SECONDS} for name in SCALED}
    with rig("composed", _CAMPAIGNS, say, scaling) as platform:
        url = platform.settings.base_url

        def send(connections: int, seconds: float, rate: float = 0.0) -> Load:
            return load(url, path, connections=connections, seconds=seconds, rate=rate, key=platform.key)

        return _measured(platform, send, say)


def _measured(platform: Rig, send: Callable[..., Load], say: Say) -> AutoscaleFigures:
    before = platform.counters()
    with _watched(platform, say) as course:
        say(f"a step of load: {_CONNECTIONS} connections for {_STEP_SECONDS:g} s")
        step = send(_CONNECTIONS, _STEP_SECONDS)
        ended = time.monotonic() - course.began
        say("the step is over: waiting for the replicas to scale back")
        after = list(_trickle(send, lambda: _is_back(course, ended)))
    counted = Counted.between(before, platform.counters())
    return AutoscaleFigures(
        deployments={name: scaled(course, name, ended) for name in SCALED},
        requests=sum(one.requests for one in (step, *after)),
        errors=sum(one.errors for one in (step, *after)),
        troubled=counted.troubled,
        qps=round(step.qps, 1),
        p50_ms=step.p50_ms,
        p99_ms=step.p99_ms,
        after_p99_ms=max(one.p99_ms for one in after),
        unbalanced_micros=platform.unbalanced_micros(),
    )


def scaled(course: ReplicaHistory, name: str, ended: float) -> Scaled:
    """Return how a deployment followed a step that began with its course and ended after these seconds."""
    counts = course.of(name)
    to_max, back = reached_at(counts, _MOST), back_at(counts, _LEAST, ended)
    return Scaled(
        min=_LEAST,
        max=_MOST,
        reached=max((one.running for one in counts), default=0),
        seconds_to_max=None if to_max is None else round(to_max, 1),
        seconds_back=None if back is None else round(back - ended, 1),
    )


def _trickle(send: Callable[..., Load], is_over: Callable[[], bool]) -> Iterator[Load]:
    """Send a few requests until it is over, so that one dropped by a draining replica is noticed."""
    deadline = time.monotonic() + _BACK_SECONDS
    while True:
        yield send(_TRICKLE_CONNECTIONS, _TRICKLE_SECONDS, _TRICKLE_RATE)
        if is_over() or time.monotonic() > deadline:
            return


def _is_back(course: ReplicaHistory, ended: float) -> bool:
    return all(back_at(course.of(name), _LEAST, ended) is not None for name in SCALED)


@contextmanager
def _watched(platform: Rig, say: Say) -> Iterator[ReplicaHistory]:
    """Record the course of the replicas during the block."""
    course, stop = ReplicaHistory(), threading.Event()
    thread = threading.Thread(target=_watch, args=(platform.settings, course, stop, say))
    thread.start()
    try:
        yield course
    finally:
        stop.set()
        thread.join()


def _watch(settings: Settings, course: ReplicaHistory, stop: threading.Event, say: Say) -> None:
    said = ""
    while not stop.wait(_LOOK_SECONDS):
        try:
            found = deployments(settings)
        except httpx.HTTPError:  # busy: the next poll is soon
            continue
        course.note(found.values())
        told = _told(found)
        if told != said:
            say(f"{time.monotonic() - course.began:5.1f} s  {told}")
        said = told


def _told(found: dict[str, Deployment]) -> str:
    return ", ".join(f"{name} {len(found[name].running)} of {len(found[name].replicas)}" for name in SCALED)


def main() -> None:
    """Run the benchmark once."""
    console = Console(stderr=True, highlight=False)
    try:
        figures = measure(lambda text: console.print(f"[dim]{text}[/dim]"))
    except (LaunchError, LoadError, OSError, httpx.HTTPError) as error:
        refuse("benchmarks.serving.autoscale", error)
    for line in figures.wrong:
        console.print(line, style="red", markup=False)
    typer.echo(msgspec.json.encode(figures).decode())
    if figures.wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
