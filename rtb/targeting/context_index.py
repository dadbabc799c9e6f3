"""Bitmaps of the context that campaigns name: content, place, placement, supply chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.inventory.impression import Impression
from rtb.openrtb import NoBid
from rtb.targeting.bitmaps import Table, Words, any_of
from rtb.targeting.context import SUPPLY, reader_of
from rtb.targeting.listing import Listing

_NONE: frozenset[str] = frozenset()

Rows = Sequence[Sequence[list[int]]]
"""Rows that the values of each impression choose in each dimension's table, shape `(dimensions, impressions)`."""


class _Dimension(NamedTuple):
    """A kind of context that campaigns accept values of, or refuse values of."""

    kind: str
    is_refused: bool
    table: Table

    @property
    def name(self) -> str:
        return f"not {self.kind}" if self.is_refused else self.kind

    def passed(self, rows: Sequence[list[int]], words: int) -> Words:
        """Return the campaigns of the first words that the values of each impression let through."""
        bits = self.table.rows[:, :words]
        named = any_of(bits, rows)
        return ~(named & ~bits[0]) if self.is_refused else named


class ContextIndex:
    """The index of the context that campaigns name. Where none names any, it costs nothing.

    Args:
        listings: campaigns of the targeting index, in its order.
        words: words of its bitmaps.

    Attributes:
        reader: reader of what the campaigns name.
    """

    def __init__(self, listings: Sequence[Listing], words: int) -> None:
        contexts = [listing.context for listing in listings]
        found: list[_Dimension] = []
        for is_refused in (False, True):
            named = [context.refuses if is_refused else context.accepts for context in contexts]
            for kind in sorted({kind for one in named for kind in one}):
                accepts = [one.get(kind, _NONE) for one in named]
                found.append(_Dimension(kind, is_refused, Table(accepts, [_NONE] * len(accepts), words)))
        self._targeting = [one for one in found if one.kind not in SUPPLY]
        self._supply = [one for one in found if one.kind in SUPPLY]
        self._dimensions = [*self._targeting, *self._supply]
        self.reader = reader_of((one.campaign for one in listings if one.context.accepts), {d.kind for d in found})

    @property
    def tables(self) -> list[Table]:
        """Tables of all dimensions."""
        return [one.table for one in self._dimensions]

    @property
    def has_supply_rules(self) -> bool:
        """Whether any campaign says whom it buys from."""
        return bool(self._supply)

    def rows(self, impressions: Sequence[Impression]) -> Rows:
        """Look up the values of impressions."""
        return [
            [[0, *map(one.table.row, impression.context.get(one.kind, ()))] for impression in impressions]
            for one in self._dimensions
        ]

    def targeted(self, rows: Rows, words: int) -> Iterator[Words]:
        """Yield the campaigns whose targeting each dimension meets, shape `(impressions, words)`."""
        for one, places in zip(self._targeting, rows, strict=False):
            yield one.passed(places, words)

    def supplied(self, rows: Rows, words: int) -> Iterator[Words]:
        """Yield the campaigns whose rules about sellers each dimension meets, shape `(impressions, words)`."""
        for one, places in zip(self._supply, rows[len(self._targeting) :], strict=True):
            yield one.passed(places, words)

    def tests(self, rows: Rows, words: int) -> Iterator[tuple[str, Words]]:
        """Yield each dimension's name with the campaigns that one impression lets through."""
        for one, places in zip(self._dimensions, rows, strict=True):
            yield one.name, one.passed(places, words)[0]

    def refusal(self, impression: Impression, aimed: npt.NDArray[np.uint64]) -> NoBid:
        """Return why no campaign that is aimed at an impression, a bitmap, buys from its sellers."""
        places = self.rows([impression])[len(self._targeting) :]
        for one, chosen in zip(self._supply, places, strict=True):
            if not (aimed & one.passed(chosen, len(aimed))[0]).any():
                known = impression.context.get(one.kind)
                is_unknown = one.kind == "authorised" and known not in (("yes",), ("no",))
                return NoBid.SELLER_UNKNOWN if is_unknown else SUPPLY[one.kind]
        return NoBid.NO_CANDIDATE
