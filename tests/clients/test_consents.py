"""IAB's own library as the judge of what we read in consent strings, whole and damaged."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtb.privacy.bits import UnreadableConsent
from rtb.privacy.tcf import decode_tcf
from verification.clients.packages import run_script
from verification.privacy_vectors import read_tcf

Json = dict[str, Any]

_SEED, _COUNT = 20, 120

_BESIDES = re.compile(r"passed for (cmpId|publisherCountryCode) |for language")
"""What the library refuses a string for although no permission depends on it, and we do not read it."""

_LISTS = ("purpose_consents", "purpose_li", "special_features", "vendor_")
_VERSION = 2
_HIGHEST = 0xFFFF


@pytest.fixture(scope="module")
def judged(clients: Path) -> list[Json]:
    """Return the strings, each with what the library reads or why it does not."""
    del clients
    return [msgspec.json.decode(line) for line in run_script("consents.cjs", str(_SEED), str(_COUNT))]


def _comparable(told: Json) -> Json:
    """Return what a string says without the order that ids were written in."""
    sets: dict[tuple[int, int], set[int]] = {}
    for one in told["restrictions"]:
        sets.setdefault((one["purpose"], one["type"]), set()).update(one["vendors"])
    lists = {name: {*value} for name, value in told.items() if name.startswith(_LISTS)}
    return told | lists | {"restrictions": sets}


def _ours(text: str) -> Json | None:
    try:
        return read_tcf(text)
    except UnreadableConsent:
        return None


def test_whole_strings_are_read_as_the_library_reads_them(judged: list[Json]) -> None:
    whole = judged[::4]
    assert [one for one in whole if "error" in one] == []
    assert sum(bool(one["restrictions"]) for one in whole) > _COUNT / 2
    for theirs in whole:
        assert _comparable(read_tcf(theirs["tc"])) == _comparable(theirs)


def test_each_vendor_is_found_or_not_as_in_the_library(judged: list[Json]) -> None:
    generator = random.Random(_SEED)
    for theirs in judged[::4]:
        vendors = decode_tcf(theirs["tc"]).vendors()
        for found, ids in ((vendors.consents, theirs["vendor_consents"]), (vendors.interests, theirs["vendor_li"])):
            asked = {0, 1, *(id + step for id in ids for step in (-1, 0, 1)), generator.randint(1, _HIGHEST)}
            assert {id for id in asked if found.has(id)} == {*ids}


def test_damaged_strings_are_refused_or_read_as_in_the_library(judged: list[Json]) -> None:
    """One that the library reads may be refused only for its version, or for a range that ends before it begins."""
    counts = {"read": 0, "refused": 0, "stricter": 0}
    for theirs in judged:
        ours = _ours(theirs["tc"])
        if "error" in theirs:
            assert ours is None or _BESIDES.search(theirs["error"]), theirs
            counts["refused"] += 1
        elif ours is None:
            assert theirs["version"] != _VERSION or _has_empty_range(theirs["tc"]), theirs
            counts["stricter"] += 1
        else:
            assert _comparable(ours) == _comparable(theirs)
            counts["read"] += 1
    assert counts["read"] > _COUNT
    assert counts["refused"] > _COUNT
    assert counts["stricter"] < _COUNT / 10


def _has_empty_range(text: str) -> bool:
    try:
        decode_tcf(text).vendors()
    except UnreadableConsent as error:
        return "no range of ids" in str(error)
    return False
