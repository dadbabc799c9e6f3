"""The verdict: no more false alarms than promised however often one looks, and planted differences are found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtb.experiment.readings import CHALLENGER, FIGURES, Readings
from rtb.experiment.verdict import FEWEST, Metric, judge, radius, sentence, sequence

SHARE = 0.2
ALPHA = 0.05


def made_up(blocks: int, *, value: float = 1.0, spend: float = 1.0, seed: int = 0, campaigns: int = 10) -> Readings:
    """Campaigns of unlike sizes, a daily pattern both arms share, and heavy tails; the challenger's times a factor."""
    random = np.random.default_rng(seed)
    size = np.exp(random.normal(0, 1, campaigns))
    hours = 1 + 0.5 * np.sin(np.arange(blocks) / 4)
    mean = (hours[:, None] * size).reshape(-1, 1) * np.array([1 - SHARE, SHARE]) * 40
    wins = random.poisson(mean).astype(float)
    spent = wins * random.gamma(16, 62.5, wins.shape)
    won = wins * np.exp(random.normal(0, 0.4, wins.shape)) * 2_000
    clicks = random.binomial(wins.astype(int), 0.05).astype(float)
    figures = np.stack([spent, wins, clicks, won], axis=2)
    figures[:, CHALLENGER, FIGURES.index("value")] *= value
    figures[:, CHALLENGER, FIGURES.index("spend")] *= spend
    return Readings(figures, np.repeat(np.arange(blocks), campaigns), 600.0)


@pytest.mark.parametrize("metric", ["value", "clicks", "value_per_money"])
def test_looking_at_two_equals_all_the_time_raises_no_more_alarms_than_promised(metric: Metric) -> None:
    worlds, blocks = 300, 100
    alarms = 0
    for seed in range(worlds):
        figures = made_up(blocks, seed=seed).figures
        looks = (sequence(figures[: 10 * block], metric, SHARE, ALPHA) for block in range(10, blocks + 1))
        alarms += any(seen is not None and seen.is_real for seen in looks)
    assert alarms <= worlds * ALPHA


def test_a_planted_difference_is_found_and_stays_found() -> None:
    found = [judge(made_up(200, value=1.2, seed=seed), "value", SHARE) for seed in range(10)]
    assert all(verdict is not None and verdict.is_real and verdict.low > 0 for verdict in found)
    assert all(verdict.low < 0.2 < verdict.high for verdict in found if verdict)
    worse = judge(made_up(200, value=0.8), "value", SHARE)
    assert worse is not None
    assert worse.is_real
    assert "worse" in sentence(worse)


def test_more_value_for_more_money_is_no_gain_per_money() -> None:
    readings = made_up(200, value=1.2, spend=1.2)
    per_money = judge(readings, "value_per_money", SHARE)
    assert per_money is not None
    assert not per_money.is_real
    assert sequence(readings.figures, "value", SHARE, ALPHA).is_real  # type: ignore[union-attr]


def test_the_bootstrap_holds_what_is_true_as_often_as_it_says() -> None:
    verdicts = [judge(made_up(30, value=1.1, seed=seed), "value", SHARE, alpha=0.2) for seed in range(60)]
    held = sum(verdict.bootstrap_low <= 0.1 <= verdict.bootstrap_high for verdict in verdicts if verdict)
    assert 40 <= held <= 56


def test_nothing_is_said_of_too_little() -> None:
    assert judge(made_up(2), "value", SHARE) is None
    assert "Too little" in sentence(None)
    nothing = made_up(10)
    nothing.figures[:, CHALLENGER] = 0.0
    assert judge(nothing, "value", SHARE) is None


def test_time_to_the_answer_is_when_the_sequence_is_narrow_enough() -> None:
    readings = made_up(20, value=1.1, seed=1)
    early = judge(readings, "value", SHARE)
    assert early is not None
    assert not early.is_real
    assert early.seconds_more is not None
    assert sentence(early).endswith((" hours.", " days."))
    seen = sequence(readings.figures, "value", SHARE, ALPHA)
    assert seen is not None
    then = int(200 * (1 + early.seconds_more / (20 * 600)))
    assert seen.spread * radius(then, ALPHA) == pytest.approx(abs(seen.log_ratio), rel=0.1)


def test_the_sequence_is_wider_than_an_interval_for_one_look_and_shrinks() -> None:
    widths = [radius(n, ALPHA) for n in (FEWEST, 1_000, 10_000)]
    assert widths == sorted(widths, reverse=True)
    assert all(width > 1.96 / math.sqrt(n) for width, n in zip(widths, (FEWEST, 1_000, 10_000), strict=True))
