"""The context that campaigns name, by kind, and the reader of those kinds: see `rtb.inventory.context`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.countries import country_code
from rtb.inventory import blocks
from rtb.inventory.context import Circle, ContextReader, name_of
from rtb.openrtb import NoBid
from rtb.openrtb.supply_chain import seller_name

Named = Mapping[str, frozenset[str]]

SUPPLY = {
    "chain": NoBid.INCOMPLETE_CHAIN,
    "chain_length": NoBid.BLOCKED_SELLER,
    "seller": NoBid.BLOCKED_SELLER,
    "authorised": NoBid.SELLER_UNAUTHORISED,
}
"""Kinds that are about who sells, and why an impression is refused by each."""


class NamedContext(NamedTuple):
    """What a campaign accepts and what it refuses, by kind."""

    accepts: Named
    refuses: Named


def context_of(campaign: Campaign) -> NamedContext:
    """Return the context that a campaign names; empty for most."""
    accepts = {kind: read(campaign) for kind, read in _ACCEPTS.items()}
    refuses = {kind: read(campaign) for kind, read in _REFUSES.items()}
    return NamedContext(
        {kind: named for kind, named in accepts.items() if named},
        {kind: named for kind, named in refuses.items() if named},
    )


def reader_of(campaigns: Iterable[Campaign], kinds: Iterable[str]) -> ContextReader:
    """Return a reader of these kinds, with the circles and thresholds of campaigns that name some."""
    circles: list[Circle] = []
    thresholds: defaultdict[str, set[float]] = defaultdict(set)
    for campaign in campaigns:
        circles += _circles(campaign)
        for kind, read in _THRESHOLDS.items():
            if value := read(campaign):
                thresholds[kind].add(value)
    return ContextReader(frozenset(kinds), circles, {kind: sorted(values) for kind, values in thresholds.items()})


def _circles(campaign: Campaign) -> list[Circle]:
    return [Circle(one.lat, one.lon, one.km) for one in campaign.targeting.within]


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in names)


def _codes(values: Iterable[int]) -> frozenset[str]:
    return frozenset(map(str, values))


def _either(wanted: bool | None) -> frozenset[str]:
    return frozenset() if wanted is None else frozenset({"yes" if wanted else "no"})


def _threshold(kind: str) -> Callable[[Campaign], frozenset[str]]:
    read = _THRESHOLDS[kind]
    return lambda campaign: frozenset({name_of(value)} if (value := read(campaign)) else ())


def _zip(name: str) -> str:
    """Return a postal code as `rtb.inventory.context` has it: `US/10001` is `USA/10001`."""
    country, slash, code = name.strip().partition("/")
    return f"{country_code(country) or country.upper()}{slash}{code.strip().upper()}"


_THRESHOLDS: dict[str, Callable[[Campaign], float]] = {
    "viewability": lambda c: c.targeting.min_viewability,
    "refresh_seconds": lambda c: c.targeting.min_refresh_seconds,
    "chain_length": lambda c: c.supply.max_nodes,
}

_ACCEPTS: dict[str, Callable[[Campaign], frozenset[str]]] = {
    "zip": lambda c: frozenset(map(_zip, c.targeting.zips)),
    "metro": lambda c: _lower(c.targeting.metros),
    "within": lambda c: frozenset(circle.name for circle in _circles(c)),
    "language": lambda c: _lower(name.replace("_", "-") for name in c.targeting.languages),
    "carrier": lambda c: _lower(c.targeting.carriers),
    "connection": lambda c: _codes(c.targeting.connection_types),
    "category": lambda c: frozenset(map(blocks.category, c.targeting.categories)),
    "keyword": lambda c: _lower(c.targeting.keywords),
    "genre": lambda c: _lower(c.targeting.content.genres),
    "rating": lambda c: _lower(c.targeting.content.ratings),
    "content language": lambda c: _lower(name.replace("_", "-") for name in c.targeting.content.languages),
    "series": lambda c: _lower(c.targeting.content.series),
    "network": lambda c: _lower(c.targeting.content.networks),
    "channel": lambda c: _lower(c.targeting.content.channels),
    "content segment": lambda c: frozenset(c.targeting.content.segments),
    "livestream": lambda c: _either(c.targeting.content.livestream),
    "venue": lambda c: frozenset(c.targeting.venues),
    "rewarded": lambda c: _either(c.targeting.rewarded),
    "refreshed": lambda c: _either(c.targeting.refreshed),
    "roll": lambda c: frozenset(c.targeting.rolls),
    "placement": lambda c: _codes(c.targeting.placements),
    "playback": lambda c: _codes(c.targeting.playback_methods),
    "feed": lambda c: _codes(c.targeting.feeds),
    "skadnetwork": lambda c: _lower(c.targeting.skadnetworks),
    "chain": lambda c: frozenset({"complete"} if c.supply.complete_chain else ()),
    "authorised": lambda c: frozenset({"yes"} if c.supply.authorised else ()),
    **{kind: _threshold(kind) for kind in _THRESHOLDS},
}

_REFUSES: dict[str, Callable[[Campaign], frozenset[str]]] = {
    "category": lambda c: frozenset(map(blocks.category, c.targeting.exclude_categories)),
    "keyword": lambda c: _lower(c.targeting.exclude_keywords),
    "channel": lambda c: _lower(c.targeting.content.exclude_channels),
    "seller": lambda c: frozenset(map(seller_name, c.supply.exclude_sellers)),
}
