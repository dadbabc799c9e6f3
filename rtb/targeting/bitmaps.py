"""Bitmaps with one bit per campaign, of which the targeting index is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
WORD = 64  # campaigns in a word
_ROWS_KEPT = 4_096  # per dimension


class Table:
    """Bitmaps of campaigns by the value of one dimension, built when a value is first looked up.

    Thousands of campaigns may name thousands of values, and few of them occur. `row` may be called any number of times
    before rows are read, but `tidy` only between two batches.
    """

    def __init__(self, accepts: Sequence[frozenset[str]], refuses: Sequence[frozenset[str]], words: int) -> None:
        self._accepting: defaultdict[str, list[int]] = defaultdict(list)
        self._refusing: defaultdict[str, list[int]] = defaultdict(list)
        self._unnamed = np.zeros(words * WORD, bool)
        for line, (named, banned) in enumerate(zip(accepts, refuses, strict=True)):
            if not named:
                self._unnamed[line] = True
            for value in named:
                self._accepting[value].append(line)
            for value in banned:
                self._refusing[value].append(line)
        self._row_of: dict[str, int] = {}
        self.rows = pack(self._unnamed[None, :])

    def __contains__(self, value: str) -> bool:
        """Return whether any campaign names this value."""
        return value in self._accepting or value in self._refusing

    @property
    def named(self) -> Collection[str]:
        """Values that some campaign accepts."""
        return self._accepting.keys()

    def row(self, value: str) -> int:
        """Return the row of a value; 0 where no campaign names it."""
        found = self._row_of.get(value)
        if found is not None:
            return found
        return self._make(value) if value in self else 0

    def of(self, value: str) -> Words:
        """Return the bitmap of a value."""
        place = self.row(value)  # may reallocate the rows
        row: Words = self.rows[place]
        return row

    def tidy(self) -> None:
        """Drop the cached rows where there are many."""
        if len(self._row_of) >= _ROWS_KEPT:
            self._row_of, self.rows = {}, self.rows[:1].copy()

    def _make(self, value: str) -> int:
        bits = self._unnamed.copy()
        bits[self._accepting.get(value, [])] = True
        bits[self._refusing.get(value, [])] = False
        place = self._row_of[value] = len(self._row_of) + 1
        if place >= len(self.rows):  # doubled, so that rows are copied rarely
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.rows[place] = pack(bits[None, :])[0]
        return place


def any_of(rows: Words, chosen: Sequence[Sequence[int]]) -> Words:
    """Return the OR of the rows chosen for each impression, at least one each, shape `(impressions, words)`."""
    counts = np.array([len(places) for places in chosen], np.intp)
    starts = np.cumsum(counts) - counts
    whole: Words = np.bitwise_or.reduceat(rows[np.fromiter(chain.from_iterable(chosen), np.intp)], starts, axis=0)
    return whole


def stacked(rows: Sequence[Words], words: int) -> Words:
    """Return the first words of rows, stacked; much faster than `np.stack` for many short ones."""
    whole: Words = np.concatenate([row[:words] for row in rows]).reshape(len(rows), -1)
    return whole


def pack(bits: npt.NDArray[np.bool_]) -> Words:
    """Return rows of bits, shape `(rows, words * 64)`, as words, shape `(rows, words)`, first bit least significant."""
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def unpack(row: Words) -> npt.NDArray[np.bool_]:
    """Return the bits of a row of words, first bit least significant: the inverse of `pack`."""
    return np.unpackbits(np.ascontiguousarray(row).view(np.uint8), bitorder="little").astype(bool)


def first_bits(rows: Words, limit: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return (row, bit) of the first `limit` bits set in each row, ordered by row, then bit."""
    bits = np.unpackbits(np.ascontiguousarray(rows).view(np.uint8), axis=1, bitorder="little")
    row, bit = np.nonzero(bits)
    counts = np.bincount(row, minlength=len(rows))
    if (counts <= limit).all():
        return row, bit
    rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    keep = rank < limit
    return row[keep], bit[keep]
