"""Log rows cut into episodes side by side: by count of auctions, or by the clock."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.pacing.moment import Clock
from simulation.auction_log import Rows, Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Cut(NamedTuple):
    """`e` episodes of at most `n` auctions; every array has shape `(e, n)`.

    Short episodes are padded with auctions that nobody wins: infinite price, no value, the last hour.
    """

    price: Floats
    pctr: Floats
    click: Ints
    hour: Floats


def cut(rows: Rows, episode: int, hours: float = 0.0) -> Cut:
    """Cut rows into episodes of this many auctions, or into flights of this many hours."""
    if hours:
        flight = np.floor((rows.hour - rows.hour[0]) / hours).astype(np.int64)
        starts = np.searchsorted(flight, np.arange(flight[-1] + 2))
    else:
        starts = np.append(np.arange(0, len(rows), episode), len(rows))
    count = np.diff(starts)
    width = int(count.max()) if hours else episode
    place = np.minimum(starts[:-1, None] + np.arange(width), len(rows) - 1)
    there = np.arange(width) < count[:, None]
    return Cut(
        price=np.where(there, rows.price[place], np.inf),
        pctr=np.where(there, rows.pctr[place], 0.0),
        click=np.where(there, rows.click[place], 0),
        hour=np.take_along_axis(rows.hour[place], np.minimum(np.arange(width), np.maximum(count - 1, 0)[:, None]), 1),
    )


def past(task: Task) -> Cut:
    """Return the episodes before a campaign's evaluation."""
    return cut(task.before, min(task.episode, len(task.before)), task.hours)


def clock_of(task: Task, episodes: Cut) -> Clock:
    """Return the clock by which the campaign knows its position in these episodes."""
    if not task.hours:
        return Clock.counting(episodes.hour)
    count = len(episodes.hour)
    return Clock(episodes.hour, np.full(count, task.hours), np.full(count, task.episode / task.hours))
