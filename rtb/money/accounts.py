"""Account numbers in the ledger: a campaign's own, and that of its arm in an experiment.

An arm's number encodes its campaign's and its experiment's, so that leases, tokens, usage and events of an arm need no
further field. Experiment numbers are never reused, so what belongs to an arm that is gone can be told from what belongs
to another.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

CAMPAIGN_BITS = 21
MOST_CAMPAIGNS = 2**CAMPAIGN_BITS - 1
"""Highest campaign number."""

MOST_EXPERIMENTS = 2**10 - 1
"""Highest experiment number: account numbers stay below 2**31."""

Numbers = TypeVar("Numbers", int, npt.NDArray[np.int32], npt.NDArray[np.int64])


def arm_of(campaign: int, experiment: int) -> int:
    """Return the account of a campaign's arm in an experiment, 1 to `MOST_EXPERIMENTS`."""
    return experiment << CAMPAIGN_BITS | campaign


def campaign_of(account: Numbers) -> Numbers:
    """Return the campaign of an account, or of each account of an array."""
    number: Numbers = account & MOST_CAMPAIGNS
    return number


def experiment_of(account: Numbers) -> Numbers:
    """Return the experiment of an arm's account; 0 for a campaign's own account."""
    number: Numbers = account >> CAMPAIGN_BITS
    return number
