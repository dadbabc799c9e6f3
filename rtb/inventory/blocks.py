"""Blocks of a request and the traits of campaigns that they match, as keys.

A key has the form `kind:value`: `cat:IAB1`, `adv:example.com`, `app:com.example.game`, `seat:agency`. Both sides are
normalised here, so that the index only compares keys.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from rtb.campaigns.campaign import Campaign
from rtb.openrtb import InvalidRequest
from rtb.openrtb.domains import domain
from rtb.openrtb.types import BidRequest
from rtb.runtime.caches import memoized

CONTENT_1 = 1
"""IAB Content Categories 1.0: the default taxonomy, and the only one whose codes contain their parents."""


ANYONE = "adv:*"
"""Key that blocks every advertiser."""

_SEPARATORS = re.compile(r"[,;|\s]+")
_DOMAIN = re.compile(r"[\w*-]+(\.[\w*-]+)*")
_APP = re.compile(r"[^\s/]+")
"""A domain and an app as they remain of all the ways to write one; `*` stands for any characters."""

_MOST_PATTERNS = 16
"""Most blocks with a `*` that is not just the front of a domain: each is compared with every campaign's traits."""

_IAB = re.compile(r"IAB[ _-]?0*(\d+)(?:[-_. :/]+0*(\d+))?[-_.:/]*\*?")
"""A category of Content Categories 1.0, also as `IAB-1`, `iab01_2` or `IAB1*`; a bare number may be of any list."""

_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d", "-"))
"""Hyphens and dashes that word processors put for one another."""

_GAP = re.compile(r"\bIAB\s+(?=\d)|(?<=\d)\s*-\s*(?=\d)", re.IGNORECASE)
_TIERS = 26
_STORE_ID = re.compile(r"(?:[?&]id=|/id(?=\d))([\w.]+)")
_APPLE_ID = re.compile(r"id\d+")


def blocked_keys(request: BidRequest) -> tuple[str, ...]:
    """Return the keys that a request blocks: `bcat`, `badv` and `bapp`.

    Raises:
        InvalidRequest: an entry of them cannot be read, so that nobody could keep it.
    """
    keys = [f"cat:{category(cat, taxonomy_of(request))}" for cat in categories(request.bcat)]
    keys += [f"adv:{_readable(_DOMAIN, domain(name), name, 'badv')}" for name in entries(request.badv)]
    keys += [f"app:{_readable(_APP, app(name), name, 'bapp')}" for name in entries(request.bapp)]
    if sum("*" in key for key in keys) > _MOST_PATTERNS:
        raise InvalidRequest("too_many", f"more than {_MOST_PATTERNS} blocks with wildcards")
    return tuple(keys)


def taxonomy_of(request: BidRequest) -> int:
    """Return the taxonomy of a request's categories: they are numbered from 1, so that 0 names none."""
    return request.cattax if request.cattax > 0 else CONTENT_1


def entries(values: Sequence[str] | None) -> list[str]:
    """Return the entries of a list of names, of which some may hold several: `["a.org, b.org"]`."""
    if not values:
        return []
    found: list[str] = []
    for value in values:
        found += [value] if value.isalnum() or not _SEPARATORS.search(value) else _SEPARATORS.split(value)
    return [name for name in found if name]


def categories(values: Sequence[str] | None) -> list[str]:
    """Return the entries of a list of categories; `IAB 1` is one, as is `IAB1 - 2`."""
    return entries([_GAP.sub(_without_gap, value.translate(_DASHES)) for value in values]) if values else []


def _without_gap(found: re.Match[str]) -> str:
    return "-" if "-" in found[0] else "IAB"


def _readable(pattern: re.Pattern[str], name: str, sent: str, field: str) -> str:
    if not pattern.fullmatch(name):
        raise InvalidRequest("bad_block", f"{sent[:80]!r} names nothing that could be blocked - at `$.{field}`")
    return name


def traits_of(campaign: Campaign) -> frozenset[str]:
    """Return the keys that block a campaign: its categories and domains with their parents, and its app."""
    categories = {f"cat:{cat}" for cat in _with_parents(campaign.cat, campaign.cattax)}
    domains = {f"adv:{name}" for whole in campaign.adomain for name in with_parent_domains(whole)}
    apps = {f"app:{app(campaign.bundle)}"} if campaign.bundle.strip() else set()
    return frozenset(categories | domains | apps | {ANYONE})


def matches(key: str, traits: Iterable[str]) -> list[str]:
    """Return the traits that a key with `*` in it stands for."""
    return [trait for trait in traits if fnmatchcase(trait, key)]


def is_allowed(campaign: Campaign, allowed: Collection[str]) -> bool:
    """Return whether all categories of a campaign are among the allowed ones, of the same taxonomy, or below them."""
    named = [_with_parents([cat], campaign.cattax) for cat in campaign.cat]
    return bool(named) and all(not one.isdisjoint(allowed) for one in named)


def category(name: str, taxonomy: int = CONTENT_1) -> str:
    """Return a normalised category: `iab-1_2` of taxonomy 1 is `IAB1-2`, and `IAB1*` is `IAB1`, which is above it."""
    plain = name.strip().upper().translate(_DASHES)
    if taxonomy != CONTENT_1:
        return plain
    read = _IAB.fullmatch(plain)
    if read is None or not 1 <= int(read[1]) <= _TIERS:
        return plain
    return f"IAB{read[1]}-{read[2]}" if read[2] else f"IAB{read[1]}"


@memoized("apps", 1 << 18)
def app(name: str) -> str:
    """Return a normalised id of an app in its store, also from its page there: `id123` and `.../id123` are `123`."""
    text = name.strip().lower()
    found = _STORE_ID.search(text) if "/" in text else None
    plain = found[1] if found else text
    return plain[2:] if _APPLE_ID.fullmatch(plain) else plain


def with_parent_domains(name: str) -> list[str]:
    """Return a domain and its parents: for `a.shop.example` these are `a.shop.example`, `shop.example`, `example`."""
    labels = domain(name).split(".")
    return [".".join(labels[place:]) for place in range(len(labels))] if labels[0] else []


def _with_parents(categories: Sequence[str], taxonomy: int) -> set[str]:
    """Return categories with their parents: `IAB1` blocks `IAB1-2` too. Codes of later taxonomies are plain numbers."""
    named = {category(cat, taxonomy) for cat in categories}
    return named | {cat.split("-")[0] for cat in named} if taxonomy == CONTENT_1 else named
