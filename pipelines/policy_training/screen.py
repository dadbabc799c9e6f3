"""Display of a training: a bar on a terminal, else a line per validation, and a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.policy_training.validation import Gains

Show = Callable[[int, str], None]


@contextmanager
def progress(console: Console, total: int, unit: str) -> Iterator[Show]:
    """Yield a function `(done, text)` that shows the progress.

    Args:
        console: console to print to; if it is not a terminal, each new text is a line.
        total: number at which it is finished.
        unit: unit of the count, in the plural.
    """
    if not console.is_terminal:
        said = (0, "")

        def line(done: int, text: str) -> None:
            nonlocal said
            if text and (done, text) != said:
                said = done, text
                console.print(f"{done:,} of {total:,} {unit}, {text}", highlight=False)

        yield line
        return
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(f"0 of {total:,} {unit}", total=total)
        yield lambda done, text: bars.update(
            task, completed=done, description=", ".join(filter(None, (f"{done:,} of {total:,} {unit}", text)))
        )


def table_of(gains: Gains) -> Table:
    """Return the gains by world and budget as a table."""
    table = Table(title="gain in value over the closed loop on validation episodes, %")
    table.add_column("world")
    for label in next(iter(gains.values())):
        table.add_column(label, justify="right")
    for world, by_budget in gains.items():
        table.add_row(world, *(f"{gain:+.2f}" for gain in by_budget.values()))
    return table
