"""A player and a linter of VAST read every kind of document that we make, without an error and with nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import vastlint
from hypothesis import assume, given
from hypothesis import strategies as st

from rtb.campaigns.creative import Creative
from rtb.inventory.slots import DAAST, VAST, AudioSlot, Slot, VideoSlot, fits, media_for
from rtb.markup import markup_of
from rtb.settlement.view_events import PROGRESS
from tests.rtb.builders import make_audio, make_campaign, make_file, make_video
from tests.rtb.inventory.slots.strategies import TEXTS, pairs
from verification.clients.packages import run_script

_BASE, _BID = "https://bid.example", "0000000000000001-1f"
_CLICK = f"{_BASE}/notice/click/t.o-k_en"
_VIEW = f"{_BASE}/notice/view/{_BID}?event="
_AWKWARD = make_file(url='https://cdn.example/[1]/100%/"a"?b=1&c=<2>]]>')


_BILL = f"{_BASE}/notice/bill/t.o-k_en"


class _Case(NamedTuple):
    """A document, and what it is made of."""

    version: str
    slot: Any
    creative: Creative
    document: str
    billing: str


def _document(slot: Any, creative: Creative, billing: str = "", **campaign: Any) -> str:
    return markup_of(slot, make_campaign(**campaign), creative, _BASE).filled(_CLICK, _BID, billing)


def _cases() -> list[_Case]:
    """Return documents of each protocol, with and without what is optional."""
    several = (make_file(), make_file("video/webm"), make_file("application/x-mpegURL", delivery="streaming"))
    videos = [make_video(), make_video(skip_after=5.5), make_video(*several), make_video(_AWKWARD)]
    sounds = [make_audio(), make_audio(seconds=3_725.5)]
    return [
        _Case(version, slot, creative, _document(slot, creative, billing, name=name, cat=cat), billing)
        for protocol, version in [*VAST.items(), (DAAST, "")]
        for creative in (sounds if protocol == DAAST else videos + sounds)
        for slot in [(VideoSlot if creative.video else AudioSlot)(protocols=frozenset({protocol}))]
        for name, cat, billing in (("spring", ("IAB1", "IAB2-3"), ""), ("]]> <b>&amp;\"'", (), _BILL))
    ]


CASES = _cases()


@pytest.fixture(scope="module")
def read(clients: Path) -> list[dict[str, Any]]:
    """Return what the player reads in each document."""
    del clients
    told = "\n".join(json.dumps(_as_vast(case)) for case in CASES)
    return [msgspec.json.decode(line) for line in run_script("vast.cjs", told=told)]


def _as_vast(case: _Case) -> str:
    """Return a document as VAST: the player does not know DAAST, which differs from VAST 3.0 in these names."""
    if case.version:
        return case.document
    renamed = case.document.replace('<DAAST version="1.0">', '<VAST version="3.0">').replace("</DAAST>", "</VAST>")
    return renamed.replace("AdInteractions>", "VideoClicks>")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.version or 'DAAST'} {case.slot.kind}")
def test_the_linter_finds_no_error(case: _Case) -> None:
    assert _errors(case.document) == (case.version or None, [])


@given(pairs("video", "audio"), TEXTS, st.sampled_from(["", _BILL]))
def test_the_linter_finds_no_error_in_whatever_fits(pair: tuple[Slot, Creative], name: str, billing: str) -> None:
    assume(fits(*pair))
    assert _errors(_document(*pair, billing, name=name))[1] == []


def test_the_linter_finds_what_is_missing() -> None:
    for case in CASES:
        _, errors = _errors(case.document.replace("Impression>", "Extension>"))
        assert any("<Impression>" in error for error in errors)


def _errors(document: str) -> tuple[str | None, list[str]]:
    """Return the version of VAST that the linter found, none for DAAST, and its errors."""
    found = vastlint.validate(document)
    return found.version, [f"{one.id}: {one.message}" for one in found.issues if one.severity == "error"]


def test_the_player_reads_every_document_without_a_fault(read: list[dict[str, Any]]) -> None:
    assert [one["faults"] for one in read] == [[]] * len(CASES)
    assert [one["version"] for one in read] == [case.version or "3.0" for case in CASES]


def test_the_player_finds_what_the_campaign_has(read: list[dict[str, Any]]) -> None:
    for case, found in zip(CASES, read, strict=True):
        (ad,) = found["ads"]
        (creative,) = ad["creatives"]
        played = case.creative.video or case.creative.audio
        assert played is not None
        assert ad["id"] == creative["id"]
        assert ad["id"].endswith(f"-{case.creative.id}")
        assert (ad["system"], creative["type"], creative["clickThrough"]) == ("Raybid 1.0", "linear", _CLICK)
        assert creative["duration"] == pytest.approx(played.duration_seconds)
        files = [(one["mimeType"], one["bitrate"], one["deliveryType"]) for one in creative["files"]]
        assert files == [(file.mime, file.bitrate, file.delivery) for file in media_for(case.slot, played.media)]
        assert ad["servingId"] == (_BID if case.version >= "4.1" else None)


def test_the_player_tells_of_an_ad_that_is_watched_to_its_end(read: list[dict[str, Any]]) -> None:
    for case, found in zip(CASES, read, strict=True):
        (creative,) = found["ads"][0]["creatives"]
        impression, *watched = (f"{_VIEW}{event}" for event in ("impression", *PROGRESS))
        assert creative["called"] == [impression, *filter(None, [case.billing]), *watched]
