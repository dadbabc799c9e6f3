"""What the replicas of a stage lack to do their part, as they say themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

FRESH_SECONDS = 2.0
"""A replica that the ledger has not answered for so long lacks it."""

StageState = Literal["ok", "partial", "incomplete", "unavailable"]


class ReplicaReadiness(Struct, frozen=True):
    """What one replica says.

    Attributes:
        lacks: parts that it lacks: `ledger`, `model`, `pacing`.
    """

    lacks: list[str]


class StageReadiness(Struct, frozen=True):
    """How a stage is.

    Attributes:
        state: `ok`: each replica has what it needs; `partial`: at least one has, another has not or does not answer;
            `incomplete`: none has; `unavailable`: none answers.
        replicas: how many answered.
        lacks: what at least one of them lacks; `replica` where one does not answer.
    """

    state: StageState
    replicas: int
    lacks: list[str]


UNAVAILABLE = StageReadiness("unavailable", 0, ["replica"])


def stage_readiness(answers: Sequence[ReplicaReadiness], *, is_silent: bool) -> StageReadiness:
    """Return how a stage is.

    Args:
        answers: of its replicas.
        is_silent: whether another one did not answer.
    """
    if not answers:
        return UNAVAILABLE
    lacks = sorted({part for answer in answers for part in answer.lacks} | ({"replica"} if is_silent else set()))
    has_all = any(not answer.lacks for answer in answers)
    state: StageState = "ok" if not lacks else "partial" if has_all else "incomplete"
    return StageReadiness(state, len(answers), lacks)


class LastAnswer:
    """When the ledger last answered a replica.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: float | None = None

    def note(self) -> None:
        """Note an answer."""
        self._at = self._clock()

    def is_fresh(self, seconds: float = FRESH_SECONDS) -> bool:
        """Return whether there was an answer in the last seconds."""
        return self._at is not None and self._clock() - self._at <= seconds
