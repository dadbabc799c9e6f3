"""Blocks of a request and the traits of campaigns that they match, as keys.

A key has the form `kind:value`: `cat:IAB1`, `adv:example.com`, `app:com.example.game`, `seat:agency`. Both sides are
normalised here, so that the index only compares keys.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from rtb.campaigns.campaign import Campaign
from rtb.openrtb.types import BidRequest
from rtb.runtime.caches import memoized

CONTENT_1 = 1
"""IAB Content Categories 1.0: the default taxonomy, and the only one whose codes contain their parents."""


def blocked_keys(request: BidRequest) -> tuple[str, ...]:
    """Return the keys that a request blocks: `bcat`, `badv` and `bapp`."""
    categories = [f"cat:{category(cat)}" for cat in request.bcat or () if cat.strip()]
    domains = [f"adv:{domain(name)}" for name in request.badv or () if domain(name)]
    apps = [f"app:{name.strip().lower()}" for name in request.bapp or () if name.strip()]
    return (*categories, *domains, *apps)


def traits_of(campaign: Campaign) -> frozenset[str]:
    """Return the keys that block a campaign: its categories and domains with their parents, and its app."""
    categories = {f"cat:{cat}" for cat in _with_parents(campaign.cat, campaign.cattax)}
    domains = {f"adv:{name}" for whole in campaign.adomain for name in with_parent_domains(whole)}
    apps = {f"app:{campaign.bundle.strip().lower()}"} if campaign.bundle.strip() else set()
    return frozenset(categories | domains | apps)


def is_allowed(campaign: Campaign, allowed: Collection[str]) -> bool:
    """Return whether all categories of a campaign are among the allowed ones, of the same taxonomy, or below them."""
    named = [_with_parents([cat], campaign.cattax) for cat in campaign.cat]
    return bool(named) and all(not one.isdisjoint(allowed) for one in named)


def category(name: str) -> str:
    """Return a normalised category."""
    return name.strip().upper()


@memoized("domains", 3 << 19)
def domain(name: str) -> str:
    """Return a normalised domain, also from a URL: `https://www.Shop.example/sale` is `shop.example`."""
    try:
        host = urlsplit(name.strip() if "//" in name else f"//{name.strip()}").hostname or ""
    except ValueError:  # such as an unclosed bracket
        return ""
    return host.rstrip(".").removeprefix("www.")


def with_parent_domains(name: str) -> list[str]:
    """Return a domain and its parents: for `a.shop.example` these are `a.shop.example`, `shop.example`, `example`."""
    labels = domain(name).split(".")
    return [".".join(labels[place:]) for place in range(len(labels))] if labels[0] else []


def _with_parents(categories: Sequence[str], taxonomy: int) -> set[str]:
    """Return categories with their parents: `IAB1` blocks `IAB1-2` too. Codes of later taxonomies are plain numbers."""
    named = {category(cat) for cat in categories}
    return named | {cat.split("-")[0] for cat in named} if taxonomy == CONTENT_1 else named
