"""Campaigns in the form that the index reads: values by targeting dimension, and creatives."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.countries import country_code, region_named
from rtb.campaigns.creative import Creative
from rtb.inventory import blocks
from rtb.inventory.impression import HOURS_OF_WEEK
from rtb.inventory.publisher import publisher_names
from rtb.inventory.user_agent import MOBILE, PHONE, TABLET
from rtb.settlement.notice_tokens import creative_number
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
        return [ListedCreative(self, creative, creative_number(creative.id)) for creative in self.campaign.creatives]

    def creative(self, number: int) -> Creative | None:
        """Return the creative that a notice token names; `None` where the campaign has it no more.

        Args:
            number: number of its id, or in former tokens its index.
        """
        if number < len(self.campaign.creatives):
            return self.campaign.creatives[number]
        return next((shown.creative for shown in self.placements if shown.number == number), None)

    @cached_property
    def shapes(self) -> Sequence[Hashable]:
        """Shapes of its creatives."""
        return [*map(shape_of, self.campaign.creatives)]


class ListedCreative(NamedTuple):
    """A creative of a listed campaign.

    Attributes:
        listing: listing of the campaign.
        creative: the creative.
        number: number of the creative's id in notice tokens.
    """

    listing: Listing
    creative: Creative
    number: int


def _publishers(names: Sequence[str]) -> frozenset[str]:
    return frozenset(spelling for name in names for spelling in publisher_names(name))


def _country(name: str) -> str:
    return country_code(name) or name.upper()


def _region(name: str) -> str:
    return region_named(name) or name.upper()


def _device_types(types: Sequence[int]) -> frozenset[str]:
    """Return the device types that a campaign accepts; type 1 stands for phones and tablets."""
    accepted = {*types, PHONE, TABLET} if MOBILE in types else set(types)
    return frozenset(map(str, accepted))


# Spelled as in `Audience`.
PLAIN: dict[str, Callable[[Campaign], frozenset[str]]] = {
    "country": lambda c: frozenset(map(_country, c.targeting.countries)),
    "region": lambda c: frozenset(map(_region, c.targeting.regions)),
    "devicetype": lambda c: _device_types(c.targeting.device_types),
    "inventory": lambda c: frozenset(c.targeting.inventory),
    # Naming all hours is naming none; it keeps the common case out of the table.
    "hour": lambda c: frozenset(str(h) for h in c.targeting.hours if len(set(c.targeting.hours)) < HOURS_OF_WEEK),
}


_DIMENSIONS: dict[str, Callable[[Campaign], frozenset[str]]] = {
    **PLAIN,
    "publisher": lambda c: _publishers(c.targeting.publishers),
    "not publisher": lambda c: _publishers(c.targeting.exclude_publishers),
    "segment": lambda c: frozenset(c.targeting.segments),
    "trait": blocks.traits_of,
    "seat": lambda c: frozenset({c.seat}),
    "taxonomy": lambda c: frozenset({str(c.cattax)} if c.cat else ()),
}


def prior(campaign: Campaign) -> int:
    """Return the expected price of a campaign in micros, which orders candidates before any model scores them."""
    return campaign.goal.max_bid_micros or campaign.goal.value_micros
