"""A platform under users for a minute, judged by its SLA.

How to run:

    make load                                     # or: python -m tests.load
    make load HOST=http://127.0.0.1:8000          # a platform of yours; RAYBID_KEY= is a key that reads campaigns
    make load SLA_MS=50 USERS=80 DURATION=120 WORKERS=2 SHAPE=spike

What to expect: half a minute to train a small model and start a platform of its own on loopback, with 20 campaigns
that do not run out of money, then the seconds asked for. Each user makes about two calls a second, so 50 make nearly
100; they share the processors with what they load. Reports of Locust are in `load` under `RAYBID_VAR_DIR`:
report.html and figures_*.csv. The last line is JSON; exit code 1 when the 99th percentile is not below SLA_MS, a call
failed, or there was none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from benchmarks.serving.rig import rig
from raybid.local import LaunchError
from raybid.local.configuration import Graph
from raybid.local.environment import ROOT
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings

_CALLS_PER_MINUTE = 10_000_000  # what is measured is the platform, not its rate limit
_CAMPAIGNS = 20
_GRACE_SECONDS = 120.0


@processes.ended_by_signals()
def main(
    *,
    host: Annotated[str, typer.Option(help="base URL of a platform; empty: one of its own")] = "",
    users: Annotated[int, typer.Option(min=1, help="at once; each makes about two calls a second, `high` twenty")] = 50,
    duration: Annotated[int, typer.Option(min=5, help="seconds")] = 60,
    sla_ms: Annotated[float, typer.Option(min=0, help="milliseconds that 99 of 100 calls may take")] = 100.0,
    kind: Annotated[Literal["rtb", "high"], typer.Option(help="RTBUser or HighLoadUser")] = "rtb",
    shape: Annotated[Literal["", "step", "spike"], typer.Option(help="instead of the same users all the time")] = "",
    workers: Annotated[int, typer.Option(min=0, help="processes that make the load; 0: this one")] = 0,
    graph: Annotated[Graph, typer.Option(help="where the models of its own platform run")] = "composed",
) -> None:
    """Load a platform and judge it."""
    console = Console(stderr=True, highlight=False)
    try:
        reports = Settings().var_dir.resolve() / "load"
        reports.mkdir(parents=True, exist_ok=True)
        with _target(host, graph, console) as (url, key), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "verdict.json"
            command = _command(url, reports, users=users, duration=duration, kind=kind, shape=shape, workers=workers)
            given = {"RAYBID_KEY": key, "LOAD_SHAPE": shape, "LOAD_VERDICT": str(file), "SLA_MS": str(sla_ms)}
            given |= {"LOAD_SECONDS": str(duration), "LOAD_USERS": str(max(1, users // 5))}
            given |= {
                "LOAD_STEPS": "4",
                "LOAD_STEP_SECONDS": str(duration / 4),
                "LOAD_STEP_USERS": str(max(1, users // 4)),
            }
            console.print(f"{users} users for {duration} s on {url}; reports in {reports}", soft_wrap=True)
            done = processes.run(
                command,
                cwd=ROOT,
                env={**os.environ, **given, **calls.no_proxy_variables(os.environ)},
                stdout=2,  # its tables are for people: standard output has the verdict
                timeout=duration + _GRACE_SECONDS,
            )
            verdict = file.read_text() if file.exists() else ""
    except (LaunchError, OSError, subprocess.TimeoutExpired) as error:
        console.print(f"load: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    if not verdict:
        console.print(f"load: locust ended with {done.returncode} and no verdict: what it says is above", style="red")
        raise typer.Exit(1)
    typer.echo(verdict)
    raise typer.Exit(1 if done.returncode else 0)


@contextmanager
def _target(host: str, graph: Graph, console: Console) -> Iterator[tuple[str, str]]:
    """URL and key of what is loaded."""
    if host:
        settings = Settings()
        ours = settings.find_secret("admin_key") if host.rstrip("/") == settings.base_url else ""
        yield host.rstrip("/"), os.environ.get("RAYBID_KEY", "") or ours
        return
    say = lambda text: console.print(f"[dim]{text}[/dim]", soft_wrap=True)  # noqa: E731
    with rig(graph, _CAMPAIGNS, say, calls_per_minute=_CALLS_PER_MINUTE) as platform:
        yield platform.settings.base_url, platform.settings.resolve_secret("admin_key")


def _command(url: str, reports: Path, *, users: int, duration: int, kind: str, shape: str, workers: int) -> list[str]:
    """Locust's command line."""
    file = ROOT / "tests" / "load" / "locustfile.py"
    name = "HighLoadUser" if kind == "high" else "RTBUser"
    command = [sys.executable, "-m", "locust", "-f", str(file), name, "--host", url, "--headless", "--only-summary"]
    command += ["--html", str(reports / "report.html"), "--csv", str(reports / "figures")]
    if workers:
        command += ["--processes", str(workers)]
    if not shape:
        command += ["-u", str(users), "-r", str(max(1, users // 5)), "-t", f"{duration}s"]
    return command


if __name__ == "__main__":
    typer.run(main)
