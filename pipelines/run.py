"""The whole platform on this machine: models, ledger, cluster, application, campaigns, and an exchange that calls it.

How to run:

    make run                 # until Ctrl-C
    make run DURATION=30     # ends by itself

What to expect: a first run trains a small reference model of clicks (about a minute), then a live table of requests,
wins and spend. The last line is one JSON object; `spend_micros` is what the exchange was owed and what the ledger says.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from typing import Annotated

import msgspec
import redis.asyncio as aioredis
import typer
import uvloop
from pydantic import ValidationError
from rich.console import Console

from pipelines import reference
from pipelines.exchange import Figures, ReplayOptions, Unreachable
from pipelines.exchange.screen import display, until_signal
from pipelines.local import LaunchError, Platform, preflight
from pipelines.local.cluster import ROOT, Graph
from rtb.artefacts import META
from rtb.ledger import Durability, LedgerError, read_durability
from rtb.settings import Settings

_FOREVER = 10 * 365 * 86_400.0
_LEDGER_TIMEOUT_S = 5.0


def main(
    duration: Annotated[float, typer.Option(min=0, help="seconds of traffic; 0: until Ctrl-C")] = 0.0,
    rate: Annotated[float, typer.Option(min=0, help="requests a second; 0: as fast as the connections allow")] = 200.0,
    connections: Annotated[int, typer.Option(min=1, help="bid requests in flight at most")] = 16,
    graph: Annotated[Graph, typer.Option(help="where the models run")] = "composed",
) -> None:
    """Set up the platform, send it traffic, show what it earns, stop it."""
    console = Console(stderr=True, highlight=False)
    try:
        settings = Settings()
        preflight(settings)
        _check_durability(settings, console)
        _train_missing(settings, console)
        _take_published(settings, console)
        options = ReplayOptions(
            url=settings.base_url, rate=rate, connections=connections, duration=duration or _FOREVER, seed=1
        )
        with Platform(settings, graph, lambda text: console.print(f"[dim]{text}[/dim]")) as platform:
            platform.register(reference.campaigns())
            platform.await_campaigns()
            _announce(settings, console)
            summary = _trade(platform, options, console)
    except ValidationError as error:
        _fail(console, "; ".join(f"RAYBID_{_path(item['loc'])}: {item['msg']}" for item in error.errors()))
    except (LaunchError, Unreachable, OSError) as error:
        _fail(console, str(error))
    except KeyboardInterrupt:
        _fail(console, "stopped before the platform was up")
    typer.echo(msgspec.json.encode(summary).decode())
    if summary["spend_micros"] != summary["ledger_spend_micros"]:
        _fail(console, "the ledger does not agree with the exchange about the spend: see the two figures above")


def _trade(platform: Platform, options: ReplayOptions, console: Console) -> dict[str, object]:
    """Traffic until the end or a signal; the exchange's figures beside the ledger's."""
    before = platform.spent_micros()
    with display(console) as show:

        def tick(figures: Figures) -> None:
            platform.check()
            show(figures)

        figures = uvloop.run(until_signal(options, tick))
    return {**figures.summary(), "ledger_spend_micros": platform.spent_micros() - before}


def _check_durability(settings: Settings, console: Console) -> None:
    """Say what a Redis of the operator's own may lose; the embedded server loses nothing.

    Raises:
        LaunchError: it does not answer, or keeps less than the settings require.
    """
    if not settings.redis_url:
        return
    try:
        found = asyncio.run(_durability(settings))
    except LedgerError as error:
        raise LaunchError(f"the server of RAYBID_REDIS_URL is not there: {error}") from error
    if found.is_safe:
        return
    if settings.require_durable:
        raise LaunchError(f"RAYBID_REQUIRE_DURABLE is set, and the ledger's durability is {found}")
    console.print(f"ledger durability: {found}", style="yellow", markup=False, soft_wrap=True)


async def _durability(settings: Settings) -> Durability:
    async with aioredis.Redis.from_url(settings.ledger_url, socket_timeout=_LEDGER_TIMEOUT_S) as client:
        return await read_durability(client)


def _train_missing(settings: Settings, console: Console) -> None:
    """A small reference model of clicks where there is none.

    Raises:
        LaunchError: the training fails.
    """
    if (settings.ctr_dir / META).exists():
        return
    command = ["pipelines.train_ctr", "--out", str(settings.ctr_dir)]
    console.print(f"training {settings.ctr_dir} (once)")
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False)
    if done.returncode:
        raise LaunchError(f"`python -m {' '.join(command)}` fails: what it says is above")


def _take_published(settings: Settings, console: Console) -> None:
    """The published policy where there is none.

    Raises:
        OSError: its folder cannot be written.
    """
    if (settings.policy_dir / META).exists():
        return
    console.print(f"serving the published policy of {reference.POLICY.relative_to(ROOT)}")
    shutil.copytree(reference.POLICY, settings.policy_dir, dirs_exist_ok=True)


def _announce(settings: Settings, console: Console) -> None:
    console.print(f"API docs       {settings.base_url}/docs")
    console.print(f"Ray dashboard  http://127.0.0.1:{settings.dashboard_port}")
    console.print(f"admin key      {settings.secret_path('admin_key')}")


def _path(parts: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in parts).upper()


def _fail(console: Console, message: str) -> None:
    console.print(f"raybid: {message}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
