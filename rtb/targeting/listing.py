"""A campaign as the index lists it: what it names in each dimension of targeting, and what it has to show."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.inventory import blocks
from rtb.inventory.impression import HOURS_OF_WEEK
from rtb.targeting.creative_index import shape_of


@dataclass(frozen=True)
class Listing:
    """A campaign in the index. What the index reads of it is kept, for the next index that it is in.

    Attributes:
        number: its stable number in the ledger and across snapshots.
        campaign: as its owner describes it.
    """

    number: int
    campaign: Campaign

    @cached_property
    def named(self) -> Mapping[str, frozenset[str]]:
        """Values that it names, by dimension."""
        return {name: read(self.campaign) for name, read in _DIMENSIONS.items()}

    @cached_property
    def placements(self) -> Sequence[Placement]:
        """Its creatives, in order."""
        return [Placement(self, creative, place) for place, creative in enumerate(self.campaign.creatives)]

    @cached_property
    def shapes(self) -> Sequence[Hashable]:
        """Of its creatives."""
        return [*map(shape_of, self.campaign.creatives)]


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


def _lower(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _upper(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.upper() for name in names)


# Upper and lower case as `Audience` has them.
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
    """What a campaign may be expected to pay, in micros, to order candidates before any model has seen them."""
    return campaign.goal.max_bid_micros or campaign.goal.value_micros
