"""The observation of a bidding policy: a campaign's pacing state as a vector, the same in training and serving.

Everything is dimensionless and clipped to a fixed range, so that one policy serves any campaign and budget, and
artefacts need no statistics of their training.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SCHEMA_VERSION = "pacing-2"
"""Version of the observation; changes whenever `observe` would return another vector for the same state."""

OBSERVATION = (
    "budget_left",
    "time_left",
    "pace",
    "win_rate",
    "pctr_ratio",
    "price_ratio",
    "price_spread",
    "affordability",
    "wins_left",
    "horizon",
    "richness",
    "forecast",
    "quick",
    "slow",
    "ahead",
)
"""Names of the observation's components, in order."""

OBSERVATION_SIZE = len(OBSERVATION)

MULTIPLIER_LOW, MULTIPLIER_HIGH = 0.5, 2.0
"""Range of the multiplier on the closed loop's level, symmetric in logarithm: action 0 is the loop itself."""

_CLIP = 3.0
_MANY = 1_000.0
_TINY = 1e-9


@dataclass(frozen=True)
class PacingState:
    """The pacing state of `n` campaigns; every field has shape `(n,)`.

    Amounts may be in any unit as long as a campaign uses one throughout (micros in serving). "Recent" is an
    exponential average over about a decision interval; "usual" is the campaign's long-run mean or forecast. A level is
    money per unit of pCTR, what a linear bid multiplies pCTR by.

    Attributes:
        budget_total: budget of the episode or flight; 0 means nothing to spend.
        budget_left: budget neither spent nor promised.
        time_total: length of the episode or flight, any unit.
        time_left: remaining time.
        recent_win_rate: wins per bid, 0 to 1.
        recent_pctr: mean predicted CTR of the recent opportunities.
        usual_pctr: long-run mean predicted CTR.
        recent_price: mean clearing price of the recent wins.
        recent_price_std: standard deviation of those prices.
        usual_price: long-run mean clearing price.
        opportunities_left: auctions expected until the budget's end.
        level: level of the closed loop, which the policy multiplies; 0 where it is unknown.
        level_forecast: level if the market were as in the past.
        level_quick: level with a shorter memory of spend.
        level_slow: level with a longer memory of spend.
        level_ahead: level that accounts for the day's pattern of traffic and prices.
    """

    budget_total: Floats
    budget_left: Floats
    time_total: Floats
    time_left: Floats
    recent_win_rate: Floats
    recent_pctr: Floats
    usual_pctr: Floats
    recent_price: Floats
    recent_price_std: Floats
    usual_price: Floats
    opportunities_left: Floats
    level: Floats
    level_forecast: Floats
    level_quick: Floats
    level_slow: Floats
    level_ahead: Floats

    def __len__(self) -> int:
        return len(self.budget_total)

    @classmethod
    def stack(cls, states: list[dict[str, float]]) -> PacingState:
        """Return one state from a list of rows (field name -> value)."""
        return cls(**{f.name: np.array([row[f.name] for row in states], np.float64) for f in fields(cls)})


def observe(state: PacingState) -> npt.NDArray[np.float32]:
    """Return the observations of `n` campaigns, shape `(n, OBSERVATION_SIZE)`, every value in [-3, 3].

    Components (ratios as logarithms, so that half and double are as far from level):

    - `budget_left`, `time_left`: fractions, 0 to 1.
    - `pace`: log(budget fraction / time fraction); above 0 means behind on spending.
    - `win_rate`: recent, 0 to 1.
    - `pctr_ratio`: log(recent mean pCTR / usual).
    - `price_ratio`: log(recent mean clearing price / usual).
    - `price_spread`: recent standard deviation over mean of clearing prices.
    - `affordability`: log(budget left per opportunity left / usual price), how much of the market the budget buys.
    - `wins_left`: log10(budget left / usual price), halved: where it is low, chance dominates.
    - `horizon`: log10(opportunities left), halved.
    - `richness`: log(level x usual pCTR / usual price), the bid on an average impression.
    - `forecast`, `quick`, `slow`, `ahead`: log of those levels over the closed loop's, each 0 where it agrees with it.
    """
    budget_left = _fraction(state.budget_left, state.budget_total)
    time_left = _fraction(state.time_left, state.time_total)
    per_opportunity = state.budget_left / np.maximum(state.opportunities_left, 1.0)
    columns = (
        budget_left,
        time_left,
        _log_ratio(budget_left + 1e-3, time_left + 1e-3),
        state.recent_win_rate,
        _log_ratio(state.recent_pctr, state.usual_pctr),
        _log_ratio(state.recent_price, state.usual_price),
        np.where(state.recent_price > _TINY, state.recent_price_std / np.maximum(state.recent_price, _TINY), 0.0),
        _log_ratio(per_opportunity, state.usual_price),
        _magnitude(state.budget_left / np.where(state.usual_price > _TINY, state.usual_price, np.inf)),
        _magnitude(state.opportunities_left),
        _log_ratio(state.level * state.usual_pctr, state.usual_price),
        _log_ratio(state.level_forecast, state.level),
        _log_ratio(state.level_quick, state.level),
        _log_ratio(state.level_slow, state.level),
        _log_ratio(state.level_ahead, state.level),
    )
    observation: npt.NDArray[np.float32] = np.clip(np.stack(columns, axis=1), -_CLIP, _CLIP).astype(np.float32)
    return observation


def _fraction(part: Floats, whole: Floats) -> Floats:
    return np.clip(np.where(whole > 0, part / np.maximum(whole, _TINY), 0.0), 0.0, 1.0)


def _log_ratio(value: Floats, reference: Floats) -> Floats:
    """Return log(value / reference), 0 where the reference is unknown (not positive); value 0 is the lower clip."""
    known = reference > _TINY
    safe = np.log(np.maximum(value, _TINY)) - np.log(np.maximum(reference, _TINY))
    return np.where(known, np.clip(safe, -_CLIP, _CLIP), 0.0)


def _magnitude(count: Floats) -> Floats:
    """Return half the decimal logarithm of 1 + count, capped at 1.5 from a thousand on."""
    magnitude: Floats = np.log10(1.0 + np.clip(count, 0.0, _MANY)) / 2.0
    return magnitude
