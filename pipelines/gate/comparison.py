"""A candidate beside the champion on the same held-out data, with how far chance goes."""

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
_SEED = 20_130_606  # of the bootstrap: the same data give the same verdict


class Refused(RuntimeError):
    """The gate is closed; the message says why."""


class NotComparable(RuntimeError):
    """The held-out data cannot tell the two apart; the message says what is missing."""


@dataclass(frozen=True)
class Measure:
    """One figure of both.

    Attributes:
        name: of the figure.
        candidate: its value.
        champion: its value.
        gain: candidate's value less the champion's, turned so that more is better.
        low: with `high`, the 95% interval of the gain, by a paired bootstrap.
        high: see there.
    """

    name: str
    candidate: float
    champion: float
    gain: float
    low: float
    high: float

    @property
    def is_worse(self) -> bool:
        """Whether the candidate is worse and chance does not explain it."""
        return self.high < 0.0

    def __str__(self) -> str:
        return (
            f"{self.name} {self.candidate:.5g} against {self.champion:.5g}, "
            f"a gain of {self.gain:.3g} ({self.low:.3g} to {self.high:.3g})"
        )


@dataclass(frozen=True)
class Comparison:
    """The figures the gate decides by.

    Attributes:
        champion: version it was compared with: the served one, or what serves before any is trained.
        on: the held-out data, in words.
        measures: figures; one that is worse closes the gate.
    """

    champion: str
    on: str
    measures: tuple[Measure, ...]

    @property
    def objection(self) -> str:
        """Why the candidate is refused, empty when it is not."""
        worse = [str(measure) for measure in self.measures if measure.is_worse]
        return f"worse than {self.champion} on {self.on}: {'; '.join(worse)}" if worse else ""

    def as_json(self) -> dict[str, Any]:
        """For the history and the last line."""
        figures = [{name: _rounded(value) for name, value in asdict(one).items()} for one in self.measures]
        return {"champion": self.champion, "on": self.on, "measures": figures}


@lru_cache(maxsize=4)
def resamples(count: int, draws: int = DRAWS) -> Ints:
    """How often each of `count` units is drawn in each bootstrap sample, shape `(draws, count)`.

    Both models are judged on the same draws, so what they have in common cancels out of their difference.
    """
    drawn = np.random.default_rng(_SEED).integers(count, size=(draws, count))
    places = (drawn + count * np.arange(draws)[:, None]).ravel()
    times: Ints = np.bincount(places, minlength=draws * count).reshape(draws, count)
    times.flags.writeable = False  # shared by whoever asks again
    return times


def measure(name: str, candidate: float, champion: float, gains: Floats, *, sign: float = 1.0) -> Measure:
    """A figure with its interval.

    Args:
        name: of the figure.
        candidate: its value on all the data.
        champion: its value on all the data.
        gains: candidate's less champion's in each bootstrap sample, shape `(draws,)`.
        sign: -1 where less is better.
    """
    low, high = np.percentile(sign * gains, _LEVELS)
    return Measure(name, candidate, champion, sign * (candidate - champion), float(low), float(high))


def _rounded(value: str | float) -> str | float:
    return value if isinstance(value, str) else float(f"{value:.6g}")
