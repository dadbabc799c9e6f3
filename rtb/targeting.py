"""The targeting index: impressions in, eligible (campaign, creative) candidates out, a whole batch at once.

Campaigns are bits. For each targeting dimension a table holds, for every value some campaign names, the row of
campaigns that accept it; row 0 holds those that accept a value nobody names. An impression picks one row a
dimension and the AND over its rows is its audience. Bits are ordered by how much a campaign is expected to pay, so
when there are more candidates than may be scored the best are the first bits set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.campaign import Campaign
from rtb.creative import Creative
from rtb.impression import HOURS_OF_WEEK, Impression

Words = npt.NDArray[np.uint64]
_WORD = 64
_CHUNK = 16  # words looked at first: 1,024 campaigns usually fill a candidate list


@dataclass(frozen=True)
class Listing:
    """A campaign in the index.

    Attributes:
        number: its stable number in the ledger and across snapshots.
        campaign: as its owner describes it.
    """

    number: int
    campaign: Campaign


class Placement(NamedTuple):
    """A creative of a listed campaign.

    Attributes:
        listing: whose it is.
        creative: what is shown.
        place: of the creative in its campaign's list: how notice tokens name it.
    """

    listing: Listing
    creative: Creative
    place: int


@dataclass(frozen=True)
class Candidates:
    """Pairs of an impression and a creative that may be shown there; all arrays have shape `(n,)`.

    Attributes:
        imp: index of the impression in the batch, ascending.
        line: index of the campaign in the index.
        creative: row of the creative in `TargetingIndex.creatives`.
    """

    imp: npt.NDArray[np.intp]
    line: npt.NDArray[np.intp]
    creative: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.imp)


class _Table:
    """Rows of campaigns by the value of one dimension."""

    def __init__(self, accepts: Sequence[frozenset[str]], refuses: Sequence[frozenset[str]], words: int) -> None:
        values = sorted(frozenset().union(*accepts, *refuses))
        self.row_of = {value: number + 1 for number, value in enumerate(values)}
        bits = np.zeros((len(values) + 1, words * _WORD), bool)
        for line, (named, banned) in enumerate(zip(accepts, refuses, strict=True)):
            if not named:
                bits[:, line] = True
            for value in named:
                bits[self.row_of[value], line] = True
            for value in banned:
                bits[self.row_of[value], line] = False
        self.rows = _pack(bits)

    def row(self, value: str) -> int:
        return self.row_of.get(value, 0)


class TargetingIndex:
    """Finds who may bid. Immutable: a change of the catalog makes a new one.

    Args:
        listings: the active campaigns.
    """

    def __init__(self, listings: Iterable[Listing]) -> None:
        self.listings = sorted(listings, key=lambda item: (-_prior(item.campaign), item.number))
        self.numbers = np.array([item.number for item in self.listings], np.int32)
        self._words = max(1, -(-len(self.listings) // _WORD))
        self._everyone = _pack(np.arange(self._words * _WORD)[None, :] < len(self.listings))[0]
        self._plain = {name: self._table(read) for name, read in _PLAIN.items()}
        self._publisher = self._table(
            lambda c: _lower(c.targeting.publishers), lambda c: _lower(c.targeting.exclude_publishers)
        )
        self._segments = self._table(lambda c: frozenset(c.targeting.segments))
        self._blocks = self._table(_blockable)
        self.creatives: list[Placement] = []
        self._creative_of_size: dict[tuple[int, int], npt.NDArray[np.intp]] = {}
        self._size_rows: dict[tuple[int, int], Words] = {}
        self._index_creatives()

    def __len__(self) -> int:
        return len(self.listings)

    def mask(self, numbers: Iterable[int]) -> Words:
        """A row of words with the bits of these campaign numbers set: who is open for bidding now."""
        wanted = np.isin(self.numbers, np.fromiter(numbers, np.int64))
        row: Words = _pack(np.pad(wanted, (0, self._words * _WORD - len(self)))[None, :])[0]
        return row

    def candidates(self, impressions: Sequence[Impression], limit: int, open_lines: Words | None = None) -> Candidates:
        """Who may bid on each impression, at most `limit` an impression, best prior first.

        Args:
            impressions: the batch.
            limit: candidates kept for one impression.
            open_lines: a `mask`; `None` means everyone.
        """
        if not impressions or not self.listings:
            empty = np.empty(0, np.intp)
            return Candidates(empty, empty, empty)
        eligible = self._eligible(impressions)
        if open_lines is not None:
            eligible &= open_lines
        imp, line = _first_bits(eligible, limit)
        return Candidates(imp, line, self._choose_creatives(impressions, imp, line))

    def _eligible(self, impressions: Sequence[Impression]) -> Words:
        """AND over the dimensions, shape `(impressions, words)`."""
        rows = np.array([self._plain_rows(item) for item in impressions], np.intp)
        eligible = np.tile(self._everyone, (len(impressions), 1))
        for column, table in enumerate((*self._plain.values(), self._publisher)):
            eligible &= table.rows[rows[:, column]]
        for number, item in enumerate(impressions):
            eligible[number] &= self._size_row(item.sizes)
            eligible[number] &= self._segment_row(item.audience.segments)
            for key in (*item.audience.blocked, *item.blocked):
                if key in self._blocks.row_of:
                    eligible[number] &= ~self._blocks.rows[self._blocks.row_of[key]]
        return eligible

    def _plain_rows(self, item: Impression) -> list[int]:
        audience, plain = item.audience, self._plain
        return [
            plain["country"].row(audience.country),
            plain["region"].row(audience.region),
            plain["devicetype"].row(str(audience.devicetype)),
            plain["inventory"].row(audience.inventory),
            plain["hour"].row(str(audience.hour_of_week)),
            self._publisher.row(audience.publisher),
        ]

    def _size_row(self, sizes: tuple[tuple[int, int], ...]) -> Words:
        row: Words = np.zeros(self._words, np.uint64)
        for size in sizes:
            if size in self._size_rows:
                row = row | self._size_rows[size]
        return row

    def _segment_row(self, segments: tuple[str, ...]) -> Words:
        row: Words = self._segments.rows[0]
        for segment in segments:
            if segment in self._segments.row_of:
                row = row | self._segments.rows[self._segments.row_of[segment]]
        return row

    def _choose_creatives(
        self, impressions: Sequence[Impression], imp: npt.NDArray[np.intp], line: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.intp]:
        """The creative of the first size, in the exchange's order, that the campaign has."""
        chosen = np.full(len(imp), -1, np.intp)
        bounds = np.searchsorted(imp, np.arange(len(impressions) + 1))
        for number, item in enumerate(impressions):
            part = slice(bounds[number], bounds[number + 1])
            for size in item.sizes:
                by_line = self._creative_of_size.get(size)
                if by_line is not None:
                    chosen[part] = np.where(chosen[part] < 0, by_line[line[part]], chosen[part])
        return chosen

    def _table(
        self,
        accepts: Callable[[Campaign], frozenset[str]],
        refuses: Callable[[Campaign], frozenset[str]] = lambda _: frozenset(),
    ) -> _Table:
        campaigns = [item.campaign for item in self.listings]
        return _Table([accepts(c) for c in campaigns], [refuses(c) for c in campaigns], self._words)

    def _index_creatives(self) -> None:
        for line, listing in enumerate(self.listings):
            for place, creative in enumerate(listing.campaign.creatives):
                size = (creative.w, creative.h)
                by_line = self._creative_of_size.setdefault(size, np.full(len(self.listings), -1, np.intp))
                if by_line[line] < 0:  # a campaign's first creative of a size is the one shown
                    by_line[line] = len(self.creatives)
                    self.creatives.append(Placement(listing, creative, place))
        pad = self._words * _WORD - len(self.listings)
        for size, by_line in self._creative_of_size.items():
            self._size_rows[size] = _pack(np.pad(by_line >= 0, (0, pad))[None, :])[0]


