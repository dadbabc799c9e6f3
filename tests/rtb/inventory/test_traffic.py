"""Traffic that no person is behind."""

from __future__ import annotations

from typing import Any

import crawleruseragents
import pytest

from rtb.inventory.crawlers import CrawlerList, pattern_of
from rtb.inventory.data_centers import DataCenters, shipped
from rtb.inventory.traffic import ANY_TRAFFIC, TrafficFilter
from rtb.openrtb import NoBid, decode_request
from tests.rtb.builders import make_request, to_json

_CRAWLERS = CrawlerList()
_FILTER = TrafficFilter(_CRAWLERS, DataCenters(["198.51.100.0/24", "198.51.101.0/25", "2001:db8::/32"]))
_GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


def _refusal(filter_: TrafficFilter = _FILTER, **fields: Any) -> NoBid | None:
    return filter_.refusal(decode_request(to_json(make_request(**fields))))


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ({"ua": _GOOGLEBOT}, NoBid.CRAWLER),
        ({"ua": "python-requests/2.32"}, NoBid.NON_HUMAN),
        ({"ua": _CHROME.replace("Chrome", "HeadlessChrome")}, NoBid.NON_HUMAN),
        ({"ua": _CHROME}, None),
        ({"ua": _CHROME, "ip": "198.51.100.7"}, NoBid.DATA_CENTER),
        ({"ua": _CHROME, "ip": "198.51.101.200"}, None),
        ({"ip": "::ffff:198.51.101.7"}, NoBid.DATA_CENTER),
        ({"ipv6": "2001:db8:1::2"}, NoBid.DATA_CENTER),
        ({"ip": "203.0.113.7"}, None),
        ({"ip": "not an address"}, None),
        ({}, None),
    ],
)
def test_reasons(device: dict[str, Any], reason: NoBid | None) -> None:
    assert _refusal(device=device) == reason
    assert _refusal(ANY_TRAFFIC, device=device) is None


def test_an_app_may_send_with_a_library_but_is_no_crawler() -> None:
    app: dict[str, Any] = {"site": ..., "app": {"bundle": "com.example"}}
    assert _refusal(**app, device={"ua": "okhttp/4.9.0"}) is None
    assert _refusal(**app, device={"ua": _GOOGLEBOT}) == NoBid.CRAWLER


def test_screens_are_in_data_centres() -> None:
    assert _refusal(site=..., dooh={"id": "screen"}, device={"ip": "198.51.100.7"}) is None


def test_every_crawler_of_the_list_is_found() -> None:
    """The text that is searched before a pattern must not miss what the pattern matches."""
    for entry in crawleruseragents.CRAWLER_USER_AGENTS_DATA:
        one = pattern_of(entry)
        for agent in entry["instances"]:
            if one.pattern.search(agent):
                assert one.literal in agent


def test_the_shipped_addresses_are_read() -> None:
    known = shipped()
    assert "3.0.0.1" in known
    assert "192.0.2.1" not in known
