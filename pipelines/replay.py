"""An exchange in a box: replay bid requests against a running platform, as an exchange and its users would.

    python -m pipelines.replay --duration 30                      # simulated traffic
    python -m pipelines.replay --requests requests.jsonl --rate 500

The last line on standard output is one JSON object with the figures; progress goes to standard error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop
from pydantic import ValidationError
from rich.console import Console

from raybid.local.preparing import faults
from raybid.refusing import refuse
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain
from simulation.exchange import ReplayFigures, ReplayOptions, RequestSourceError, Unreachable, run, table
from simulation.exchange.screen import display, until_signal

__all__ = ["ReplayFigures", "ReplayOptions", "app", "run", "table"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def replay(
    *,
    requests: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with a JSON request per line, itself or under `request`; repeatable. Default: simulated"
        ),
    ] = None,
    url: Annotated[
        str, typer.Option(envvar="RAYBID_URL", help="Base URL of the platform; default: from the settings")
    ] = "",
    rate: Annotated[float, typer.Option(min=0, help="Requests a second; 0: as fast as the connections allow")] = 0.0,
    connections: Annotated[int, typer.Option(min=1, max=4096, help="Maximum bid requests in flight")] = 16,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds; default for simulated traffic: 30")] = None,
    count: Annotated[int | None, typer.Option(min=0, help="Requests; default for files: each line once")] = None,
    auction: Annotated[Literal["second", "first"], typer.Option(help="Kind of auction")] = "second",
    seed: Annotated[int, typer.Option(help="Seed of simulated traffic and random draws")] = 1,
    key: Annotated[
        str, typer.Option(envvar="RAYBID_EXCHANGE_KEY", help="X-API-Key of the exchange; default: that of var/secrets")
    ] = "",
    ca: Annotated[Path | None, typer.Option(help="CA certificates in PEM to trust besides the system's")] = None,
) -> None:
    """Send bid requests, check the answers, hold the auctions, send the notices, and report."""
    settings = _configured()
    options = ReplayOptions(
        url=url or settings.base_url,
        requests=tuple(requests or ()),
        rate=rate,
        connections=connections,
        duration=duration,
        count=count,
        auction=auction,
        seed=seed,
        key=key or (settings.find_secret("exchange_key") if not url or url.rstrip("/") == settings.base_url else ""),
        ca=ca,
    )
    console = Console(stderr=True)
    try:
        with display(console) as show:
            figures = uvloop.run(until_signal(options, show))
    except (Unreachable, RequestSourceError, OSError) as error:
        refuse("replay", error)
    _report_bad_lines(figures, console)
    typer.echo(json.dumps(figures.summary()))


def _configured() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        refuse("replay", faults(error), 2)


def _report_bad_lines(figures: ReplayFigures, console: Console) -> None:
    for reason in figures.bad_line_reasons:
        console.print(plain(reason), style="yellow", soft_wrap=True)
    more = figures.bad_lines - len(figures.bad_line_reasons)
    if more > 0:
        console.print(f"and {more} more lines", style="yellow")


if __name__ == "__main__":
    app()
