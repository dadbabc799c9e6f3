"""Compare strategies for sharing a budget, in simulated markets, with a clairvoyant.

How to run:

    make portfolio                                   # 30 markets of each kind, about two minutes on two cores
    python -m pipelines.simulate_portfolio --seeds 4 --rounds 96

What to expect: a progress bar, a table, and `report.html` with plots in `--out`. In each market twelve campaigns of
differing worth share a budget per round (an hour), with daily seasons; in drifting markets prices and rates wander, and
some jump. The clairvoyant's optimum is a linear programme. The last line is one JSON object by strategy: `value_share`,
the share of the optimum, with its 95% interval over markets, `over_proportional`, `regret_slope` (log cumulative regret
by log time: below 1 it grows slower than time), `moved`; the same with `_drift`; `overspend_micros`.
"""

from __future__ import annotations

import os
from concurrent.futures import as_completed
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import track

from raybid.refusing import refuse
from rtb.runtime import processes
from simulation.portfolio.figures import StrategyComparison, figures_of, hold
from simulation.portfolio.report import table, write_html

_OUT = Path("var/portfolio")


@processes.ended_by_signals()
def main(
    seeds: Annotated[int, typer.Option(min=1, help="number of markets of each kind")] = 30,
    rounds: Annotated[int, typer.Option(min=16, help="rounds per market; a round is an hour")] = 336,
    first: Annotated[int, typer.Option(min=0, help="seed of the first market")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="processes; 0: one per core")] = 0,
    out: Annotated[Path, typer.Option(help="output folder of the report")] = _OUT,
) -> None:
    """Play every strategy in every market."""
    console = Console(stderr=True, highlight=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        games = _games(range(first, first + seeds), rounds, workers, console)
        found = figures_of(games)
        title = f"Portfolio strategies over {seeds} markets of each kind, {rounds} rounds"
        console.print(table(found, title))
        write_html(out / "report.html", found, games, title)
    except OSError as error:
        refuse("simulate_portfolio", error)
    console.print(f"plots: {out / 'report.html'}")
    typer.echo(msgspec.json.encode(found).decode())


def _games(seeds: range, rounds: int, workers: int, console: Console) -> list[StrategyComparison]:
    """Play every market of both kinds, in order of seeds."""
    with processes.pool(workers or os.cpu_count()) as pool:
        held = [pool.submit(hold, seed, rounds, drift) for seed in seeds for drift in (False, True)]
        ended = track(as_completed(held), "markets", total=len(held), console=console)
        games = [future.result() for future in ended]
    return sorted(games, key=lambda game: (game.seed, game.drift))


if __name__ == "__main__":
    typer.run(main)
