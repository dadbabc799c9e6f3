"""Reading an `adm`: VAST and DAAST documents, durations, and the assets that a page would fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit
from xml.etree import ElementTree

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.raw import number, text

_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")
_HTML_ASSET = re.compile(r"""\bsrc\s*=\s*["']?\s*(http://[^"'\s>]+)""", re.I)
_NATIVE_ASSET = re.compile(r""""url"\s*:\s*"(http://[^"]+)\"""", re.I)
NAMESPACE = "{http://www.iab.com/VAST}"
"""Namespace of VAST from 4.0 on, as ElementTree writes it."""

_FETCHED = ("MediaFile", "Impression", "Tracking", "JavaScriptResource", "StaticResource", "VASTAdTagURI")


@lru_cache(maxsize=16)  # several rules read the same document
def read_ad(markup: str) -> ElementTree.Element | None:
    """Parse a VAST or DAAST document and return its root; None if it is neither. The answers parsed are our own."""
    try:
        root = ElementTree.fromstring(markup.strip())  # input is our own
    except (ElementTree.ParseError, ValueError):
        return None
    for element in root.iter():
        element.tag = element.tag.removeprefix(NAMESPACE)
    return root if root.tag in ("VAST", "DAAST") else None


def seconds_of(clock: str) -> float | None:
    """Parse `HH:MM:SS` or `HH:MM:SS.mmm` into seconds."""
    match = _CLOCK.fullmatch(clock.strip())
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def duration_of(case: BidCase) -> float | None:
    """Return the duration of a video or audio ad in seconds; None if unknown."""
    if case.format not in ("video", "audio"):
        return None
    root = read_ad(text(case.bid.get("adm")))
    element = None if root is None else root.find(".//Duration")
    written = None if element is None else seconds_of(element.text or "")
    return written if written is not None else number(case.bid.get("dur"))


def is_insecure(case: BidCase) -> Iterator[str]:
    """Report assets that a secure page would fetch without encryption.

    The bidder's own notice URLs are exempt: whether they use TLS depends on how the platform is reached.
    """
    own = urlsplit(text(case.bid.get("burl")) or text(case.bid.get("nurl"))).netloc
    for url in _fetched(case.format, text(case.bid.get("adm"))):
        if url.startswith("http://") and urlsplit(url).netloc != own:
            yield f"fetches {url[:80]}, but the imp is secure"


def _fetched(kind: str, markup: str) -> Iterator[str]:
    if kind == "native":
        yield from _NATIVE_ASSET.findall(markup.replace("\\/", "/"))
        return
    root = read_ad(markup)
    if root is None:
        yield from _HTML_ASSET.findall(markup)
        return
    for name in _FETCHED:
        for element in root.iter(name):
            yield (element.text or "").strip()
