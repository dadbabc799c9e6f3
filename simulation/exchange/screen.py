"""A replay in a terminal: live figures, and signals that end it in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from simulation.exchange.notices import Settler
from simulation.exchange.report import ReplayFigures, line, table
from simulation.exchange.session import MakeSettler, ReplayOptions, run

_LINE_SECONDS = 5.0  # between two lines if there is no terminal


async def until_signal(
    options: ReplayOptions, show: Callable[[ReplayFigures], None], make_settler: MakeSettler = Settler
) -> ReplayFigures:
    """Replay to the end, or until SIGINT, SIGTERM or SIGHUP; either way, return complete figures."""
    last = ReplayFigures()

    def on_tick(figures: ReplayFigures) -> None:
        nonlocal last
        last = figures
        show(figures)

    task = asyncio.create_task(run(options, on_tick, make_settler))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return last


@contextmanager
def display(console: Console) -> Iterator[Callable[[ReplayFigures], None]]:
    """Show figures: a live table in a terminal, else a line at intervals."""
    if console.is_terminal:
        with Live(table(ReplayFigures()), console=console, auto_refresh=False) as live:
            yield lambda figures: live.update(table(figures), refresh=True)
    else:
        yield _Lines(console)


class _Lines:
    """A display of figures as lines, one every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, figures: ReplayFigures) -> None:
        if time.monotonic() >= self._next:
            self._next += _LINE_SECONDS
            self._console.print(line(figures), highlight=False, soft_wrap=True)
