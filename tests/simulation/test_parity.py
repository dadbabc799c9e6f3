"""A policy sees in serving what it saw in the yardstick: a logged run, told to the Controller as balances."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from rtb.campaigns.campaign import Budget
from rtb.catalog import CatalogEntry
from rtb.ledger import Balance
from rtb.models.observation import OBSERVATION, OBSERVATION_SIZE, observe
from rtb.models.policy import Policy
from rtb.models.winrate import UNKNOWN_MARKET
from rtb.pacing.hourly_stats import HourlyStats
from rtb.pacing.landscape import Landscape
from rtb.pacing.market_estimate import estimate_markets
from rtb.pacing.moment import Moment
from rtb.pacing.pacemaker import Pacemaker
from rtb.pacing.past import Past
from rtb.pacing.profile import DailyProfile
from rtb.pacing.snapshot import decode_pacing, encode_pacing, pacing_state
from simulation.auction_log import Rows, Task
from simulation.clearing import Cleared, clear
from simulation.cut import clock_of, cut
from simulation.daily import daily_task
from simulation.paced import PolicyBidder
from tests.rtb.builders import make_campaign

Floats = npt.NDArray[np.float64]

_MIDNIGHT = 1_767_571_200.0
_TICK = 10
"""Auctions between two ticks: each is a decision and one step of the closed loop."""

_SEEN, _PAID = 10**11, 3 * 10**10
"""Opportunities and prices of a history so long that one flight does not move its averages."""


@dataclass(frozen=True)
class Watched(Policy):
    """A policy that keeps what it saw."""

    seen: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def multipliers(self, observation: npt.NDArray[np.float32]) -> Floats:
        self.seen.append(observation)
        return super().multipliers(observation)


def _some_policy(seed: int) -> Watched:
    rng = np.random.default_rng(seed)
    sizes = pairwise((OBSERVATION_SIZE, 8, 1))
    layers = tuple((rng.normal(0, 0.4, (o, i)).astype(np.float32), np.zeros(o, np.float32)) for i, o in sizes)
    return Watched(layers, "tanh", "continuous", np.empty(0), "some")


class Diary(DailyProfile):
    """The day as a bidder's own book has it so far: what the Controller learns of it, beside one campaign."""

    def __init__(self, landscape: Landscape) -> None:
        self._book, self._landscape = HourlyStats(1), landscape

    def take(self, rows: npt.ArrayLike) -> DailyProfile:
        return self

    def same_as_now(self, when: Moment) -> Floats:
        return self._book.profile().same_as_now(when)

    def note(self, hour: float, hours: float, level: Floats, cleared: Cleared) -> None:
        auctions = np.array([float(cleared.won.size)])
        forecast = auctions * self._landscape.spend(level)
        self._book.add(hour, np.array([hours]), auctions, cleared.paid.sum(axis=1), forecast)


def _even_task(seed: int) -> Task:
    """Build a day's flight in a market of a daily pattern whose auctions come evenly: their rate is known."""
    task = daily_task(np.random.default_rng(seed), flights=2, auctions=1_000.0)
    rows = task.after.part(0, 1_000)
    hour = np.arange(1_000) * 24.0 / 1_000
    return replace(task, after=Rows(rows.click, rows.price, _exact(rows.pctr), hour))


def _history(task: Task) -> Balance:
    """Return a ledger's figures of long ago: the averages of the task's past."""
    price = task.before.price
    return Balance(
        opportunities=_SEEN,
        bids=_SEEN,
        bills=_PAID,
        probability=float(_exact(_SEEN * task.before.pctr.mean())),
        spent=int(_PAID * price.mean()),
        price_squares=float(_exact(_PAID * (price**2).mean())),
    )


def _exact(sum_or_part: npt.ArrayLike) -> Floats:
    """Whole millionths, nearly: a ledger's sums of them are exact, and so are the differences of two."""
    return np.maximum(np.rint(np.multiply(sum_or_part, 2.0**20)), 1.0) / 2.0**20


def _inferred(history: Balance, worth: float) -> Past:
    """Return what serving makes of a history, without the day."""
    totals = {name: np.array([float(value)]) for name, value in history._asdict().items()}
    known = estimate_markets(totals, [UNKNOWN_MARKET], np.array([worth]))
    return Past(known.landscape, DailyProfile(*np.ones((2, 1, 24))), known.pctr, known.price)


@pytest.mark.parametrize(("seed", "share"), [(1, 1 / 32), (2, 1 / 8), (3, 1 / 2)])
def test_serving_shows_a_policy_what_the_yardstick_did(seed: int, share: float) -> None:
    task, policy = _even_task(seed), _some_policy(seed)
    budget, balance = task.budget(share), _history(task)
    campaign = msgspec.structs.replace(make_campaign(), budget=Budget(total_micros=budget, flight_seconds=86_400.0))
    entry, pacemaker = CatalogEntry(1, campaign, _MIDNIGHT), Pacemaker()

    past = _inferred(balance, campaign.goal.value_micros)
    diary = Diary(past.landscape)
    bidder = PolicyBidder(task, share, past.landscape, policy, decision=_TICK)
    bidder._past = replace(past, profile=diary)  # its own is of the log's auctions, which no ledger has
    bidder.begin(1)

    price, pctr, _, _ = episodes = cut(task.after, task.episode, task.hours)
    clock, left = clock_of(task, episodes), np.array([float(budget)])
    served = []
    for start in range(0, price.shape[1], _TICK):
        now, when = slice(start, start + _TICK), clock.at(start)
        balance = balance._replace(budget=budget, available=int(left[0]))
        table = pacemaker.tick([entry], [balance], _MIDNIGHT + float(when.hour[0]) * 3_600.0)
        told = decode_pacing(encode_pacing(table))
        served.append(observe(pacing_state(told)))
        bids = bidder.bids(pctr[:, now], left, when)
        if start:
            level = told["level"] * Policy.multipliers(policy, served[-1])
            np.testing.assert_allclose(level, bidder._level, rtol=1e-5)
        cleared = clear(bids, price[:, now], left)
        bidder.learn(pctr[:, now], cleared)
        diary.note(float(clock.at(start + _TICK).hour[0]), _TICK * 24.0 / 1_000, bidder._level, cleared)
        left = left - cleared.paid.sum(axis=1)
        balance = _told(balance, pctr[0, now], cleared, float(bidder._level[0]))
    assert len(policy.seen) == len(served) == 100
    assert np.ptp(np.concatenate(policy.seen), axis=0).min() > 0.0  # each component says something in this run
    # At its first look the Controller has not watched the traffic yet.
    for seen, got in zip(policy.seen[1:], served[1:], strict=True):
        difference = dict(zip(OBSERVATION, np.abs(seen - got)[0].tolist(), strict=True))
        assert max(difference.values()) <= 1e-6, difference


def _told(balance: Balance, pctr: Floats, cleared: Cleared, level: float) -> Balance:
    """Build a balance after some auctions, each with a bid."""
    return balance._replace(
        opportunities=balance.opportunities + len(pctr),
        bids=balance.bids + len(pctr),
        bills=balance.bills + int(cleared.won.sum()),
        probability=balance.probability + float(pctr.sum()),
        spent=balance.spent + int(cleared.paid.sum()),
        price_squares=balance.price_squares + float((cleared.paid**2).sum()),
        levels=balance.levels + len(pctr) * level,
    )
