"""Disclosure of the advertiser, where the request requires it for the EU's Digital Services Act."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import integer, obj, objects, text

_REQUIRED = 2
_MOST_CHARACTERS = 100
_CANNOT_RENDER, _WILL_RENDER = 0, 2  # `pubrender`
_SEND = 2  # `datatopub`


def dsa(case: BidCase) -> Iterator[str]:
    """Check that a bid says on whose behalf it is, and that exactly one side shows it."""
    regs = obj(case.request.get("regs"))
    wanted = obj(regs.get("dsa")) or obj(obj(regs.get("ext")).get("dsa"))
    if (integer(wanted.get("dsarequired")) or 0) < _REQUIRED:
        return
    said = obj(obj(case.bid.get("ext")).get("dsa"))
    if not said:
        yield "no ext.dsa"
        return
    for name in ("behalf", "paid"):
        value = text(said.get(name))
        if not value or len(value) > _MOST_CHARACTERS:
            yield f"{name} {value[:_MOST_CHARACTERS]!r} in ext.dsa"
    shows, renders = integer(wanted.get("pubrender")), integer(said.get("adrender")) == 1
    if shows == _CANNOT_RENDER and not renders:
        yield "neither side shows who advertises"
    if shows == _WILL_RENDER and renders:
        yield "both sides show who advertises"
    if integer(wanted.get("datatopub")) == _SEND and not objects(said.get("transparency")):
        yield "no transparency in ext.dsa"
