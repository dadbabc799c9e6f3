"""The targeting index: impressions in, eligible (campaign, creative) candidates out, a whole batch at once.

Campaigns are bits. For each targeting dimension a table holds, for every value some campaign names, the row of
campaigns that accept it; row 0 holds those that accept a value that no campaign names. An impression picks one row per
dimension, and the AND of its rows are the eligible campaigns. Bits are ordered by the expected price of a campaign, so
when there are more candidates than may be scored, the first bits set are the best. So only the first words of a row are
read where they fill the list, however many campaigns there are.

Recurring results are cached: the creative of each campaign for a slot (`rtb.targeting.creative_index`), and the
campaigns that a request's blocks or a deal admit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.campaigns.campaign import HeldDeal
from rtb.campaigns.creative import Kind
from rtb.inventory import blocks
from rtb.inventory.context import ContextReader
from rtb.inventory.impression import DealTerms, Impression, Restrictions
from rtb.inventory.slots import Slot
from rtb.openrtb import NoBid
from rtb.runtime.caches import BoundedCache
from rtb.targeting.bitmaps import WORD, Table, Words, any_of, first_bits, pack, stacked, unpack
from rtb.targeting.context_index import ContextIndex, Rows
from rtb.targeting.creative_index import CreativeIndex
from rtb.targeting.listing import PLAIN, Listing, prior

_HEAD = 4  # words read first: 256 campaigns usually fill a candidate list
_TERMS_BYTES = 3 << 20
_SLOTS_BYTES = 1 << 21  # besides the campaigns' rows of `_SLOTS` slots
_SLOTS = 512
_audience = attrgetter("audience")


class SlotCreatives(NamedTuple):
    """The creatives of all campaigns for a slot.

    Attributes:
        row: bitmap of the campaigns with a creative.
        creative: row of each campaign's creative in `TargetingIndex.creatives`, -1 for none, shape `(campaigns,)`.
    """

    row: Words
    creative: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Candidates:
    """Pairs of an impression and a creative that may be shown there; all arrays have shape `(n,)`.

    Attributes:
        imp: index of the impression in the batch, ascending.
        line: index of the campaign in the index.
        creative: row of the creative in `TargetingIndex.creatives`.
        reasons: no-bid reasons of impressions without candidates, by index in the batch.
    """

    imp: npt.NDArray[np.intp]
    line: npt.NDArray[np.intp]
    creative: npt.NDArray[np.intp]
    reasons: Mapping[int, NoBid] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.imp)

    def of(self, kept: npt.NDArray[np.bool_]) -> Candidates:
        """Return the candidates of a mask."""
        return Candidates(self.imp[kept], self.line[kept], self.creative[kept], self.reasons)


class _Asked(NamedTuple):
    """The lookups of a batch of impressions in the index.

    Attributes:
        rows: rows of the single-valued dimensions, shape `(impressions, dimensions)`.
        segments: rows of each impression's segments.
        context: rows of the context that campaigns name.
        shown: creatives for each impression's slot.
        admitted: bitmap of the campaigns that each impression's request admits.
    """

    rows: npt.NDArray[np.intp]
    segments: Sequence[list[int]]
    context: Rows
    shown: Sequence[SlotCreatives]
    admitted: Sequence[Words]

    def of(self, places: Sequence[int]) -> _Asked:
        """Return the lookups of some impressions."""
        return _Asked(
            self.rows[places],
            [self.segments[place] for place in places],
            [[rows[place] for place in places] for rows in self.context],
            [self.shown[place] for place in places],
            [self.admitted[place] for place in places],
        )


class _Met(NamedTuple):
    """The campaigns that pass each stage, by impression; all bitmaps have shape `(impressions, words)`.

    Attributes:
        aimed: campaigns whose targeting is met.
        supplied: those among them that buy from the sellers.
        fitting: those among them with a fitting creative.
        eligible: those among them that may bid.
    """

    aimed: Words
    supplied: Words
    fitting: Words
    eligible: Words

    def of(self, places: npt.NDArray[np.intp]) -> _Met:
        """Return the bitmaps of some impressions."""
        return _Met(*(rows[places] for rows in self))


class TargetingIndex:
    """The targeting index. Immutable: each change of the catalog makes a new one.

    Args:
        listings: the active campaigns.
    """

    def __init__(self, listings: Iterable[Listing]) -> None:
        self.listings = sorted(listings, key=lambda item: (-prior(item.campaign), item.number))
        self.numbers = np.array([item.number for item in self.listings], np.int32)
        self._words = max(1, -(-len(self.listings) // WORD))
        self._everyone = pack(np.arange(self._words * WORD)[None, :] < len(self.listings))[0]
        self._plain = {name: self._table(name) for name in PLAIN}
        self._publisher = self._table("publisher", "not publisher")
        self._segments = self._table("segment")
        self._traits = self._table("trait")
        self._seats = self._table("seat")
        self._taxonomies = self._table("taxonomy")
        self._context = ContextIndex(self.listings, self._words)
        known = (*self._plain.values(), self._publisher, self._segments, self._traits, self._seats)
        self._tables = (*known, *self._context.tables)
        numbers: dict[tuple[tuple[str, ...], int], int] = {}
        said = [(item.campaign.cat, item.campaign.cattax) for item in self.listings]
        self._sample_of = np.array([numbers.setdefault(one, len(numbers)) for one in said], np.intp)
        firsts = np.unique(self._sample_of, return_index=True)[1].tolist()
        self._samples = [self.listings[line].campaign for line in firsts]
        self.creatives = [placement for listing in self.listings for placement in listing.placements]
        lines = [line for line, listing in enumerate(self.listings) for _ in listing.campaign.creatives]
        shapes = [shape for listing in self.listings for shape in listing.shapes]
        self._creative_index = CreativeIndex(
            [item.creative for item in self.creatives], shapes, lines, len(self.listings)
        )
        self.deals: dict[str, dict[int, HeldDeal]] = {}
        for line, listing in enumerate(self.listings):
            for deal in listing.campaign.deals:
                self.deals.setdefault(deal.id, {})[line] = deal
        of_campaigns = self._words * WORD // 8 + 4 * len(self.listings)  # bytes of one `SlotCreatives`
        self._shown: BoundedCache[SlotCreatives] = BoundedCache("slots", _SLOTS_BYTES + _SLOTS * of_campaigns)
        self._admitted: BoundedCache[Words] = BoundedCache("terms", _TERMS_BYTES)

    def __len__(self) -> int:
        return len(self.listings)

    @property
    def kinds(self) -> frozenset[Kind]:
        """Kinds of the creatives in the index."""
        return self._creative_index.kinds

    @property
    def reader(self) -> ContextReader:
        """Reader of the context that campaigns name."""
        return self._context.reader

    def mask(self, numbers: Iterable[int]) -> Words:
        """Return a bitmap of campaign numbers, such as those open for bidding."""
        wanted = np.isin(self.numbers, np.fromiter(numbers, np.int64))
        row: Words = pack(np.pad(wanted, (0, self._words * WORD - len(self)))[None, :])[0]
        return row

    def candidates(self, impressions: Sequence[Impression], limit: int, open_lines: Words | None = None) -> Candidates:
        """Return the candidates of each impression, at most `limit` each, best prior first.

        Args:
            impressions: the batch.
            limit: most candidates of one impression.
            open_lines: a `mask` of the open campaigns; `None` means all.
        """
        if not impressions or not self.listings:
            empty = np.empty(0, np.intp)
            return Candidates(empty, empty, empty)
        asked = self._asked(impressions)
        met = self._met(asked, open_lines, _HEAD)
        imp, line = first_bits(met.eligible, limit)
        found = np.bincount(imp, minlength=len(impressions))
        short = np.flatnonzero(found < limit)
        if self._words > _HEAD and len(short):  # read all words where the first do not fill the list
            met = self._met(asked.of(short.tolist()), open_lines, self._words)
            kept, (rest, rest_line) = found[imp] >= limit, first_bits(met.eligible, limit)
            imp, line = np.concatenate([imp[kept], short[rest]]), np.concatenate([line[kept], rest_line])
            order = np.argsort(imp, kind="stable")
            imp, line = imp[order], line[order]
            found = np.bincount(imp, minlength=len(impressions))
        elif len(short):
            met = met.of(short)
        reasons = {
            place: self._lack(met, row, impressions[place])
            for row, place in enumerate(short.tolist())
            if not found[place]
        }
        creative = np.empty(len(imp), np.intp)
        for showing, (start, end) in zip(asked.shown, pairwise([0, *np.cumsum(found).tolist()]), strict=True):
            creative[start:end] = showing.creative[line[start:end]]
        return Candidates(imp, line, creative, reasons)

    def _asked(self, impressions: Sequence[Impression]) -> _Asked:
        for table in self._tables:
            table.tidy()
        segments: list[list[int]] = []
        admitted: list[Words] = []
        for audience, items in groupby(impressions, _audience):  # an audience's lists may be long: read once for all
            of_deal: dict[DealTerms | None, Words] = {}
            rows = self._segment_rows(audience.segments)
            for item in items:
                if item.deal not in of_deal:
                    of_deal[item.deal] = self._admitted.get(self._admit, (audience.restrictions, item.deal))
                segments.append(rows)
                admitted.append(of_deal[item.deal])
        return _Asked(
            np.array([self._plain_rows(item) for item in impressions], np.intp),
            segments,
            self._context.rows(impressions),
            [self._shown.get(self._show, (item.slot, item.audience.restrictions.languages)) for item in impressions],
            admitted,
        )

    def tests(self, impression: Impression, open_lines: Words | None = None) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Return which campaigns pass each test of an impression, shape `(campaigns,)`, to explain non-candidates.

        Args:
            impression: the impression.
            open_lines: a `mask` of the open campaigns; `None` means all.
        """
        asked = self._asked([impression])
        tables = (*self._plain.items(), ("publisher", self._publisher))
        rows = {name: table.rows[row] for (name, table), row in zip(tables, asked.rows[0].tolist(), strict=True)}
        rows["segment"] = any_of(self._segments.rows, asked.segments)[0]
        rows |= dict(self._context.tests(asked.context, self._words))
        rows["open"] = self._everyone if open_lines is None else open_lines
        rows["creative"] = asked.shown[0].row
        rows |= dict(self._admissions(impression.audience.restrictions, impression.deal))
        return {name: unpack(row)[: len(self)] for name, row in rows.items()}

    def _met(self, asked: _Asked, open_lines: Words | None, words: int) -> _Met:
        """Return the campaigns of the first words that pass each stage."""
        aimed = np.tile(self._everyone[:words], (len(asked.rows), 1))
        for column, table in enumerate((*self._plain.values(), self._publisher)):
            aimed &= table.rows[asked.rows[:, column], :words]
        aimed &= any_of(self._segments.rows[:, :words], asked.segments)
        for passed in self._context.targeted(asked.context, words):
            aimed &= passed
        if open_lines is not None:
            aimed &= open_lines[:words]
        supplied = aimed.copy() if self._context.has_supply_rules else aimed
        for passed in self._context.supplied(asked.context, words):
            supplied &= passed
        fitting = supplied & stacked([showing.row for showing in asked.shown], words)
        return _Met(aimed, supplied, fitting, fitting & stacked(asked.admitted, words))

    def _lack(self, met: _Met, row: int, impression: Impression) -> NoBid:
        """Return the no-bid reason of an impression without candidates, by how far campaigns came."""
        if not met.aimed[row].any():
            return NoBid.NO_CANDIDATE
        if not met.supplied[row].any():
            return self._context.refusal(impression, met.aimed[row])
        if not met.fitting[row].any():
            return NoBid.NO_CREATIVE
        return NoBid.BLOCKED if impression.deal is None else NoBid.NO_DEAL

    def _show(self, slot: Slot, languages: tuple[str, ...]) -> SlotCreatives:
        """Return each campaign's creative for a slot."""
        creative = self._creative_index.choose(slot, languages)
        pad = self._words * WORD - len(self)
        return SlotCreatives(pack(np.pad(creative >= 0, (0, pad))[None, :])[0], creative)

    def _admit(self, restrictions: Restrictions, deal: DealTerms | None) -> Words:
        """Return the campaigns that a request admits, in its open auction or under a deal."""
        row: Words = self._everyone.copy()
        for _, passed in self._admissions(restrictions, deal):
            row &= passed
        return row

    def _admissions(self, restrictions: Restrictions, deal: DealTerms | None) -> Iterator[tuple[str, Words]]:
        """Yield each restriction of a request with the campaigns that it admits."""
        for key in restrictions.blocked:
            if key in self._traits:
                yield f"block {key}", ~self._traits.of(key)
            elif "*" in key:
                for trait in blocks.matches(key, self._traits.named):
                    yield f"block {key}", ~self._traits.of(trait)
        if restrictions.taxonomy:  # categories of another taxonomy may mean those of a campaign
            yield "taxonomy", self._taxonomies.of(str(restrictions.taxonomy))
        if restrictions.allowed:
            yield "allowed categories", self._listed_under(frozenset(restrictions.allowed))
        if deal is not None:
            yield f"deal {deal.id}", self._holders(restrictions, deal)
            return
        if restrictions.seats:
            yield "seats allowed", self._seat_row(restrictions.seats)
        if restrictions.barred_seats:
            yield "seats blocked", ~self._seat_row(restrictions.barred_seats)

    def _holders(self, restrictions: Restrictions, deal: DealTerms) -> Words:
        """Return the campaigns that hold a deal and may use it here."""
        holds = np.zeros(self._words * WORD, bool)
        for line, held in self.deals.get(deal.id, {}).items():
            campaign = self.listings[line].campaign
            seat = held.seat or campaign.seat
            named = (restrictions.seats, deal.seats)
            domains = {name for whole in campaign.adomain for name in blocks.with_parent_domains(whole)}
            holds[line] = (
                all(seat in seats for seats in named if seats)
                and seat not in restrictions.barred_seats
                and (not deal.domains or not domains.isdisjoint(deal.domains))
            )
        row: Words = pack(holds[None, :])[0]
        return row

    def _listed_under(self, allowed: frozenset[str]) -> Words:
        """Return the campaigns with only allowed categories; checked once for all with the same categories."""
        verdicts = np.array([blocks.is_allowed(sample, allowed) for sample in self._samples], bool)
        bits = np.zeros(self._words * WORD, bool)
        bits[: len(self)] = verdicts[self._sample_of]
        row: Words = pack(bits[None, :])[0]
        return row

    def _seat_row(self, seats: Sequence[str]) -> Words:
        row: Words = np.zeros(self._words, np.uint64)
        for seat in seats:
            if seat in self._seats:
                row = row | self._seats.of(seat)
        return row

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

    def _segment_rows(self, segments: tuple[str, ...]) -> list[int]:
        """Return the rows of segments that campaigns name, after the row of campaigns that name none."""
        table = self._segments
        return [0, *(table.row(segment) for segment in segments if segment in table)]

    def _table(self, accepts: str, refuses: str = "") -> Table:
        named = [item.named for item in self.listings]
        return Table([one[accepts] for one in named], [one.get(refuses, frozenset()) for one in named], self._words)
