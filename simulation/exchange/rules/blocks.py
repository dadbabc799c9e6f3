"""Blocks of a request: categories, advertisers, apps, attributes, kinds of markup, seats."""

from __future__ import annotations

import re
from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase, same_or_below
from simulation.exchange.rules.markup import is_insecure
from simulation.exchange.rules.raw import categories, host, integer, integers, listed, text, texts

_TEXT, _IMAGE, _SCRIPT, _IFRAME = 1, 2, 3, 4  # list "Banner Ad Types"


def block(case: BidCase) -> Iterator[str]:
    """Check that the bid is on no block list, and on every allow list."""
    yield from _categories(case)
    yield from _advertisers(case)
    yield from _attributes(case)
    yield from _markup(case)
    yield from _seats(case)


def _categories(case: BidCase) -> Iterator[str]:
    request, said = case.request, texts(case.bid.get("cat"))
    taxonomy = integer(request.get("cattax")) or 1
    bcat, allowed = categories(request.get("bcat"), taxonomy), categories(request.get("acat"), taxonomy)
    if (integer(case.bid.get("cattax")) or 1) != taxonomy:
        if said and (bcat or allowed):
            yield "categories in another taxonomy than the lists of the request"
        return
    for category in said:
        if any(same_or_below(category, blocked, "-") for blocked in bcat):
            yield f"category {category} is in bcat"
    if allowed and not said:
        yield "no category, although acat lists the allowed ones"
    for category in said if allowed else []:
        if not any(same_or_below(category, name, "-") for name in allowed):
            yield f"category {category} is not in acat"


def _advertisers(case: BidCase) -> Iterator[str]:
    blocked = [host(name) for name in listed(case.request.get("badv"))]
    for domain in texts(case.bid.get("adomain")):
        if any(domain.lower() == name or domain.lower().endswith("." + name) for name in blocked):
            yield f"advertiser {domain} is in badv"
    bundle = text(case.bid.get("bundle"))
    if bundle and bundle.lower() in [name.lower() for name in listed(case.request.get("bapp"))]:
        yield f"app {bundle} is in bapp"


def _attributes(case: BidCase) -> Iterator[str]:
    for attribute in set(integers(case.bid.get("attr"))) & set(integers(case.slot.get("battr"))):
        yield f"attribute {attribute} is in battr"


def _markup(case: BidCase) -> Iterator[str]:
    kind = banner_type(text(case.bid.get("adm")))
    if case.format == "banner" and kind in integers(case.slot.get("btype")):
        yield f"markup of type {kind} is in btype"
    if integer(case.imp.get("secure")) == 1:
        yield from is_insecure(case)


def _seats(case: BidCase) -> Iterator[str]:
    allowed, blocked = listed(case.request.get("wseat")), listed(case.request.get("bseat"))
    if allowed and case.seat not in allowed:
        yield f"seat {case.seat!r} is not in wseat"
    if case.seat in blocked:
        yield f"seat {case.seat!r} is in bseat"


def banner_type(markup: str) -> int:
    """Return the type of a banner's markup (list "Banner Ad Types"): its most active part decides."""
    found = {name.lower() for name in re.findall(r"<\s*(script|iframe|img|picture|video|canvas|svg)\b", markup, re.I)}
    if "script" in found:
        return _SCRIPT
    if "iframe" in found:
        return _IFRAME
    return _IMAGE if found else _TEXT
