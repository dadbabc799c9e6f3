"""Check monitoring: every panel and alert has data, and an alert fires when the bidder dies.

How to run:

    make watch-check         # about three minutes; needs Prometheus and Alertmanager, as Debian packages them

What to expect: a platform in a temporary folder (ports as in the settings) under replay, scraped by a real Prometheus
with the configuration of `cluster/prometheus`; each PromQL expression is queried; the rules' own tests run; then the
platform is killed with SIGKILL, until Alertmanager has `RaybidDown`. The last line is JSON: `panels`, `empty`
(expressions without data and without a reason for that, should be 0), `alerts`, `tested`, `fired_s`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipelines.dashboards.definition import DASHBOARDS
from raybid.local import LaunchError, Platform, preflight
from raybid.local.environment import ROOT
from raybid.local.folders import run_folder
from raybid.local.preparing import faults
from raybid.refusing import refuse
from rtb.runtime import calls, processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference
from verification.watching.expressions import ExpressionCheck, judge, of_alerts, of_panels, tested
from verification.watching.servers import CONFIG, Watchers, tool, watchers

DOWN = "RaybidDown"
_WINDOW_SECONDS = 60.0
"""Time limit for the alert: its own delay of 20 s, a scrape, an evaluation, and a slow machine."""

_RATE = 100.0


@processes.ended_by_signals()
def main(
    duration: Annotated[float, typer.Option(min=30, help="seconds of traffic")] = 90.0,
) -> None:
    """Monitor a platform, query everything, kill it."""
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="raybid-watch-"))
    try:
        given = Settings()
        settings = given.model_copy(update={"var_dir": folder / "var"})
        summary = _watched(settings, folder, duration, console)
    except ValidationError as error:
        refuse("watch-check", faults(error))
    except (LaunchError, httpx.HTTPError, OSError) as error:
        refuse("watch-check", f"{error} (logs: {folder})")
    typer.echo(msgspec.json.encode(summary).decode())
    if summary["empty"] or summary["tested"] < summary["alerts"] or summary["fired_s"] is None:
        refuse("watch-check", f"monitoring is incomplete: see the table and the figures above (logs: {folder})")
    shutil.rmtree(folder)


def _watched(settings: Settings, folder: Path, duration: float, console: Console) -> dict[str, Any]:
    _promtool("check", "config", "--syntax-only", str(CONFIG / "prometheus.yaml"))
    _promtool("test", "rules", str(CONFIG / "tests" / "alerts.yaml"))
    shutil.copytree(reference.POLICY, settings.policy_dir)
    preflight(settings)
    with Platform(settings, say=lambda text: console.print(plain(text, "dim"))) as platform:
        platform.register(reference.campaigns())
        _share_budgets(settings)
        platform.await_campaigns()
        with watchers(folder / "watchers", _targets(settings), settings.resolve_secret("report_key")) as at:
            with _traffic(settings, duration, folder):
                for _ in track(range(round(duration)), "traffic, while Prometheus scrapes", console=console):
                    time.sleep(1)
                verdicts = [judge(one, at.query) for one in (*of_panels(), *of_alerts())]
            console.print(_table(verdicts))
            unreached = [target["metric"] for target in at.query("up == 0")]
            if unreached:
                raise LaunchError(f"Prometheus cannot reach {unreached}")
            quiet = DOWN not in at.firing()
            platform.kill()
            fired = _await_alert(at, console) if quiet else None
    alerts = of_alerts()
    return {
        "panels": sum(len(dashboard.panels) for dashboard in DASHBOARDS),
        "expressions": len(verdicts),
        "empty": sum(verdict.is_empty for verdict in verdicts),
        "empty_for_a_reason": sum(bool(verdict.reason) for verdict in verdicts),
        "alerts": len(alerts),
        "tested": len(tested() & {alert.where for alert in alerts}),
        "fired_s": fired,
    }


def _targets(settings: Settings) -> dict[str, list[str]]:
    """Return the addresses of Ray's parts, from Ray, and those that we know."""
    haproxy = os.environ.get("RAY_SERVE_HAPROXY_METRICS_PORT", "9101")
    found = msgspec.json.decode((run_folder(settings) / "ray" / "prom_metrics_service_discovery.json").read_bytes())
    return {
        "raybid": [f"127.0.0.1:{settings.http_port}"],
        "ray": [address for group in found for address in group["targets"]],
        "haproxy": [f"127.0.0.1:{haproxy}"],
    }


def _share_budgets(settings: Settings) -> None:
    """Make two campaigns a portfolio, so that its panels have data."""
    members = [{"campaign": campaign.id} for campaign in reference.campaigns()[:2]]
    headers = settings.key_headers("admin_key")
    body = {"id": "watched", "strategy": "proportional", "interval_seconds": 5, "members": members}
    url = f"{settings.base_url}/portfolio/create"
    calls.request("POST", url, json=body, headers=headers, timeout=10).raise_for_status()


@contextmanager
def _traffic(settings: Settings, duration: float, folder: Path) -> Iterator[None]:
    """Run an exchange during the block."""
    command = [sys.executable, "-m", "pipelines.replay", "--url", settings.base_url, "--rate", str(_RATE)]
    with (folder / "replay.log").open("wb") as log:
        process = processes.start(
            [*command, "--duration", str(duration + 60)],
            cwd=ROOT,
            env={**os.environ, "RAYBID_EXCHANGE_KEY": settings.resolve_secret("exchange_key")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        processes.end(process)


def _await_alert(at: Watchers, console: Console) -> float | None:
    """Return the seconds from now until the alert is active."""
    began = time.monotonic()
    for _ in track(range(round(_WINDOW_SECONDS)), f"until {DOWN} fires", console=console):
        if DOWN in at.firing():
            return round(time.monotonic() - began, 1)
        time.sleep(1)
    return None


def _promtool(*arguments: str) -> None:
    """Run promtool and raise `LaunchError` with its output if it fails."""
    done = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LaunchError(f"promtool {' '.join(arguments)} failed: {done.stdout.strip()} {done.stderr.strip()}")


def _table(verdicts: list[ExpressionCheck]) -> Table:
    table = Table("panel or alert", "series", "why none", title="expressions")
    for verdict in verdicts:
        style = "red" if verdict.is_empty else "" if verdict.series else "dim"
        table.add_row(verdict.expression.where, str(verdict.series), verdict.reason, style=style)
    return table


if __name__ == "__main__":
    typer.run(main)
