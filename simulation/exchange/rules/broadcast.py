"""Video and audio: document, media types, duration, bit rates and protocol must be what the imp takes."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from simulation.exchange.rules.case import BidCase
from simulation.exchange.rules.markup import duration_of, read_ad
from simulation.exchange.rules.raw import integer, integers, number, text, texts

_PROTOCOLS = {
    ("VAST", "1"): (1, 4),
    ("VAST", "2"): (2, 5),
    ("VAST", "3"): (3, 6),
    ("VAST", "4.0"): (7, 8),
    ("VAST", "4.1"): (11, 12),
    ("VAST", "4.2"): (13, 14),
    ("VAST", "4.3"): (15, 16),
    ("DAAST", "1"): (9, 10),
}
"""Protocols by version (list "Creative Subtypes - Audio/Video"): inline, wrapper."""

_LINEAR, _NON_LINEAR = 1, 2


def audio_or_video(case: BidCase) -> Iterator[str]:
    """Check everything that an imp's `video` or `audio` requires."""
    root = read_ad(text(case.bid.get("adm")))
    if root is None:
        yield f"{case.format} markup that is neither VAST nor DAAST"
        return
    yield from _protocol(case, root)
    yield from _mimes(case, root)
    yield from _seconds(case)
    yield from _bit_rates(case, root)
    if case.format == "video":
        yield from _playing(case, root)


def protocol_of(root: ElementTree.Element) -> int | None:
    """Return the document's protocol; None for a version that the list does not have."""
    version = root.get("version", "")
    pair = _PROTOCOLS.get((root.tag, version)) or _PROTOCOLS.get((root.tag, version.split(".")[0]))
    return None if pair is None else pair[root.find(".//Wrapper") is not None]


def _protocol(case: BidCase, root: ElementTree.Element) -> Iterator[str]:
    written, said = protocol_of(root), integer(case.bid.get("protocol"))
    if written is None:
        yield f"{root.tag} of version {root.get('version')!r}"
    allowed = integers(case.slot.get("protocols")) or integers([case.slot.get("protocol")])
    if allowed and written not in allowed:
        yield f"protocol {written}, allowed: {allowed}"
    if said is not None and said != written:
        yield f"says protocol {said}, is {written}"


def _mimes(case: BidCase, root: ElementTree.Element) -> Iterator[str]:
    allowed = [mime.lower() for mime in texts(case.slot.get("mimes"))]
    files = [file.get("type", "") for file in root.iter("MediaFile")]
    if root.find(".//Linear") is not None and not files and root.find(".//Wrapper") is None:
        yield "no media file"
    for mime in files:
        if mime.lower() not in allowed:
            yield f"a media file of type {mime!r}, allowed: {', '.join(allowed)}"


def _seconds(case: BidCase) -> Iterator[str]:
    seconds, slot = duration_of(case), case.slot
    if seconds is None:
        yield "no duration"
        return
    exact = integers(slot.get("rqddurs"))
    if exact:
        if seconds not in exact:
            yield f"runs {seconds:g} s, allowed exactly: {exact}"
        return
    least, most = number(slot.get("minduration")), number(slot.get("maxduration"))
    extended = number(slot.get("maxextended"))
    if least is not None and seconds < least:
        yield f"runs {seconds:g} s, at least {least:g}"
    if most and extended != -1 and seconds > most + (extended or 0):
        yield f"runs {seconds:g} s, at most {most:g}"
    pod = number(slot.get("poddur"))
    if pod and seconds > pod:
        yield f"runs {seconds:g} s in a pod of {pod:g}"


def _bit_rates(case: BidCase, root: ElementTree.Element) -> Iterator[str]:
    least, most = number(case.slot.get("minbitrate")), number(case.slot.get("maxbitrate"))
    for file in root.iter("MediaFile"):
        rate = number(file.get("bitrate"))
        if rate is not None and ((least and rate < least) or (most and rate > most)):
            yield f"{rate:g} kbit/s, allowed {least or 0:g} to {most or float('inf'):g}"


def _playing(case: BidCase, root: ElementTree.Element) -> Iterator[str]:
    linearity, linear = integer(case.slot.get("linearity")), root.find(".//Linear")
    if linearity == _LINEAR and linear is None and root.find(".//Wrapper") is None:
        yield "not linear"
    if linearity == _NON_LINEAR and root.find(".//NonLinear") is None:
        yield "not non-linear"
    if integer(case.slot.get("skip")) == 0 and linear is not None and linear.get("skipoffset"):
        yield "can be skipped, where that is not allowed"
