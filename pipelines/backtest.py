"""Bid again in logged auctions: classic bidders and learned policies against what hindsight could have bought.

    python -m pipelines.backtest --data DIR --out var/backtest
    python -m pipelines.backtest --data DIR --campaigns 1458-stream --bidders closed,ppo --budgets 1/16,1/8
    python -m pipelines.backtest --daily 8 --bidders rlb,closed,ppo,dqn

`--data` is a folder in the format of the prepared iPinYou data: `<c>.info.json`, `<c>.episodes.txt`, optionally
`<c>.test.txt`, and `<c>.stream.txt` with `<c>.stream-test.txt` for long streams. Bidders are tuned only on auctions
before the evaluated ones. `--daily` replaces the folder with simulated campaigns: their budgets last a day, while
prices and traffic follow the time of day. `--out` gets `report.html` and `figures.csv`; the last line is one JSON
object, summed over campaigns: `{bidder: {budget: {clicks, value, value_share, cost, wins, ...}}}`.

With `--auction first` winners pay their own bids, and bid shading without budgets is compared as well: surplus as a
share of the clairvoyant's, in `shading.csv` and under `shading` in the JSON.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Protocol, TypeVar, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from raybid.refusing import refuse
from rtb.models import policy
from rtb.models.artefacts import META, ArtefactError
from rtb.pacing.landscape import Kind
from rtb.runtime import processes
from rtb.runtime.terminal import plain
from rtb.runtime.text import visible
from simulation.auction_log import campaigns_in
from simulation.backtest import bench, surplus
from simulation.backtest.figures import as_json, figures_of
from simulation.backtest.programmes import describe_tables
from simulation.sample_logs import write_logs

BUDGETS = "1/32,1/16,1/8,1/4,1/2"


class _Played(Protocol):
    """The results of a bidder in a campaign."""

    @property
    def campaign(self) -> str: ...

    @property
    def bidder(self) -> str: ...


J = TypeVar("J")
R = TypeVar("R", bound=_Played)


@processes.ended_by_signals()
def backtest(
    *,
    data: Annotated[Path | None, typer.Option(help="Folder of logged auctions. Default: simulated ones.")] = None,
    campaigns: Annotated[
        str, typer.Option(help="Comma separated; `<c>-stream` is a long stream. Default: all with episodes.")
    ] = "",
    daily: Annotated[int, typer.Option(min=0, help="Simulated campaigns with daily flights, instead of data.")] = 0,
    budgets: Annotated[str, typer.Option(help="Shares of what an episode's auctions cost.")] = BUDGETS,
    bidders: Annotated[
        str, typer.Option(help=f"Comma separated. Default: {','.join((*bench.CLASSICS, *bench.LEARNED))}.")
    ] = "",
    auction: Annotated[str, typer.Option(help="second, or first: winners pay their own bids.")] = "second",
    value: Annotated[
        float, typer.Option(min=0.01, help="first: value of a click, in costs per click of the training days.")
    ] = 1.0,
    ppo: Annotated[Path, typer.Option(help="Artefact of the bidder ppo.")] = Path("models/ppo"),
    dqn: Annotated[Path, typer.Option(help="Artefact of the bidder dqn.")] = Path("models/dqn"),
    decision: Annotated[
        int, typer.Option(min=0, help="Auctions between two decisions of a policy; 0: fifty per episode.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("var/backtest"),
) -> None:
    """Compare bidders on logged auctions and write a report."""
    console = Console(stderr=True)
    try:
        kind = _kind(auction)
        if not math.isfinite(value):
            raise ValueError(f"--value {value} is not a finite number")
        shares = _shares(budgets)
        chosen, policies = _bidders(console, bidders, {"ppo": ppo, "dqn": dqn})
        out.mkdir(parents=True, exist_ok=True)
        simulated = [f"{bench.DAILY}{number}" for number in range(1, daily + 1)]
        folder = data or (Path() if daily else _made_up(console, out / "data"))
        names = simulated or _names(campaigns) or campaigns_in(folder)
        jobs = bench.jobs_of(folder, names, chosen, shares, kind=kind, policies=policies, decision=decision)
        workers = workers or len(os.sched_getaffinity(0))
        if takes := describe_tables(jobs, workers):
            console.print(plain(takes), soft_wrap=True)
        results = _play(console, jobs, workers, bench.play_job)
        order = [(name, bidder, label) for label in shares for bidder in chosen for name in names]
        results.sort(key=lambda one: order.index((one.campaign, one.bidder, one.budget)))
        shaded: list[surplus.Surplus] = []
        if kind == "first":
            shading = [surplus.SurplusJob(folder, name, value) for name in names]
            shaded = _play(console, shading, workers, surplus.play_job)
            shaded.sort(key=lambda one: names.index(one.campaign))
        _show(console, results, shaded, out, f"{', '.join(names)}: {auction} price")
    except (OSError, ArtefactError, ValueError, BrokenExecutor) as error:
        refuse("backtest", error)


def _play(console: Console, jobs: Sequence[J], workers: int, play: Callable[[J], list[R]]) -> list[R]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    results: list[R] = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("reading", total=len(jobs))
        for done in bench.run(jobs, min(workers, len(jobs)), play):
            results += done
            progress.update(task, advance=1, description=visible(f"{done[0].campaign} {done[0].bidder}"))
    return results


def _show(
    console: Console, results: list[bench.BacktestResult], shaded: list[surplus.Surplus], out: Path, title: str
) -> None:
    from simulation.backtest import report, surplus_report  # noqa: PLC0415 - importing plotly takes a second

    figures = figures_of(results)
    told: dict[str, object] = dict(as_json(figures))
    files, more = [out / "report.html", out / "figures.csv"], []
    console.print(report.table(figures, title))
    report.write_csv(out / "figures.csv", figures)
    if shaded:
        gained = surplus.figures_of(shaded)
        told[surplus.KEY] = surplus.as_json(gained)
        files, more = [*files, out / "shading.csv"], [surplus_report.section(gained)]
        console.print(surplus_report.table(gained))
        surplus_report.write_csv(out / "shading.csv", gained)
    report.write_html(out / "report.html", figures, results, f"Backtest of {title}", more)
    console.print("  ".join(map(str, files)), highlight=False)
    typer.echo(json.dumps(told))


def _kind(auction: str) -> Kind:
    for kind in get_args(Kind):
        if auction == kind:
            return auction  # type: ignore[return-value]
    raise ValueError(f"--auction {auction!r} is neither 'second' nor 'first'")


def _shares(budgets: str) -> dict[str, float]:
    """Parse shares by their label, as given."""
    try:
        shares = {label: float(Fraction(label)) for label in _names(budgets)}
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"--budgets {budgets!r} should be shares such as 1/32 or 0.25, comma separated") from None
    if not shares or min(shares.values()) <= 0 or max(shares.values()) > 1:
        raise ValueError(f"--budgets {budgets!r}: shares must be above 0 and at most 1")
    return shares


def _bidders(console: Console, given: str, folders: dict[str, Path]) -> tuple[list[str], dict[str, Path]]:
    """Return the names of the bidders and the folders of the learned ones.

    Learned bidders that were not asked for by name are skipped if they have no artefact.
    """
    chosen = _names(given) or [*bench.CLASSICS, *bench.LEARNED]
    unknown = [name for name in chosen if name not in bench.CLASSICS + bench.LEARNED]
    if unknown:
        raise ValueError(f"no bidder {', '.join(unknown)}: there are {', '.join(bench.CLASSICS + bench.LEARNED)}")
    for name in bench.LEARNED:
        if not given and not (folders[name] / META).exists():
            console.print(f"skipping {name}: no artefact in {folders[name]}", highlight=False)
            chosen.remove(name)
    learned = {name: folders[name].resolve() for name in chosen if name in bench.LEARNED}
    for folder in learned.values():
        policy.load(folder)  # before the work, so that an invalid one is reported at once
    return chosen, learned


def _names(listed: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))


def _made_up(console: Console, folder: Path) -> Path:
    console.print(f"no --data: simulated auctions in {folder}", highlight=False)
    write_logs(folder)
    return folder


def main() -> None:
    """Run the command line."""
    typer.run(backtest)


if __name__ == "__main__":
    main()
