"""Memory and time that bidders with a table need, checked before a backtest begins."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from simulation.auction_log import MAX_PRICE, read_length, read_totals
from simulation.backtest.bench import DAILY, PROGRAMMES, BacktestJob, task_of
from simulation.dynamic_programme import MAX_CELLS, Size, TableTooLarge, table_size


def describe_tables(jobs: Sequence[BacktestJob], workers: int) -> str:
    """Describe the cost of these jobs' tables; empty if they have none.

    Args:
        jobs: jobs of the backtest.
        workers: number of jobs run at a time.

    Raises:
        TooLarge: a table is over the limit, or memory is short; the message says what to do.
        LogError: a log cannot be read.
    """
    sizes = {job.campaign: _size(job) for job in jobs if {*job.bidders} & {*PROGRAMMES}}
    if not sizes:
        return ""
    name, largest = max(sizes.items(), key=lambda one: one[1].cells)
    takes = (
        f"ss_mdp and rlb: a table of {largest.auctions:,} auctions by {largest.budget + 1:,} levels of money for "
        f"{MAX_PRICE + 1} price levels takes {_megabytes(largest.bytes)} and about {largest.seconds:,.0f} s ({name})"
    )
    if largest.cells > MAX_CELLS:
        most = _megabytes(8 * MAX_CELLS)
        raise TableTooLarge(
            f"{takes}, and {most} is the limit: give smaller --budgets, or --bidders without ss_mdp and rlb"
        )
    together = min(workers, len(sizes))
    needed = sum(sorted((size.bytes for size in sizes.values()), reverse=True)[:together])
    free = psutil.virtual_memory().available
    if needed > free:
        raise TableTooLarge(
            f"{takes}; {together} at a time need {_megabytes(needed)}, and {_megabytes(free)} is free: "
            "use fewer --workers, smaller --budgets, or --bidders without ss_mdp and rlb"
        )
    return f"{takes}, {together} at a time"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _size(job: BacktestJob) -> Size:
    share = max(share for _, share in job.budgets)
    if job.campaign.startswith(DAILY):
        task = task_of(job)
        return table_size(task.totals, task.episode, share)
    return table_size(read_totals(job.folder, job.campaign), read_length(job.folder, job.campaign), share)
