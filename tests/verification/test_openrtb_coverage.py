"""Every field of the specification is read, or ignored for a reason."""

from __future__ import annotations

import msgspec

from tests.support import SHARED_DATA, require
from verification.openrtb_coverage import Specification, coverage, ignored_fields

_FIELDS = SHARED_DATA / "openrtb" / "fields-2.6.json"


def _specification() -> Specification:
    require(_FIELDS.exists(), f"{_FIELDS} is missing")
    return msgspec.json.decode(_FIELDS.read_bytes(), type=Specification)


def test_no_field_is_unknown_and_the_list_is_true() -> None:
    found = coverage(_specification(), ignored_fields())
    assert not found.unknown
    assert not found.stale, "these are read, or of no message: remove them from openrtb_ignored.yaml"
    assert found.summary()["fields"] == 590


def test_what_structs_decode_counts_as_read_whatever_the_list_says() -> None:
    found = coverage(_specification(), {("BidRequest", "bcat"): "a wrong claim", ("Nothing", "at_all"): "nor this"})
    assert ("BidRequest", "bcat") in found.read
    assert found.stale == {("BidRequest", "bcat"), ("Nothing", "at_all")}
    assert ("BidRequest", "allimps") in found.unknown
    assert ("BidRequest.SupplyChainNode", "asi") in found.read


def test_every_reason_says_something() -> None:
    assert all(len(reason) >= 8 for reason in ignored_fields().values())
