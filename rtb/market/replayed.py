"""Many logged episodes paced at once, a policy's and the closed loop's side by side: the world a policy learns in.

Every campaign is there twice, in the same auctions: once under the policy's multipliers and once under 1.0. What the
policy is paid is what it wins more than its twin, so the luck of an episode, which is most of its value, cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtb.market.auction_log import Task
from rtb.market.auctions import Kind
from rtb.market.clearing import clear
from rtb.market.landscape import Landscape
from rtb.market.lanes import DECISION, STEP, Lanes
from rtb.market.linear import split
from rtb.market.optimum import hindsight
from rtb.market.paced import landscape_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_DRIFT, _COLD = 0.3, 1 / 3


@dataclass(frozen=True)
class Episodes:
    """A batch of `e` episodes of `n` auctions, each with what its campaign knows.

    Attributes:
        price: market prices, shape `(e, n)`.
        pctr: predicted click rates, shape `(e, n)`.
        budget: shape `(e,)`.
        landscape: what each campaign's past says, of `e` rows.
        usual_pctr: mean of the past, shape `(e,)`.
        usual_price: mean of the past, shape `(e,)`.
        cold: whether the closed loop starts an episode without having seen an earlier one, shape `(e,)`; the others
            have seen this one's auctions go by in another order, as in a market that goes on.
    """

    price: Floats
    pctr: Floats
    budget: Floats
    landscape: Landscape
    usual_pctr: Floats
    usual_price: Floats
    cold: Bools


class Library:
    """Episodes to draw from: those that come *before* each campaign's evaluation.

    Args:
        tasks: campaigns with episodes of one length.
        kind: of the auctions.

    Raises:
        ValueError: no campaign, or episodes of different lengths.
    """

    def __init__(self, tasks: Sequence[Task], kind: Kind = "second") -> None:
        if len({task.episode for task in tasks}) != 1:
            raise ValueError("a library needs campaigns with episodes of one length")
        parts = [split(task.before, task.episode) for task in tasks]
        self.price = np.concatenate([part[0] for part in parts])
        self.pctr = np.concatenate([part[1] for part in parts])
        self.campaign = np.repeat(np.arange(len(tasks)), [len(part[0]) for part in parts])
        self._landscape = Landscape.stack([landscape_of(task, kind) for task in tasks])
        self._mean_price = np.array([task.totals.mean_price for task in tasks])
        self._usual_pctr = np.array([task.before.pctr.mean() for task in tasks])
        self._usual_price = np.array([task.before.price.mean() for task in tasks])

    def __len__(self) -> int:
        return len(self.price)

    def sample(self, rng: np.random.Generator, count: int, shares: tuple[float, float] = (1 / 64, 1 / 2)) -> Episodes:
        """Draw episodes: any campaign as likely, shuffled auctions in half of them, budgets log-uniform in `shares`.

        What a campaign believes of prices is off by a factor (log-normal, 0.3), as its past is in another week, and a
        third of the closed loops have seen nothing of it yet.
        """
        campaign = rng.integers(len(self._mean_price), size=count)
        members = [np.flatnonzero(self.campaign == number) for number in range(len(self._mean_price))]
        chosen = np.array([rng.choice(members[number]) for number in campaign.tolist()])
        order = np.tile(np.arange(self.price.shape[1]), (count, 1))
        mixed = rng.random(count) < 0.5
        order[mixed] = rng.permuted(order[mixed], axis=1)
        share = np.exp(rng.uniform(np.log(shares[0]), np.log(shares[1]), count))
        return Episodes(
            price=np.take_along_axis(self.price[chosen], order, axis=1),
            pctr=np.take_along_axis(self.pctr[chosen], order, axis=1),
            budget=np.maximum(np.floor(self._mean_price[campaign] * share * self.price.shape[1]), 1.0),
            landscape=self._landscape.take(campaign).believed(np.exp(rng.normal(0.0, _DRIFT, count))),
            usual_pctr=self._usual_pctr[campaign],
            usual_price=self._usual_price[campaign],
            cold=rng.random(count) < _COLD,
        )


class ReplayedCore:
    """`e` campaigns with a decision every `decision` auctions.

    Args:
        decision: auctions between two decisions; the closed loop's level is solved again every `STEP` of them.
        kind: of the auctions.

    Attributes:
        done: whether the episodes have ended.
        value: won so far by the policies, then by their twins, shape `(2, e)`.
    """

    def __init__(self, decision: int = DECISION, kind: Kind = "second") -> None:
        self.done = True
        self._decision, self._kind = decision, kind
        self._step = int(np.gcd(STEP, decision))

    def start(self, episodes: Episodes) -> npt.NDArray[np.float32]:
        """Begin these episodes; first observations, shape `(e, OBSERVATION_SIZE)`."""
        self._episodes, self._now, self.done = episodes, 0, False
        count = len(episodes.budget)
        twice = np.tile(np.arange(count), 2)
        self._lanes = Lanes(
            episodes.landscape.take(twice),
            episodes.budget[twice],
            episodes.price.shape[1],
            usual_pctr=episodes.usual_pctr[twice],
            usual_price=episodes.usual_price[twice],
            decision=self._decision,
        )
        self._warm(twice)
        self._left = episodes.budget[twice].astype(np.float64)
        self.value = np.zeros((2, count))
        self.best = hindsight(episodes.pctr, np.maximum(episodes.price, 1e-6), episodes.budget)[0]
        return self._observe()

    def step(self, multipliers: Floats) -> tuple[npt.NDArray[np.float32], Floats]:
        """Bid in the next `decision` auctions with these multipliers, shape `(e,)`.

        Returns:
            The next observations, and the rewards `(value - twin's value) / (hindsight's value / decisions)`, shape
            `(e,)`: over an episode they add up to the gain in share of hindsight times the number of decisions.
        """
        episodes, length = self._episodes, self._episodes.price.shape[1]
        both = np.concatenate([multipliers, np.ones(len(multipliers))])
        before = self.value.copy()
        stop = min(self._now + self._decision, length)
        for start in range(self._now, stop, self._step):
            now = slice(start, min(start + self._step, stop))
            pctr, price = np.tile(episodes.pctr[:, now], (2, 1)), np.tile(episodes.price[:, now], (2, 1))
            bids = self._lanes.bids(pctr, self._left, length - start, both)
            cleared = clear(bids, price, self._left, self._kind)
            self._lanes.learn(pctr, cleared)
            self._left = self._left - cleared.paid.sum(axis=1)
            self.value += (pctr * cleared.won).sum(axis=1).reshape(2, -1)
        self._now, self.done = stop, stop == length
        gain = self.value - before
        scale = np.maximum(self.best, 1e-12) * self._decision / length
        return self._observe(), (gain[0] - gain[1]) / scale

    def _warm(self, twice: npt.NDArray[np.intp]) -> None:
        """Let the loops see an episode: this one's auctions, backwards, under a multiplier of 1.0."""
        episodes, length = self._episodes, self._episodes.price.shape[1]
        if episodes.cold.all():
            return
        left = episodes.budget[twice].astype(np.float64)
        price, pctr = episodes.price[twice, ::-1], episodes.pctr[twice, ::-1]
        for start in range(0, length, self._step):
            now = slice(start, start + self._step)
            bids = self._lanes.bids(pctr[:, now], left, length - start, np.ones(len(left)))
            cleared = clear(bids, price[:, now], left, self._kind)
            self._lanes.learn(pctr[:, now], cleared)
            left = left - cleared.paid.sum(axis=1)
        self._lanes.forget(episodes.cold[twice])

    def _observe(self) -> npt.NDArray[np.float32]:
        seen = self._lanes.observe(self._left, self._episodes.price.shape[1] - self._now)
        return seen[: len(self._episodes.budget)]
