"""An exchange in a box: plays bid requests against a running platform, as an exchange and its users would.

    python -m pipelines.replay --duration 30                      # simulated traffic
    python -m pipelines.replay --requests requests.jsonl --rate 500

The last line on standard output is one JSON object with the figures; what is shown meanwhile goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop
from rich.console import Console
from rich.live import Live

from pipelines.exchange import Figures, ReplayOptions, SourceError, Unreachable, run, table
from pipelines.exchange.report import line

__all__ = ["Figures", "ReplayOptions", "app", "run", "table"]

_LINE_SECONDS = 5.0  # between two lines where there is no terminal

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def replay(
    *,
    requests: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with one JSON request a line, itself or under `request`; repeatable. Default: simulated"
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="Base URL of the platform")] = "http://127.0.0.1:8000",
    rate: Annotated[float, typer.Option(min=0, help="Requests a second; 0: as fast as the connections allow")] = 0.0,
    connections: Annotated[int, typer.Option(min=1, max=4096, help="Bid requests in flight at most")] = 16,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds; simulated traffic: 30")] = None,
    count: Annotated[int | None, typer.Option(min=0, help="Requests; files: each line once")] = None,
    auction: Annotated[Literal["second", "first"], typer.Option(help="What a winner pays")] = "second",
    seed: Annotated[int, typer.Option(help="Of simulated traffic and of what is left to chance")] = 1,
    key: Annotated[str, typer.Option(envvar="RAYBID_EXCHANGE_KEY", help="X-API-Key of the exchange")] = "",
) -> None:
    """Send bid requests, check the answers, hold the auctions, send the notices, and report."""
    options = ReplayOptions(
        url=url,
        requests=tuple(requests or ()),
        rate=rate,
        connections=connections,
        duration=duration,
        count=count,
        auction=auction,
        seed=seed,
        key=key,
    )
    console = Console(stderr=True)
    try:
        with _display(console) as show:
            figures = uvloop.run(_until_signal(options, show))
    except (Unreachable, SourceError, OSError) as error:
        typer.echo(f"replay: {error}", err=True)
        raise typer.Exit(1) from error
    _report_bad_lines(figures, console)
    typer.echo(json.dumps(figures.summary()))


async def _until_signal(options: ReplayOptions, show: Callable[[Figures], None]) -> Figures:
    """Replay to the end, or until SIGINT or SIGTERM; the figures are complete either way."""
    last = Figures()

    def on_tick(figures: Figures) -> None:
        nonlocal last
        last = figures
        show(figures)

    task = asyncio.create_task(run(options, on_tick))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return last


@contextmanager
def _display(console: Console) -> Iterator[Callable[[Figures], None]]:
    """Shows figures: a live table on a terminal, else a line now and then."""
    if console.is_terminal:
        with Live(table(Figures()), console=console, auto_refresh=False) as live:
            yield lambda figures: live.update(table(figures), refresh=True)
    else:
        yield _Lines(console)


class _Lines:
    """Figures as lines, one every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, figures: Figures) -> None:
        if time.monotonic() >= self._next:
            self._next += _LINE_SECONDS
            self._console.print(line(figures), highlight=False, soft_wrap=True)


def _report_bad_lines(figures: Figures, console: Console) -> None:
    for reason in figures.bad_line_reasons:
        console.print(reason, style="yellow", markup=False, highlight=False, soft_wrap=True)
    more = figures.bad_lines - len(figures.bad_line_reasons)
    if more > 0:
        console.print(f"and {more} more lines", style="yellow")


if __name__ == "__main__":
    app()
