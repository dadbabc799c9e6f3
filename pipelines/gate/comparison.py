"""Comparison of a candidate with the champion on the same held-out data, with confidence intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DRAWS = 1_000
_LEVELS = (2.5, 97.5)
_SEED = 20_130_606  # seed of the bootstrap: the same data give the same verdict


class GateClosed(RuntimeError):
    """An error for a candidate that the gate refuses; the message says why."""


class NotComparable(RuntimeError):
    """An error for held-out data that cannot distinguish the two; the message says what is missing."""


@dataclass(frozen=True)
class Measure:
    """One metric of both models.

    Attributes:
        name: name of the metric.
        candidate: the candidate's value.
        champion: the champion's value.
        gain: candidate's value minus the champion's, with the sign such that more is better.
        low: lower end of the gain's 95% interval, by a paired bootstrap.
        high: upper end of that interval.
    """

    name: str
    candidate: float
    champion: float
    gain: float
    low: float
    high: float

    @property
    def is_worse(self) -> bool:
        """Whether the candidate is significantly worse."""
        return self.high < 0.0

    def __str__(self) -> str:
        return (
            f"{self.name} {self.candidate:.5g} against {self.champion:.5g}, "
            f"a gain of {self.gain:.3g} ({self.low:.3g} to {self.high:.3g})"
        )


@dataclass(frozen=True)
class Comparison:
    """The metrics that decide at the gate.

    Attributes:
        champion: version compared with: the served one, or what serves before any is trained.
        on: description of the held-out data.
        measures: metrics; a single worse one closes the gate.
    """

    champion: str
    on: str
    measures: tuple[Measure, ...]

    @property
    def objection(self) -> str:
        """Reason to refuse the candidate, empty if there is none."""
        worse = [str(measure) for measure in self.measures if measure.is_worse]
        return f"worse than {self.champion} on {self.on}: {'; '.join(worse)}" if worse else ""

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object for the history and the last line."""
        figures = [{name: _rounded(value) for name, value in asdict(one).items()} for one in self.measures]
        return {"champion": self.champion, "on": self.on, "measures": figures}


@lru_cache(maxsize=4)
def resamples(count: int, draws: int = DRAWS) -> Ints:
    """Return how often each of `count` units is drawn in each bootstrap sample, shape `(draws, count)`.

    Both models are judged on the same draws, so that common variation cancels out of their difference.
    """
    drawn = np.random.default_rng(_SEED).integers(count, size=(draws, count))
    places = (drawn + count * np.arange(draws)[:, None]).ravel()
    times: Ints = np.bincount(places, minlength=draws * count).reshape(draws, count)
    times.flags.writeable = False  # cached, and shared by all callers
    return times


def measure(name: str, candidate: float, champion: float, gains: Floats, *, sign: float = 1.0) -> Measure:
    """Return a metric with its interval.

    Args:
        name: name of the metric.
        candidate: the candidate's value on all the data.
        champion: the champion's value on all the data.
        gains: candidate's minus champion's value in each bootstrap sample, shape `(draws,)`.
        sign: -1 if less is better.
    """
    low, high = np.percentile(sign * gains, _LEVELS)
    return Measure(name, candidate, champion, sign * (candidate - champion), float(low), float(high))


def _rounded(value: str | float) -> str | float:
    return value if isinstance(value, str) else float(f"{value:.6g}")
