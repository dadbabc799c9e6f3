"""Emergency stops of campaigns, whatever the catalog says: gossiped between processes, as no disk may be writable.

Each process keeps the stops it heard. The latest one of a campaign holds, so that processes that exchanged theirs agree
in whatever order they did, and a restarted process learns them from the others.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

EVERYONE = 0
"""Number that stands for all campaigns; no campaign has it."""


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """A stop of a campaign, or its end.

    Attributes:
        number: number of the campaign, or `EVERYONE`.
        at: when it was ordered, Unix time.
        is_on: whether the campaign is stopped.
        campaign: its id, where the catalog must still be told.
        actor: who ordered it.
    """

    number: int
    at: float
    is_on: bool
    campaign: str = ""
    actor: str = ""


class Stops:
    """The stops known to a process."""

    def __init__(self) -> None:
        self._heard: dict[int, Stop] = {}
        self._numbers = np.zeros(0, np.int64)

    def hear(self, stops: Iterable[Stop]) -> bool:
        """Take in stops heard by others; return whether any of them was news."""
        is_news = False
        for one in stops:
            known = self._heard.get(one.number)
            if known is None or (one.at, one.is_on) > (known.at, known.is_on):
                self._heard[one.number] = one
                is_news = True
        self._numbers = np.array([one.number for one in self._heard.values() if one.is_on], np.int64)
        return is_news

    def moment(self, number: int, now: float) -> float:
        """Return the time of a stop ordered now: after all known ones of the campaign, whatever their clocks say."""
        return max(now, self._heard[number].at + 1e-3) if number in self._heard else now

    def all(self) -> list[Stop]:
        """Return all known stops, lifted ones too."""
        return list(self._heard.values())

    @property
    def campaigns(self) -> int:
        """Number of campaigns stopped one by one."""
        return int((self._numbers != EVERYONE).sum())

    @property
    def is_everyone(self) -> bool:
        """Whether all campaigns are stopped."""
        return EVERYONE in self._numbers

    def mask(self, campaign: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which candidates may not bid, by the numbers of their campaigns."""
        return np.isin(campaign, self._numbers) | self.is_everyone
