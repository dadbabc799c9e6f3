"""Campaigns in the form that the index reads: values by targeting dimension, and creatives."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.inventory import blocks
from rtb.inventory.impression import HOURS_OF_WEEK
from rtb.targeting.context import NamedContext, context_of
from rtb.targeting.creative_index import shape_of


@dataclass(frozen=True)
class Listing:
    """A campaign in the index. Derived properties are cached for the next index with the same listing.

    Attributes:
        number: its stable number in the ledger and across snapshots.
        campaign: the campaign as its owner defines it.
    """

    number: int
    campaign: Campaign

    @cached_property
    def named(self) -> Mapping[str, frozenset[str]]:
        """Targeted values by dimension."""
        return {name: read(self.campaign) for name, read in _DIMENSIONS.items()}

    @cached_property
    def context(self) -> NamedContext:
        """Content, place, placement and sellers that it names."""
        return context_of(self.campaign)

    @cached_property
    def placements(self) -> Sequence[ListedCreative]:
        """Its creatives, in order."""
        return [ListedCreative(self, creative, place) for place, creative in enumerate(self.campaign.creatives)]

    @cached_property
    def shapes(self) -> Sequence[Hashable]:
        """Shapes of its creatives."""
        return [*map(shape_of, self.campaign.creatives)]


class ListedCreative(NamedTuple):
    """A creative of a listed campaign.

    Attributes:
        listing: listing of the campaign.
        creative: the creative.
        place: index of the creative in its campaign's list, as in notice tokens.
    """

    listing: Listing
    creative: Creative
    place: int


def _lower(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _upper(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.upper() for name in names)


# Upper and lower case as in `Audience`.
PLAIN: dict[str, Callable[[Campaign], frozenset[str]]] = {
    "country": lambda c: _upper(c.targeting.countries),
    "region": lambda c: _upper(c.targeting.regions),
    "devicetype": lambda c: frozenset(str(kind) for kind in c.targeting.device_types),
    "inventory": lambda c: frozenset(c.targeting.inventory),
    # Naming all hours is naming none; it keeps the common case out of the table.
    "hour": lambda c: frozenset(str(h) for h in c.targeting.hours if len(set(c.targeting.hours)) < HOURS_OF_WEEK),
}


_DIMENSIONS: dict[str, Callable[[Campaign], frozenset[str]]] = {
    **PLAIN,
    "publisher": lambda c: _lower(c.targeting.publishers),
    "not publisher": lambda c: _lower(c.targeting.exclude_publishers),
    "segment": lambda c: frozenset(c.targeting.segments),
    "trait": blocks.traits_of,
    "seat": lambda c: frozenset({c.seat}),
    "taxonomy": lambda c: frozenset({str(c.cattax)} if c.cat else ()),
}


def prior(campaign: Campaign) -> int:
    """Return the expected price of a campaign in micros, which orders candidates before any model scores them."""
    return campaign.goal.max_bid_micros or campaign.goal.value_micros
