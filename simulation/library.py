"""Episodes for training: logged ones from before each campaign's evaluation, and simulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rtb.pacing.landscape import Kind
from rtb.pacing.moment import Clock
from rtb.pacing.past import Past
from simulation.auction_log import EPISODE, Rows, Task
from simulation.cut import Cut, cut
from simulation.paced import landscape_of, past_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Budget shares at which a campaign's day is compared with its average: an episode takes the nearest."""

_COLD, _SHUFFLED = 0.2, 0.3
_PRICE_ERROR, _PCTR_ERROR = 0.2, 0.5
"""Standard deviations of the log ratio of believed to true prices and pCTRs: the past is another week."""

_PCTR_DRIFT = 0.2
"""Standard deviation of the log ratio of an episode's mean pCTR to that of the episode before."""


@dataclass(frozen=True)
class Episodes:
    """A batch of `e` episodes of at most `n` auctions, each with what its campaign knows.

    Attributes:
        price: market prices, shape `(e, n)`; infinite after an episode's last auction.
        pctr: predicted click rates, shape `(e, n)`; 0 after an episode's last auction.
        budget: budgets, shape `(e,)`.
        auctions: usual number of auctions in an episode, shape `(e,)`.
        clock: clock of each campaign.
        past: what each campaign knows, `e` rows.
        cold: whether the closed loop starts without having seen the previous episode, shape `(e,)`.
        price_before: market prices of the previous episode, shape `(e, m)`.
        pctr_before: predicted click rates of the previous episode, shape `(e, m)`.
    """

    price: Floats
    pctr: Floats
    budget: Floats
    auctions: Floats
    clock: Clock
    past: Past
    cold: Bools
    price_before: Floats
    pctr_before: Floats


class EpisodeSource:
    """The episodes of one campaign.

    Args:
        task: the campaign.
        rows: auctions to cut into episodes.
        kind: kind of auction.
    """

    def __init__(self, task: Task, rows: Rows, *, kind: Kind = "second") -> None:
        self.by_clock = task.hours > 0.0
        self.hours = task.hours if self.by_clock else np.nan
        # A long stream is cut as well: a policy that knows its horizon learns from short ones for long ones.
        self.episode = task.episode if self.by_clock else min(task.episode, EPISODE)
        self.episodes = cut(rows, self.episode, task.hours)
        whole = np.isfinite(self.episodes.price).sum(axis=1) >= 0.3 * self.episode
        self.episodes = Cut(*(part[whole] for part in self.episodes))
        landscape = landscape_of(task, kind)
        self.past = Past.stack([past_of(task, share, landscape) for share in SHARES])
        self.mean_price = task.totals.mean_price

    def __len__(self) -> int:
        return len(self.episodes.price)


class Library:
    """A set of sources to draw batches from.

    Args:
        sources: sources of one kind, all by count or all by the clock, with episodes of similar length.
    """

    def __init__(self, sources: Sequence[EpisodeSource]) -> None:
        if not sources:
            raise ValueError("a library needs a campaign")
        if len({source.by_clock for source in sources}) != 1:
            raise ValueError("a library holds episodes by count or flights by the clock, not both")
        self._sources = sources

    @classmethod
    def of_past(cls, tasks: Sequence[Task], kind: Kind = "second") -> Library:
        """Build a library from what came *before* each campaign's evaluation: each half is played knowing the other.

        A policy that knew the auctions it plays would trust the past too much.
        """
        return cls([EpisodeSource(half, half.after, kind=kind) for task in tasks for half in _halves(task)])

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def sample(self, rng: np.random.Generator, count: int, shares: tuple[float, float] = (1 / 64, 1 / 2)) -> Episodes:
        """Draw episodes: campaigns uniformly, budgets log-uniformly within `shares`.

        What a campaign believes of prices and pCTRs is off by a log-normal factor, and so is the pCTR of an episode
        relative to the one before, as weeks and hours differ. Four in five closed loops have seen that one. Where
        auctions are counted, some episodes are shuffled: their order is an accident too.
        """
        drawn = rng.integers(len(self._sources), size=count)
        sources = [self._sources[number] for number in drawn.tolist()]
        share = np.exp(rng.uniform(np.log(shares[0]), np.log(shares[1]), count))
        nearest = np.abs(np.log(share[:, None]) - np.log(SHARES)).argmin(axis=1)
        rows = [int(rng.integers(len(source))) for source in sources]
        drift = np.exp(_PCTR_DRIFT * rng.standard_normal((2, count, 1)))
        now = _side_by_side(sources, rows, rng)
        before = _side_by_side(sources, [max(row - 1, 0) for row in rows], rng)
        auctions = np.array([float(source.episode) for source in sources])
        mean_price = np.array([source.mean_price for source in sources])
        hours = np.array([source.hours for source in sources])
        past = Past.stack([source.past.take([n]) for source, n in zip(sources, nearest.tolist(), strict=True)])
        errors = rng.standard_normal((2, count)) * np.array([[_PRICE_ERROR], [_PCTR_ERROR]])
        return Episodes(
            price=now.price,
            pctr=now.pctr * drift[0],
            budget=np.maximum(np.floor(mean_price * share * auctions), 1.0),
            auctions=auctions,
            clock=Clock(now.hour, hours, auctions / np.where(np.isfinite(hours), hours, 1.0)),
            past=past.believed(*np.exp(errors)),
            cold=rng.random(count) < _COLD,
            price_before=before.price,
            pctr_before=before.pctr * drift[1],
        )


def _halves(task: Task) -> list[Task]:
    """Split a campaign's past into two campaigns: each half is played with the other as its past."""
    episode = min(task.episode, EPISODE)
    cut = len(task.before) // episode // 2 * episode
    if task.hours or not cut:
        return [replace(task, after=task.before)]
    first, second = task.before.part(0, cut), task.before.part(cut)
    return [replace(task, before=first, after=second), replace(task, before=second, after=first)]


def _side_by_side(sources: Sequence[EpisodeSource], rows: Sequence[int], rng: np.random.Generator) -> Cut:
    """Stack one episode of each source, padded to the longest one."""
    width = max(source.episodes.price.shape[1] for source in sources)
    price, pctr = np.full((len(rows), width), np.inf), np.zeros((len(rows), width))
    hour = np.zeros((len(rows), width))
    for lane, (source, row) in enumerate(zip(sources, rows, strict=True)):
        size = source.episodes.price.shape[1]
        shuffled = not source.by_clock and rng.random() < _SHUFFLED
        order = rng.permutation(size) if shuffled else np.arange(size)
        price[lane, :size], pctr[lane, :size] = source.episodes.price[row][order], source.episodes.pctr[row][order]
        hour[lane, :size], hour[lane, size:] = source.episodes.hour[row], source.episodes.hour[row, -1]
    used = int(np.flatnonzero(np.isfinite(price).any(axis=0))[-1]) + 1
    return Cut(price[:, :used], pctr[:, :used], np.zeros((len(rows), used), np.int64), hour[:, :used])
