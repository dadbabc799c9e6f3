"""Estimates of campaigns' market prices from what they paid, and the landscapes that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.models.winrate import CampaignMarket
from rtb.pacing.landscape import Landscape

Floats = npt.NDArray[np.float64]

_PCTR_SPREAD = 0.8
"""Standard deviation of log pCTR where it was not measured."""

_LEAST_REACH = 1e-3
"""Least assumed part of its opportunities in which a campaign bids: others go to rivals of the same platform."""

_TINY = 1e-12


class MarketEstimate(NamedTuple):
    """The estimated markets of `e` campaigns; every array has shape `(e,)`.

    Attributes:
        pctr: mean probability that an opportunity meets the goal; 0: unknown, and then everything is.
        price: usual price, micros.
        landscape: landscape of `e` rows.
    """

    pctr: Floats
    price: Floats
    landscape: Landscape


def estimate_markets(
    balances: dict[str, Floats], markets: Sequence[CampaignMarket], worth_micros: Floats
) -> MarketEstimate:
    """Return the estimates from totals by name, shape `(e,)` each, the markets, and the worth of a click or conversion.

    A campaign that has not paid yet assumes that prices equal the worth of an impression: it begins as if its budget
    did not matter, and actual spend corrects that within seconds.
    """
    median, shape, pctr_spread = np.array([one[:3] for one in markets], np.float64).reshape(-1, 3).T
    pctr = balances["probability"] / np.maximum(balances["opportunities"], 1.0)
    paid = np.where(balances["bills"] > 0, balances["spent"] / np.maximum(balances["bills"], 1.0), 0.0)
    price = np.where(paid > 0.0, paid, worth_micros * pctr)
    spread = np.pi / (np.sqrt(3.0) * shape)
    middle = np.where(median > 0.0, median, price * np.exp(-(spread**2) / 2.0))
    reach = np.where(balances["opportunities"] > 0, balances["bids"] / np.maximum(balances["opportunities"], 1.0), 1.0)
    measured = np.where(pctr_spread > 0.0, pctr_spread, _PCTR_SPREAD)
    landscape = Landscape.log_normal(
        np.maximum(middle, _TINY), np.clip(spread, 0.05, 2.0), np.maximum(pctr, _TINY), np.clip(measured, 0.05, 2.0)
    )
    return MarketEstimate(pctr, price, landscape.thinned(np.clip(reach, _LEAST_REACH, 1.0)))