def _lower(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _upper(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.upper() for name in names)


# Upper and lower case as `Audience` has them.
_PLAIN: dict[str, Callable[[Campaign], frozenset[str]]] = {
    "country": lambda c: _upper(c.targeting.countries),
    "region": lambda c: _upper(c.targeting.regions),
    "devicetype": lambda c: frozenset(str(kind) for kind in c.targeting.device_types),
    "inventory": lambda c: frozenset(c.targeting.inventory),
    # Naming all hours is naming none; it keeps the common case out of the table.
    "hour": lambda c: frozenset(str(h) for h in c.targeting.hours if len(set(c.targeting.hours)) < HOURS_OF_WEEK),
}


def _prior(campaign: Campaign) -> int:
    """What a campaign may be expected to pay, in micros, to order candidates before any model has seen them."""
    return campaign.goal.max_bid_micros or campaign.goal.value_micros


def _blockable(campaign: Campaign) -> frozenset[str]:
    """Keys by which a request can block a campaign.

    One blocked creative attribute blocks the whole campaign: coarse, but it never shows what was refused.
    """
    attributes = {f"attr:{attr}" for creative in campaign.creatives for attr in creative.attr}
    categories = {f"cat:{cat}" for cat in _with_parents(campaign.cat)}
    return frozenset(attributes | categories | {f"adv:{domain.lower()}" for domain in campaign.adomain})


def _with_parents(categories: Sequence[str]) -> set[str]:
    """`IAB1-2` is blocked by `IAB1` as well (content categories 1.0 are two levels deep)."""
    return {*categories, *(cat.split("-")[0] for cat in categories)}


def _pack(bits: npt.NDArray[np.bool_]) -> Words:
    """Rows of bits, shape `(rows, words * 64)`, as words `(rows, words)`, first bit least significant."""
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def _first_bits(rows: Words, limit: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(row, bit) of the first `limit` bits set in each row, ordered by row, then bit."""
    head = rows[:, :_CHUNK]
    full = np.bitwise_count(head).sum(axis=1) >= limit
    # Rows whose first words already hold enough need no look at the rest, however many campaigns there are.
    if full.all() or rows.shape[1] <= _CHUNK:
        return _first_of(head, limit)
    return _first_of(rows, limit)


def _first_of(rows: Words, limit: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    bits = np.unpackbits(np.ascontiguousarray(rows).view(np.uint8), axis=1, bitorder="little")
    row, bit = np.nonzero(bits)
    counts = np.bincount(row, minlength=len(rows))
    if (counts <= limit).all():
        return row, bit
    rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    keep = rank < limit
    return row[keep], bit[keep]
