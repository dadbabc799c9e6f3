"""Whether the difference between champion and challenger is significant, and when it will be.

The difference is a ratio: the challenger's result over the champion's, each for its share of the money. There are two
intervals. The bootstrap resamples readings, both arms together: valid for a single look at a time fixed beforehand. The
confidence sequence is valid at all times at once, so that looking every hour and stopping at will raises no more false
alarms than promised. It is the asymptotic one of Waudby-Smith et al., "Time-uniform central limit
theory and asymptotic confidence sequences" (arXiv 2103.06476), over readings linearised around their means.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from rtb.experiment.readings import CHALLENGER, CHAMPION, FIGURES, Readings

Metric = Literal["value", "clicks", "value_per_money", "clicks_per_money"]
METRICS: tuple[Metric, ...] = get_args(Metric)

FEWEST = 100
"""Fewest readings for a verdict: with fewer, means are not normal enough."""

_TIGHTEST = 300
"""Readings at which the sequence is tightest; elsewhere it is a little wider, and equally valid."""

_FARTHEST = 1_000.0
"""Farthest forecast, in multiples of the experiment's length so far."""

_DRAWS = 1_000
_AT_ONCE = 2_000_000  # numbers drawn at once by the bootstrap

Floats = npt.NDArray[np.float64]


class ExperimentVerdict(NamedTuple):
    """The verdict on the challenger by one metric. Lifts are relative: 0.1 is 10% more than the champion.

    Attributes:
        metric: metric of the comparison.
        lift: observed lift.
        low: lower end of the confidence sequence, which is valid at any time.
        high: upper end of the confidence sequence.
        bootstrap_low: lower end of the bootstrap interval, for a single look.
        bootstrap_high: upper end of the bootstrap interval.
        is_real: whether the confidence sequence excludes a lift of 0.
        seconds_more: forecast of the seconds until it does; none where it does already, or cannot be forecast.
    """

    metric: Metric
    lift: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float
    is_real: bool
    seconds_more: float | None


class ConfidenceSequence(NamedTuple):
    """The current confidence sequence.

    Attributes:
        log_ratio: logarithm of the challenger's result over the champion's.
        spread: standard deviation of a reading around it.
        width: half the width of the interval.
        readings: number of readings.
    """

    log_ratio: float
    spread: float
    width: float
    readings: int

    @property
    def is_real(self) -> bool:
        """Whether it excludes a ratio of 1."""
        return abs(self.log_ratio) > self.width


def judge(
    readings: Readings, metric: Metric, share: float, *, alpha: float = 0.05, seed: int = 0
) -> ExperimentVerdict | None:
    """Return the verdict by the readings; `None` while there are too few.

    Args:
        readings: readings of the experiment.
        metric: metric to compare.
        share: the challenger's part of money and traffic.
        alpha: probability of a false alarm.
        seed: seed of the bootstrap.
    """
    seen = sequence(readings.figures, metric, share, alpha)
    if seen is None:
        return None
    low, high = bootstrap(readings.figures, metric, share, alpha, seed)
    return ExperimentVerdict(
        metric=metric,
        lift=math.expm1(seen.log_ratio),
        low=math.expm1(seen.log_ratio - seen.width),
        high=math.expm1(seen.log_ratio + seen.width),
        bootstrap_low=math.expm1(low),
        bootstrap_high=math.expm1(high),
        is_real=seen.is_real,
        seconds_more=None if seen.is_real else _seconds_more(readings, seen, alpha),
    )


def sequence(figures: Floats, metric: Metric, share: float, alpha: float) -> ConfidenceSequence | None:
    """Return the confidence sequence of the log ratio; `None` while there are too few readings. See `judge`.

    To first order, a reading moves the log ratio of means by its parts relative to their means.
    """
    columns, signs = _terms(figures, metric)
    if len(columns) < FEWEST or (columns.mean(axis=0) <= 0).any():
        return None
    means = columns.mean(axis=0)
    spread = float((columns / means @ signs).std(ddof=1))
    log_ratio = float(signs @ np.log(means)) + _offset(metric, share)
    return ConfidenceSequence(log_ratio, spread, spread * radius(len(columns), alpha), len(columns))


def bootstrap(figures: Floats, metric: Metric, share: float, alpha: float, seed: int) -> tuple[float, float]:
    """Return the interval of the log ratio over resampled readings; draws with a mean of 0 are left out."""
    columns, signs = _terms(figures, metric)
    random = np.random.default_rng(seed)
    size = len(columns)
    at_once = max(1, _AT_ONCE // size)
    found = []
    for start in range(0, _DRAWS, at_once):
        weights = random.multinomial(size, np.full(size, 1 / size), min(at_once, _DRAWS - start))
        means = weights @ columns / size
        found.append(np.log(means[(means > 0).all(axis=1)]) @ signs)
    low, high = np.quantile(np.concatenate(found), [alpha / 2, 1 - alpha / 2]) + _offset(metric, share)
    return float(low), float(high)


def radius(readings: int, alpha: float) -> float:
    """Return half the width of the confidence sequence of a mean, in standard deviations of one reading."""
    square = (math.log(1 / alpha**2) + math.log(1 + math.log(1 / alpha**2))) / _TIGHTEST
    scaled = readings * square + 1
    return math.sqrt(2 * scaled / (readings**2 * square) * math.log(math.sqrt(scaled) / alpha))


def sentence(verdict: ExperimentVerdict | None) -> str:
    """Return the verdict in words."""
    if verdict is None:
        return "Too little has happened to say anything yet."
    what = verdict.metric.replace("_", " ") + (
        " from the same share of the money" if "per" not in verdict.metric else ""
    )
    interval = f"{verdict.low:+.1%} to {verdict.high:+.1%}"
    if verdict.is_real:
        better = "better" if verdict.lift > 0 else "worse"
        return f"The challenger is {better}: {verdict.lift:+.1%} {what} ({interval}). The difference is real."
    said = f"Not known yet: the challenger has {verdict.lift:+.1%} {what}, and {interval} are possible."
    if verdict.seconds_more is None:
        return f"{said} The two are too much alike to say when it will be known."
    return f"{said} If that goes on, it will be known in about {_span(verdict.seconds_more)}."


def _terms(figures: Floats, metric: Metric) -> tuple[Floats, Floats]:
    """Return the columns whose means are multiplied or divided, shape `(n, k)`, and 1 or -1 for each."""
    what = metric.removesuffix("_per_money")
    pairs = [(CHALLENGER, what, 1.0), (CHAMPION, what, -1.0)]
    if what != metric:
        pairs += [(CHALLENGER, "spend", -1.0), (CHAMPION, "spend", 1.0)]
    columns = [figures[:, arm, FIGURES.index(name)] for arm, name, _ in pairs]
    return np.stack(columns, axis=1), np.array([sign for _, _, sign in pairs])


def _offset(metric: Metric, share: float) -> float:
    """Return the correction of the log ratio for the different shares of the money."""
    return math.log((1 - share) / share) if metric in ("value", "clicks") else 0.0


def _seconds_more(readings: Readings, seen: ConfidenceSequence, alpha: float) -> float | None:
    """Return the seconds until the sequence excludes 0, at the current difference and rate of readings."""
    times = 1.0
    while seen.spread * radius(int(seen.readings * times), alpha) >= abs(seen.log_ratio):
        times *= 1.1
        if times > _FARTHEST:
            return None
    return (times - 1.0) * (int(readings.block.max()) + 1) * readings.seconds


def _span(seconds: float) -> str:
    for length, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"
