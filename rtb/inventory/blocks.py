"""Blocks: what a request refuses or allows, and by which of its traits a campaign can be refused, as keys.

A key has the form `kind:value`: `cat:IAB1`, `adv:example.com`, `app:com.example.game`, `seat:agency`. Both sides
are brought into one spelling here, so that the index only ever compares keys.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from rtb.campaigns.campaign import Campaign
from rtb.openrtb.types import BidRequest
from rtb.runtime.bounded import remembered

CONTENT_1 = 1
"""IAB Content Categories 1.0: the taxonomy where none is named, and the only one whose codes show their parents."""


def refused_by(request: BidRequest) -> tuple[str, ...]:
    """Keys of what a request blocks: `bcat`, `badv` and `bapp`."""
    categories = [f"cat:{category(cat)}" for cat in request.bcat or () if cat.strip()]
    domains = [f"adv:{domain(name)}" for name in request.badv or () if domain(name)]
    apps = [f"app:{name.strip().lower()}" for name in request.bapp or () if name.strip()]
    return (*categories, *domains, *apps)


def traits_of(campaign: Campaign) -> frozenset[str]:
    """Keys by which a campaign can be blocked: its categories and its domains with those above them, and its app."""
    categories = {f"cat:{cat}" for cat in _with_parents(campaign.cat, campaign.cattax)}
    domains = {f"adv:{name}" for whole in campaign.adomain for name in domains_above(whole)}
    apps = {f"app:{campaign.bundle.strip().lower()}"} if campaign.bundle.strip() else set()
    return frozenset(categories | domains | apps)


def is_allowed(campaign: Campaign, allowed: Collection[str]) -> bool:
    """Whether all categories of a campaign are among the allowed ones, which are of its taxonomy, or below them."""
    named = [_with_parents([cat], campaign.cattax) for cat in campaign.cat]
    return bool(named) and all(not one.isdisjoint(allowed) for one in named)


def category(name: str) -> str:
    """A category in one spelling."""
    return name.strip().upper()


@remembered("domains", 3 << 19)
def domain(name: str) -> str:
    """A domain in one spelling, whatever it was written as: `https://www.Shop.example/sale` is `shop.example`."""
    try:
        host = urlsplit(name.strip() if "//" in name else f"//{name.strip()}").hostname or ""
    except ValueError:  # such as an unclosed bracket
        return ""
    return host.rstrip(".").removeprefix("www.")


def domains_above(name: str) -> list[str]:
    """A domain and those it is under: `a.shop.example` is `a.shop.example`, `shop.example`, `example`."""
    labels = domain(name).split(".")
    return [".".join(labels[place:]) for place in range(len(labels))] if labels[0] else []


def _with_parents(categories: Sequence[str], taxonomy: int) -> set[str]:
    """`IAB1-2` is blocked by `IAB1` as well. Codes of later taxonomies are bare numbers: they match as they are."""
    named = {category(cat) for cat in categories}
    return named | {cat.split("-")[0] for cat in named} if taxonomy == CONTENT_1 else named
