"""Profile of a replica under load: its Python stacks, sampled by py-spy.

How to run:

    python -m benchmarks.serving.profile [--graph colocated] [--deployment Router] [--out profile]

What to expect: a minute. `profile.svg` is a flame graph, `profile.txt` the stacks with their samples. A table on
standard error has the share of each part of a request's path; the last line is the same as one JSON object. Profiling
another process takes root, or what py-spy's documentation says.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import httpx
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.serving.replicas import deployments
from benchmarks.serving.rig import Rig, rig
from benchmarks.serving.traffic import requests_file
from benchmarks.serving.wrk import LoadError, load
from raybid.local import LaunchError
from raybid.local.configuration import Graph
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.settings import Settings

_CAMPAIGNS, _CONNECTIONS = 200, 64
_RATE = 500  # stacks per second
_WARM_UP_SECONDS = 6.0

_IDLE = ("_worker (concurrent", "Thread.run (threading", "Condition.wait (", "Worker.main_loop (")
"""Frames of waiting threads, some of which py-spy reports as busy."""

_PARTS = (
    ("decode, impressions", "Edge.prepare"),
    ("targeting, features", "Edge.assemble"),
    ("CTR model", ".score ("),
    ("prices, reservation", ".decide ("),
    ("bids, tokens, events", "Edge.render"),
    ("frequency caps", "FrequencyGate.check"),
    ("batching", "MicroBatcher"),
    ("HTTP answer", "_respond (deployments"),
    ("fast path besides", "FastPath."),
    ("background work", "repeat (deployments"),
    ("Serve and its middleware", "ray/serve"),
    ("uvicorn", "uvicorn"),
)
"""Parts of a request's path, by a substring of their frames; a stack counts for the first match."""


def main(
    *,
    graph: Annotated[Graph, typer.Option(help="where the models run")] = "colocated",
    deployment: Annotated[Literal["Router", "CTRModel", "RLBidder", "Controller"], typer.Option()] = "Router",
    seconds: Annotated[int, typer.Option(min=1, help="seconds to sample")] = 15,
    out: Annotated[Path, typer.Option(help="prefix of the output files")] = Path("profile"),
) -> None:
    """Load a platform and sample one of its replicas."""
    console = Console(stderr=True, highlight=False)
    try:
        with rig(graph, _CAMPAIGNS, lambda text: console.print(f"[dim]{text}[/dim]")) as platform:
            _sample(platform, deployment, seconds, out)
        shares = _shares(out.with_suffix(".txt").read_text().splitlines())
    except (LaunchError, LoadError, OSError, httpx.HTTPError, subprocess.CalledProcessError) as error:
        refuse("benchmarks.serving.profile", error)
    table = Table("part", "share of the samples", title=f"{deployment}, {graph}, {_CONNECTIONS} connections")
    for name, share in shares.items():
        table.add_row(name, f"{share:.1%}")
    console.print(table)
    typer.echo(msgspec.json.encode(shares).decode())


def _sample(platform: Rig, deployment: str, seconds: int, out: Path) -> None:
    """Write flame graph and stacks of a replica under load."""
    settings, requests = platform.settings, requests_file("")
    pid = _pid(settings, deployment)
    load(settings.base_url, requests, connections=_CONNECTIONS, seconds=_WARM_UP_SECONDS, key=platform.key)
    for form, suffix in (("flamegraph", ".svg"), ("raw", ".txt")):
        command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--format", form]
        command += ["--duration", str(seconds), "--rate", str(_RATE), "--output", str(out.with_suffix(suffix))]
        options = {"connections": _CONNECTIONS, "seconds": seconds + 3.0, "key": platform.key}
        traffic = threading.Thread(target=load, args=(settings.base_url, requests), kwargs=options)
        traffic.start()
        processes.run(command, check=True, capture_output=True)
        traffic.join()


def _pid(settings: Settings, deployment: str) -> int:
    """Return the process id of the deployment's first replica.

    Raises:
        LaunchError: it has none.
    """
    found = deployments(settings).get(deployment)
    for replica in found.running if found else ():
        if replica.pid is not None:
            return replica.pid
    raise LaunchError(f"no replica of {deployment}: in the co-located graph there are Router and Controller only")


def _shares(stacks: list[str]) -> dict[str, float]:
    """Return the share of each part in the samples of active threads."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        if not frames[-1].startswith(_IDLE):
            counts[next((name for name, mark in _PARTS if mark in stack), "other")] += int(samples)
    total = counts.total() or 1
    return {name: round(count / total, 4) for name, count in counts.most_common()}


if __name__ == "__main__":
    typer.run(main)
