"""How long a batch waits for each of its stages, so that one that does not answer leaves time to bid without it."""

from __future__ import annotations

SCORE_SHARE, DECIDE_SHARE = 0.5, 0.8
"""Shares of what is left of a batch's time: after scores there is a decision to make, after it an answer to write."""

LONGEST_SECONDS = 0.5
"""The longest wait, however patient the exchange is."""

SHORTEST_SECONDS = 0.025
"""The shortest: less would take a stage for one that does not answer, because requests came late."""


def patience(left: float, share: float) -> float:
    """Return the seconds to wait for a stage.

    Args:
        left: seconds until the last of the batch's deadlines; infinite where there is none.
        share: part of them for this stage.
    """
    return min(max(left * share, SHORTEST_SECONDS), LONGEST_SECONDS)
