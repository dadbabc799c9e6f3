"""The bidders by name, and a backtest cut into jobs that processes can share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rtb.models import policy
from rtb.pacing.landscape import Kind
from rtb.runtime import processes
from simulation import dynamic_programme, linear, paced, replay
from simulation.auction_log import Task, read_task
from simulation.bidder import Bidder
from simulation.daily import daily_task
from simulation.ortb import ortb

Floats = npt.NDArray[np.float64]
J = TypeVar("J")
R = TypeVar("R")

CLASSICS = ("lin", "mcpc", "ss_mdp", "ortb", "rlb", "adaptive", "closed")
LEARNED = ("ppo", "dqn")

PROGRAMMES = ("ss_mdp", "rlb")
"""Bidders that need the dynamic programme's table."""

DAILY = "daily-"
"""Prefix of a simulated campaign's name; a number follows."""

_DAILY_SEED, _DAILY_AUCTIONS = 31, 12_000.0


@dataclass(frozen=True)
class BacktestJob:
    """One campaign played by some bidders at every budget.

    Attributes:
        folder: folder of the log; ignored for a simulated campaign.
        campaign: name of the campaign.
        bidders: names of the bidders.
        budgets: budget shares by label.
        kind: kind of auction.
        policies: folder of each learned bidder's artefact.
        decision: auctions between two decisions of a policy; 0: fifty decisions per episode.
    """

    folder: Path
    campaign: str
    bidders: tuple[str, ...]
    budgets: tuple[tuple[str, float], ...]
    kind: Kind
    policies: tuple[tuple[str, Path], ...] = ()
    decision: int = 0


@dataclass(frozen=True)
class BacktestResult:
    """The results of a bidder in one campaign at one budget.

    Attributes:
        campaign: name of the campaign.
        bidder: name of the bidder.
        budget: label, such as `1/32`.
        played: results by episode.
        best: most value that each episode's budget could have bought, shape `(episodes,)`.
    """

    campaign: str
    bidder: str
    budget: str
    played: replay.Played
    best: Floats


def jobs_of(
    folder: Path,
    campaigns: Sequence[str],
    bidders: Sequence[str],
    budgets: dict[str, float],
    *,
    kind: Kind,
    policies: dict[str, Path],
    decision: int = 0,
) -> list[BacktestJob]:
    """Return the jobs, longest first; the two bidders that need the dynamic programme's table share one."""
    programmes = tuple(name for name in bidders if name in PROGRAMMES)
    groups = [programmes] if programmes else []
    groups += [(name,) for name in bidders if name not in programmes]
    shares, learned = tuple(budgets.items()), tuple(policies.items())
    return [BacktestJob(folder, name, group, shares, kind, learned, decision) for group in groups for name in campaigns]


def run(jobs: Sequence[J], workers: int, play: Callable[[J], list[R]]) -> Iterator[list[R]]:
    """Yield the results of the jobs as they finish, from this many processes; with one, from this process."""
    if workers == 1:
        yield from map(play, jobs)
        return
    with processes.pool(workers) as pool:
        for done in as_completed([pool.submit(play, job) for job in jobs]):
            yield done.result()


def play_job(job: BacktestJob) -> list[BacktestResult]:
    """Play one job.

    Raises:
        LogError: the log cannot be read.
        ArtefactError: a policy cannot be read.
    """
    task = task_of(job)
    table = np.zeros((0, 0))
    if {*job.bidders} & {*PROGRAMMES}:
        table = dynamic_programme.task_table(task, max(share for _, share in job.budgets))
    makers = [(name, _maker(name, task, job, table)) for name in job.bidders]
    results = []
    for label, share in job.budgets:
        best = replay.best_value(task, share)
        for name, make in makers:
            results.append(
                BacktestResult(task.name, name, label, replay.play(make(share), task, share, job.kind), best)
            )
    return results


def task_of(job: BacktestJob) -> Task:
    """Return the campaign of a job, read from its log or simulated.

    Raises:
        LogError: the log cannot be read.
    """
    if not job.campaign.startswith(DAILY):
        return read_task(job.folder, job.campaign)
    rng = np.random.default_rng([_DAILY_SEED, int(job.campaign.removeprefix(DAILY))])
    return replace(daily_task(rng, flights=4, auctions=_DAILY_AUCTIONS), name=job.campaign)


def _maker(name: str, task: Task, job: BacktestJob, table: Floats) -> Callable[[float], Bidder]:
    """Return a function that builds the bidder for a budget share; what all budgets share is computed once, here."""
    landscape = paced.landscape_of(task, job.kind)
    makers: dict[str, Callable[[float], Bidder]] = {
        "lin": lambda share: linear.lin(task, share, job.kind),
        "mcpc": lambda share: linear.mcpc(task.totals),
        "ortb": lambda share: ortb(task, share, job.kind),
        "ss_mdp": lambda share: dynamic_programme.Programme(table, task.totals.ctr),
        "rlb": lambda share: dynamic_programme.Programme(table, None),
        "adaptive": lambda share: paced.adaptive(task, share, landscape),
        "closed": lambda share: paced.closed(task, share, landscape),
    }
    if name in makers:
        return makers[name]
    trained = policy.load(dict(job.policies)[name])
    return lambda share: paced.learned(task, share, landscape, trained, decision=job.decision)
