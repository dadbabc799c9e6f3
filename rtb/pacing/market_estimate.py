"""What campaigns know of the prices they bid against, from what was paid, and the landscape that makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.models.winrate import Market
from rtb.pacing.landscape import Landscape

Floats = npt.NDArray[np.float64]

_PCTR_SPREAD = 0.8
"""Standard deviation of log pCTR where nobody measured it."""

_LEAST_REACH = 1e-3
"""Part of its opportunities in which a campaign is taken to bid at least: rivals of the same house take the others."""

_TINY = 1e-12


class Known(NamedTuple):
    """What `e` campaigns know of their markets; every array has shape `(e,)`.

    Attributes:
        pctr: mean chance that an opportunity meets the goal; 0: not known, and then nothing is.
        price: usual price, micros.
        landscape: of `e` rows.
    """

    pctr: Floats
    price: Floats
    landscape: Landscape


def know(balances: dict[str, Floats], markets: Sequence[Market], worth_micros: Floats) -> Known:
    """From totals by name, shape `(e,)` each, the markets, and what one click or conversion is worth.

    Who has not paid a price yet takes the market to ask what an impression is worth: it begins where it would if
    money did not matter, and what is spent corrects that within seconds.
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
    return Known(pctr, price, landscape.thinned(np.clip(reach, _LEAST_REACH, 1.0)))
