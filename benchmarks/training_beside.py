"""Bidding while a policy trains on the same machine, compared with bidding alone.

How to run:

    python -m benchmarks.training_beside [--rounds 3] [--seconds 20] [--rate 150]

What to expect: about five minutes. A platform of its own bids on simulated traffic, alternately alone and while
`pipelines.train_policy` runs as a Ray job on its cluster; measurements start with the job's first steps. A table on
standard error; the last line is one JSON object with the medians over rounds, and every round.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import uvloop
from ray.job_submission import JobStatus, JobSubmissionClient
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.serving.rig import make_models
from raybid.local import LaunchError, Platform
from raybid.local.environment import authentication, dashboard_headers
from raybid.refusing import refuse
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from simulation import reference
from simulation.exchange import ReplayFigures, ReplayOptions, Unreachable, run

_BEGIN_SECONDS = 180.0
_END_SECONDS = 240.0
_WARM_UP_SECONDS = 10.0
_ENDLESS = 1_000_000_000  # decisions: time ends a training
_FIRST_VALIDATION = 90.0  # maximum time until a training that starts reports progress


@processes.ended_by_signals()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="number of rounds, each alone and beside a training")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="duration of each measurement, seconds")] = 20.0,
    rate: Annotated[float, typer.Option(min=1, help="requests per second")] = 150.0,
    connections: Annotated[int, typer.Option(min=1, help="maximum bid requests in flight")] = 16,
    algo: Annotated[str, typer.Option(help="algorithm to train: ppo or dqn")] = "ppo",
) -> None:
    """Run both measurements in turn, several times."""
    console = Console(stderr=True, highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="raybid-beside-") as folder:
            settings = Settings().model_copy(update={"var_dir": Path(folder)})
            make_models(settings, neutral=True)
            with Platform(settings, say=lambda text: console.print(f"[dim]{text}[/dim]")) as platform:
                platform.register(reference.campaigns())
                platform.await_campaigns()
                key = settings.resolve_secret("exchange_key")
                traffic = ReplayOptions(
                    url=settings.base_url, key=key, rate=rate, connections=connections, duration=seconds
                )
                measured = _measure(settings, traffic, rounds, algo, console)
    except (LaunchError, Unreachable, OSError) as error:
        refuse("benchmarks.training_beside", error)
    summary = _summary(measured)
    console.print(_table(summary, rounds, rate))
    typer.echo(msgspec.json.encode(summary | {"rounds": measured}).decode())


def _measure(
    settings: Settings, traffic: ReplayOptions, rounds: int, algo: str, console: Console
) -> list[dict[str, Any]]:
    os.environ.update(calls.no_proxy_variables(os.environ))
    cluster = JobSubmissionClient(
        f"http://127.0.0.1:{settings.dashboard_port}", headers=dashboard_headers(authentication(settings))
    )
    measured: list[dict[str, Any]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("warming up", total=2 * rounds)
        uvloop.run(run(replace(traffic, duration=_WARM_UP_SECONDS)))
        for _ in range(rounds):
            progress.update(task, description="alone")
            measured.append({"training": False, **_figures(uvloop.run(run(traffic)))})
            progress.update(task, advance=1, description="training starts")
            job = _train(cluster, settings, algo, traffic.duration or 0.0)
            progress.update(task, description="beside a training")
            figures = _figures(uvloop.run(run(traffic)))
            progress.update(task, advance=1, description="training ends")
            measured.append({"training": True, **figures, **_ended(cluster, job)})
    return measured


def _train(cluster: JobSubmissionClient, settings: Settings, algo: str, seconds: float) -> str:
    """Start a training that lasts at least these seconds once it learns; return its job.

    Raises:
        LaunchError: it does not start.
    """
    options = f"--algo {algo} --markets 12 --steps {_ENDLESS} --seconds {seconds + _FIRST_VALIDATION:g}"
    folders = f"--out {settings.var_dir}/candidate --checkpoint {settings.var_dir}/checkpoint"
    deadline = time.monotonic() + _BEGIN_SECONDS
    job = _submitted(cluster, f"{sys.executable} -m pipelines.train_policy {options} {folders}", deadline)
    while f"of {_ENDLESS:,} decisions" not in cluster.get_job_logs(job):
        if cluster.get_job_status(job).is_terminal() or time.monotonic() > deadline:
            raise LaunchError(f"the training did not start: {cluster.get_job_logs(job)[-500:]}")
        time.sleep(0.25)
    return job


def _submitted(cluster: JobSubmissionClient, command: str, deadline: float) -> str:
    """Submit a job to a cluster that just started: on a busy machine its agent comes up after its dashboard.

    Raises:
        LaunchError: the cluster takes no jobs.
    """
    while True:
        try:
            return str(cluster.submit_job(entrypoint=command))
        except RuntimeError as error:
            if time.monotonic() > deadline:
                raise LaunchError(f"the cluster takes no jobs: {error}") from error
            time.sleep(1.0)


def _ended(cluster: JobSubmissionClient, job: str) -> dict[str, Any]:
    """Return the results of a training once it has finished.

    Raises:
        LaunchError: it fails, or does not finish.
    """
    deadline = time.monotonic() + _END_SECONDS
    while not cluster.get_job_status(job).is_terminal() and time.monotonic() < deadline:
        time.sleep(0.25)
    said = cluster.get_job_logs(job)
    if cluster.get_job_status(job) != JobStatus.SUCCEEDED:
        raise LaunchError(f"the training failed: {said[-500:]}")
    report = msgspec.json.decode(said.strip().splitlines()[-1])
    return {"training_steps_per_s": round(report["steps"] / report["seconds"], 1)}


def _figures(figures: ReplayFigures) -> dict[str, Any]:
    told = figures.summary()
    return {name: told[name] for name in ("requests", "errors", "qps", "p50_ms", "p99_ms")}


def _summary(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over rounds, and sums of requests and errors."""
    found: dict[str, Any] = {}
    for name, training in (("alone", False), ("training", True)):
        rounds = [one for one in measured if one["training"] is training]
        middle = {key: round(statistics.median(one[key] for one in rounds), 2) for key in ("qps", "p50_ms", "p99_ms")}
        found[name] = middle | {key: sum(one[key] for one in rounds) for key in ("requests", "errors")}
    steps = statistics.median(one["training_steps_per_s"] for one in measured if one["training"])
    ratio = found["training"]["p99_ms"] / found["alone"]["p99_ms"]
    return {**found, "training_steps_per_s": steps, "p99_ratio": round(ratio, 2)}


def _table(summary: dict[str, Any], rounds: int, rate: float) -> Table:
    names = ("qps", "p50_ms", "p99_ms", "requests", "errors")
    table = Table("", *names, title=f"{rate:g} requests per second, medians of {rounds} rounds")
    for name in ("alone", "training"):
        table.add_row(name, *(f"{summary[name][figure]:,}" for figure in names))
    return table


if __name__ == "__main__":
    typer.run(main)
