"""Fields that an exchange needs to accept and audit a bid."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import integer, texts

_ALWAYS = ("id", "impid", "price", "adm", "burl", "lurl", "cid", "crid", "mtype", "exp")
_PLAYED = ("video", "audio")
"""Formats whose `nurl` some callers take for the address of the markup, so that a bid may have none."""

_SIZED = ("banner", "video")
_LISTS = ("adomain", "cat")


def missing_field(case: BidCase) -> Iterator[str]:
    """Check that every required field is present, and a size where the format has one."""
    for name in _ALWAYS if case.format in _PLAYED else (*_ALWAYS, "nurl"):
        if case.bid.get(name) in (None, ""):
            yield f"no {name}"
    for name in _LISTS:
        if not texts(case.bid.get(name)):
            yield f"no {name}"
    for name in ("w", "h") if case.format in _SIZED else ():
        if not integer(case.bid.get(name)):
            yield f"no {name} of a {case.format}"
