"""An operator's choices: which ids and which segments are read."""

from __future__ import annotations

from typing import Any

import pytest

from rtb.inventory.identity import DEFAULT_SOURCES
from rtb.inventory.impression import Audience, impressions_of
from rtb.inventory.user_data import DEFAULT_POLICY, UserDataPolicy, eid_sources, policy_of
from rtb.openrtb import decode_request
from rtb.runtime.settings import Settings
from tests.rtb.builders import make_request, to_json

_DATA = [
    {"id": "p1", "name": "First", "segment": [{"id": "b"}, {"id": "a"}]},
    {"id": "p2", "name": "Second", "segment": [{"id": "c"}]},
    {"segment": [{"id": "d"}]},
]


def _audience(policy: UserDataPolicy = DEFAULT_POLICY, **fields: Any) -> Audience:
    found, _ = impressions_of(decode_request(to_json(make_request(**fields))), 12, "USD", 1, policy=policy)
    return found[0].audience


@pytest.mark.parametrize(
    ("providers", "segments"),
    [
        ("", ("a", "b", "c", "d")),
        ("p1", ("a", "b")),
        ("First", ("a", "b")),
        ("p1, Second", ("a", "b", "c")),
        ("nobody", ()),
    ],
)
def test_segments_are_of_chosen_providers(providers: str, segments: tuple[str, ...]) -> None:
    assert _audience(policy_of(0, "", providers), user={"data": _DATA}).segments == segments


def test_settings_name_sources() -> None:
    policy = policy_of(755, " Liveramp.com, id ,", "")
    assert policy == UserDataPolicy(755, ("liveramp.com", "id"), frozenset())
    assert eid_sources(" Liveramp.com, id ,eids, uidapi.com") == ["liveramp.com", "uidapi.com"]
    assert policy_of(0, Settings().user_sources, "") == DEFAULT_POLICY
    assert policy_of(0, Settings().user_sources, "").sources == DEFAULT_SOURCES


def test_a_source_that_nothing_has_is_refused() -> None:
    with pytest.raises(ValueError, match="buyerid"):
        Settings(user_sources="buyerid,id")
    assert Settings(user_sources="id, liveramp.com").user_sources == "id, liveramp.com"


def test_our_vendor_needs_consent() -> None:
    consent = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
    fields = {"user": {"id": "u", "consent": consent}, "regs": {"gdpr": 1}}
    assert _audience(UserDataPolicy(vendor=755), **fields).user == ""
