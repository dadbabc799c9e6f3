"""Who is to bid no more whatever the catalog says: told from process to process, as no disk may be writable.

Each process keeps what it heard. Of two words on a campaign the later one holds, so that all who told each other agree,
in whatever order they did, and who was started anew hears it from the others.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

EVERYONE = 0
"""Stands for all campaigns; no campaign has this number."""


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """A word on whether a campaign may bid.

    Attributes:
        number: of the campaign, or `EVERYONE`.
        at: when it was said, Unix time.
        is_on: whether it is to bid no more.
        campaign: its id, where the catalog is still to hear of it.
        actor: who said so.
    """

    number: int
    at: float
    is_on: bool
    campaign: str = ""
    actor: str = ""


class Stops:
    """What a process heard."""

    def __init__(self) -> None:
        self._heard: dict[int, Stop] = {}
        self._numbers = np.zeros(0, np.int64)

    def hear(self, stops: Iterable[Stop]) -> bool:
        """Take up what others heard; whether any of it was news."""
        is_news = False
        for one in stops:
            known = self._heard.get(one.number)
            if known is None or (one.at, one.is_on) > (known.at, known.is_on):
                self._heard[one.number] = one
                is_news = True
        self._numbers = np.array([one.number for one in self._heard.values() if one.is_on], np.int64)
        return is_news

    def moment(self, number: int, now: float) -> float:
        """Return when a word of now is said: after all that was heard of the campaign, whatever their clocks say."""
        return max(now, self._heard[number].at + 1e-3) if number in self._heard else now

    def all(self) -> list[Stop]:
        """Return all that was heard, what was lifted too."""
        return list(self._heard.values())

    @property
    def campaigns(self) -> int:
        """Campaigns that are stopped one by one."""
        return int((self._numbers != EVERYONE).sum())

    @property
    def is_everyone(self) -> bool:
        """Whether nobody may bid."""
        return EVERYONE in self._numbers

    def mask(self, campaign: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which candidates may not bid, by the numbers of their campaigns."""
        return np.isin(campaign, self._numbers) | self.is_everyone
