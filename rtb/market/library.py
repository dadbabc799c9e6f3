"""Episodes to learn from: logged ones from before each campaign's evaluation, and simulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtb.market.auction_log import EPISODE, Rows, Task
from rtb.market.auctions import Kind
from rtb.market.cut import Cut, cut
from rtb.market.moment import Clock
from rtb.market.paced import landscape_of, past_of
from rtb.market.past import Past

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Budgets at which a campaign's day is compared with its average: an episode takes the nearest one's."""

_DRIFT, _COLD = 0.3, 1 / 3


@dataclass(frozen=True)
class Episodes:
    """A batch of `e` episodes of at most `n` auctions, each with what its campaign knows.

    Attributes:
        price: market prices, shape `(e, n)`; infinite where an episode has no more auctions.
        pctr: predicted click rates, shape `(e, n)`; 0 there.
        budget: shape `(e,)`.
        auctions: usually in an episode, shape `(e,)`.
        clock: how each campaign tells the time.
        past: what each campaign knows, of `e` rows.
        cold: whether the closed loop starts an episode without having seen an earlier one, shape `(e,)`; the others
            have seen this one's auctions go by in another order, as in a market that goes on.
    """

    price: Floats
    pctr: Floats
    budget: Floats
    auctions: Floats
    clock: Clock
    past: Past
    cold: Bools


class Source:
    """One campaign's episodes.

    Args:
        task: the campaign.
        rows: to cut into episodes.
        is_past: whether the rows are those its past is known from, so that to know them again is no surprise.
        kind: of the auctions.
    """

    def __init__(self, task: Task, rows: Rows, *, is_past: bool, kind: Kind = "second") -> None:
        self.by_clock = task.hours > 0.0
        self.hours = task.hours if self.by_clock else np.nan
        # A long stream is cut like the others: a policy that knows its horizon learns from short ones for long ones.
        self.episode = task.episode if self.by_clock else min(task.episode, EPISODE)
        self.episodes = cut(rows, self.episode, task.hours)
        whole = np.isfinite(self.episodes.price).sum(axis=1) >= 0.3 * self.episode
        self.episodes = Cut(*(part[whole] for part in self.episodes))
        landscape = landscape_of(task, kind)
        self.past = Past.stack([past_of(task, share, landscape) for share in SHARES])
        self.mean_price = task.totals.mean_price
        self.drift = _DRIFT if is_past else _DRIFT / 3

    def __len__(self) -> int:
        return len(self.episodes.price)


class Library:
    """Sources to draw batches from.

    Args:
        sources: of one kind, all by count or all by the clock, and all with episodes of about one length.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        if not sources:
            raise ValueError("a library needs a campaign")
        if len({source.by_clock for source in sources}) != 1:
            raise ValueError("a library holds episodes by count or flights by the clock, not both")
        self._sources = sources

    @classmethod
    def of_past(cls, tasks: Sequence[Task], kind: Kind = "second") -> Library:
        """What comes *before* each campaign's evaluation."""
        return cls([Source(task, task.before, is_past=True, kind=kind) for task in tasks])

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def sample(self, rng: np.random.Generator, count: int, shares: tuple[float, float] = (1 / 64, 1 / 2)) -> Episodes:
        """Draw episodes: any campaign as likely, budgets log-uniform in `shares`.

        What a campaign believes of prices is off by a factor (log-normal), as its past is in another week, and a
        third of the closed loops have seen nothing of it yet. Where auctions are counted, half of the episodes are
        shuffled: their order is an accident too.
        """
        drawn = rng.integers(len(self._sources), size=count)
        sources = [self._sources[number] for number in drawn.tolist()]
        width = max(source.episodes.price.shape[1] for source in sources)
        share = np.exp(rng.uniform(np.log(shares[0]), np.log(shares[1]), count))
        nearest = np.abs(np.log(share[:, None]) - np.log(SHARES)).argmin(axis=1)
        price, pctr = np.full((count, width), np.inf), np.zeros((count, width))
        hour = np.zeros((count, width))
        for lane, source in enumerate(sources):
            row = rng.integers(len(source))
            size = source.episodes.price.shape[1]
            order = np.arange(size)
            if not source.by_clock and rng.random() < 0.5:
                order = rng.permutation(size)
            price[lane, :size], pctr[lane, :size] = source.episodes.price[row][order], source.episodes.pctr[row][order]
            hour[lane, :size], hour[lane, size:] = source.episodes.hour[row], source.episodes.hour[row, -1]
        used = int(np.flatnonzero(np.isfinite(price).any(axis=0))[-1]) + 1
        auctions = np.array([float(source.episode) for source in sources])
        mean_price = np.array([source.mean_price for source in sources])
        drift = np.array([source.drift for source in sources])
        hours = np.array([source.hours for source in sources])
        past = Past.stack([source.past.take([n]) for source, n in zip(sources, nearest.tolist(), strict=True)])
        return Episodes(
            price=price[:, :used],
            pctr=pctr[:, :used],
            budget=np.maximum(np.floor(mean_price * share * auctions), 1.0),
            auctions=auctions,
            clock=Clock(hour[:, :used], hours, auctions / np.where(np.isfinite(hours), hours, 1.0)),
            past=past.believed(np.exp(rng.normal(0.0, 1.0, count) * drift)),
            cold=rng.random(count) < _COLD,
        )
