"""Numbers of accounts in the ledger: a campaign's own, and that of its part in an experiment, its arm.

An arm's number holds its campaign's and its experiment's, so that leases, tokens, usage and events of an arm need no
field of their own: whoever has the number has both. No two experiments have the same one, so what belongs to an arm
that is gone can be told from what belongs to another.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

CAMPAIGN_BITS = 21
MOST_CAMPAIGNS = 2**CAMPAIGN_BITS - 1
"""Highest number of a campaign."""

MOST_EXPERIMENTS = 2**10 - 1
"""Highest number of an experiment: account numbers stay below 2**31."""

Numbers = TypeVar("Numbers", int, npt.NDArray[np.int32], npt.NDArray[np.int64])


def arm_of(campaign: int, experiment: int) -> int:
    """Account of a campaign's arm in an experiment, 1 to `MOST_EXPERIMENTS`."""
    return experiment << CAMPAIGN_BITS | campaign


def campaign_of(account: Numbers) -> Numbers:
    """The campaign an account, or each of an array, belongs to."""
    number: Numbers = account & MOST_CAMPAIGNS
    return number


def experiment_of(account: Numbers) -> Numbers:
    """The experiment an account is an arm in; 0 for a campaign's own."""
    number: Numbers = account >> CAMPAIGN_BITS
    return number
