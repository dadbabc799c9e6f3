"""A bid must have a format that the imp offers, with markup of that format."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.broadcast import audio_or_video
from simulation.exchange.rules.case import BidCase, offered_formats
from simulation.exchange.rules.markup import read_ad
from simulation.exchange.rules.native import native
from simulation.exchange.rules.raw import text


def kind(case: BidCase) -> Iterator[str]:
    """Check that the format is offered and that the markup matches it."""
    if case.format not in offered_formats(case.imp):
        yield f"mtype {case.bid.get('mtype')!r}, offered: {', '.join(offered_formats(case.imp)) or 'nothing'}"
    elif case.format == "banner":
        yield from _banner(case)
    elif case.format == "native":
        yield from native(case)
    else:
        yield from audio_or_video(case)


def _banner(case: BidCase) -> Iterator[str]:
    markup = text(case.bid.get("adm")).strip()
    if read_ad(markup) is not None:
        yield "a banner whose markup is VAST"
    elif not markup.startswith("<"):
        yield f"a banner whose markup is not HTML: {markup[:40]!r}"
