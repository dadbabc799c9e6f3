"""The whole platform on this machine: models, ledger, cluster, application, campaigns, and an exchange.

How to run:

    make run                 # until Ctrl-C
    make run DURATION=30     # stops by itself

What to expect: the first run trains a small reference click model (about a minute), then a live table of requests,
wins and spend. The last line is one JSON object; `spend_micros` is what the exchange charged and what the ledger says.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from raybid.local import LaunchError, Platform
from raybid.local.configuration import Graph
from raybid.local.preparing import faults, prepare
from raybid.refusing import refuse
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation import reference
from simulation.exchange import ReplayFigures, ReplayOptions, Unreachable
from simulation.exchange.screen import display, until_signal

_FOREVER = 10 * 365 * 86_400.0


@processes.ended_by_signals()
def main(
    duration: Annotated[float, typer.Option(min=0, help="seconds of traffic; 0: until Ctrl-C")] = 0.0,
    rate: Annotated[float, typer.Option(min=0, help="requests a second; 0: as fast as the connections allow")] = 200.0,
    connections: Annotated[int, typer.Option(min=1, help="maximum bid requests in flight")] = 16,
    graph: Annotated[Graph, typer.Option(help="where the models run")] = "composed",
) -> None:
    """Start the platform, send it traffic, show the results, stop it."""
    console = Console(stderr=True, highlight=False)
    try:
        settings = Settings()
        prepare(settings, console)
        options = ReplayOptions(
            url=settings.base_url,
            key=settings.resolve_secret("exchange_key"),
            rate=rate,
            connections=connections,
            duration=duration or _FOREVER,
            seed=1,
        )
        with Platform(settings, graph, lambda text: console.print(plain(text, "dim"))) as platform:
            platform.register(reference.campaigns())
            platform.await_campaigns()
            _announce(settings, console)
            summary = _trade(platform, options, console)
    except ValidationError as error:
        refuse("raybid", faults(error))
    except (LaunchError, Unreachable, SettingsError, OSError) as error:
        refuse("raybid", error)
    except processes.Terminated:
        refuse("raybid", "stopped before the platform was up")
    typer.echo(msgspec.json.encode(summary).decode())
    if summary["spend_micros"] != summary["ledger_spend_micros"]:
        refuse("raybid", "the ledger and the exchange disagree on the spend: see the two figures above")


def _trade(platform: Platform, options: ReplayOptions, console: Console) -> dict[str, object]:
    """Send traffic until the end or a signal; return the exchange's figures beside the ledger's."""
    before = platform.spent_micros()
    figures = send(platform, options, console)
    return {**figures.summary(), "ledger_spend_micros": platform.spent_micros() - before}


def send(platform: Platform, options: ReplayOptions, console: Console) -> ReplayFigures:
    """Send traffic until its end or a signal, and show its figures; raise `LaunchError` where Ray ends."""
    with display(console) as show:

        def tick(figures: ReplayFigures) -> None:
            platform.check()
            show(figures)

        return uvloop.run(until_signal(options, tick))


def _announce(settings: Settings, console: Console) -> None:
    console.print(f"API docs       {settings.base_url}/docs")
    console.print(f"Ray dashboard  http://127.0.0.1:{settings.dashboard_port} (token: {settings.ray_token_path()})")
    console.print(f"keys           {settings.secret_path('admin_key')}, {settings.secret_path('exchange_key')}")


if __name__ == "__main__":
    typer.run(main)
