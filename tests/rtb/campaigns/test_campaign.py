"""Campaigns as their owners send them: read back whole, or refused with the field's name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rtb.campaigns.campaign import CampaignError, Flight, Targeting, decode_campaign
from tests.rtb.builders import make_campaign, make_creative, to_json


def _sent(**fields: Any) -> dict[str, Any]:
    campaign = {
        "id": "spring",
        "name": "Spring",
        "adomain": ["shop.example"],
        "budget": {"total_micros": 1},
        "goal": {"value_micros": 1},
        "creatives": [_creative()],
        **fields,
    }
    return {name: value for name, value in campaign.items() if value is not ...}


def _creative(**fields: Any) -> dict[str, Any]:
    creative = {"id": "c", "w": 300, "h": 250, "image_url": "x", "landing_url": "https://shop.example/", **fields}
    return {name: value for name, value in creative.items() if value is not ...}


def test_campaign_comes_back_as_it_was_sent() -> None:
    campaign = make_campaign(
        kind="conversion",
        max_bid=7,
        status="paused",
        cat=("IAB1-2",),
        targeting=Targeting(countries=("USA",), hours=(0, 167), exclude_publishers=("bad.example",)),
        creatives=(make_creative("a", attr=(1, 2)), make_creative("b", (728, 90), adm="<b>x</b>")),
    )
    assert decode_campaign(msgspec.json.encode(campaign)) == campaign


def test_what_need_not_be_said() -> None:
    campaign = decode_campaign(to_json(_sent()))
    assert (campaign.status, campaign.goal.kind, campaign.goal.max_bid_micros) == ("active", "click", 0)
    assert (campaign.targeting, campaign.frequency) == (Targeting(), None)
    assert (campaign.budget.daily_micros, campaign.budget.timezone, campaign.flight) == (0, "UTC", Flight())


def test_a_flight_and_days_come_back_as_they_were_sent() -> None:
    flight = {"starts_at": "2026-11-27T00:00:00Z", "ends_at": "2026-11-27T01:00:00+00:30"}
    budget = {"total_micros": 1, "daily_micros": 2, "timezone": "Asia/Kathmandu"}
    campaign = decode_campaign(to_json(_sent(flight=flight, budget=budget)))
    assert msgspec.to_builtins(campaign)["flight"] == flight
    assert decode_campaign(msgspec.json.encode(campaign)) == campaign


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (_sent(id=...), "id"),
        (_sent(id=""), r"\$\.id"),
        (_sent(id="a b"), r"\$\.id"),
        (_sent(id="a" * 65), r"\$\.id"),
        (_sent(id=5), r"\$\.id"),
        (_sent(name=""), r"\$\.name"),
        (_sent(status="ended"), r"\$\.status"),
        (_sent(adomain=[]), r"\$\.adomain"),
        (_sent(seat="a/b"), r"\$\.seat"),
        (_sent(colour="red"), "colour"),
        (_sent(budget={"total_micros": 0}), r"\$\.budget\.total_micros"),
        (_sent(budget={"total_micros": 2**53 + 1}), r"\$\.budget\.total_micros"),
        (_sent(budget={"total_micros": 1.5}), r"\$\.budget\.total_micros"),
        (_sent(budget={"total_micros": 1, "flight_seconds": 0}), r"\$\.budget\.flight_seconds"),
        (_sent(budget={"total_micros": 1, "daily_micros": -1}), r"\$\.budget\.daily_micros"),
        (_sent(budget={"total_micros": 1, "timezone": "Berlin"}), r"\$\.budget\.timezone"),
        (_sent(budget={"total_micros": 1, "timezone": "localtime"}), r"\$\.budget\.timezone"),
        (_sent(frequency={"count": 0, "seconds": 60}), r"\$\.frequency\.count"),
        (_sent(frequency={"count": 1, "seconds": 0}), r"\$\.frequency\.seconds"),
        (_sent(frequency={"count": 1}), "seconds"),
        (_sent(flight={"starts_at": "2026-11-27T00:00:00"}), r"\$\.flight\.starts_at"),
        (_sent(flight={"ends_at": 1_795_392_000}), r"\$\.flight\.ends_at"),
        (_sent(flight={"ends_at": "tomorrow"}), r"\$\.flight\.ends_at"),
        (_sent(flight={"starts_at": "2026-11-27T01:00:00Z", "ends_at": "2026-11-27T01:00:00Z"}), "must end after it"),
        (_sent(goal={"value_micros": 0}), r"\$\.goal\.value_micros"),
        (_sent(goal={"value_micros": 1, "max_bid_micros": -1}), r"\$\.goal\.max_bid_micros"),
        (_sent(goal={"value_micros": 1, "kind": "view"}), r"\$\.goal\.kind"),
        (_sent(targeting={"hours": [168]}), r"\$\.targeting\.hours"),
        (_sent(targeting={"inventory": ["radio"]}), r"\$\.targeting\.inventory"),
        (_sent(targeting={"country": ["USA"]}), "country"),
        (_sent(creatives=[]), r"\$\.creatives"),
        (_sent(creatives=[_creative(w=0)]), r"\$\.creatives\[0\]\.w"),
        (_sent(creatives=[_creative(landing_url="")]), "landing_url"),
        (_sent(creatives=[_creative(landing_url=...)]), "landing_url"),
        (_sent(creatives=[_creative(image_url="")]), "adm"),
        (_sent(creatives=[_creative(), _creative(w=728)]), "share an id"),
        (_sent(creatives=[_creative(id=str(number)) for number in range(65)]), r"\$\.creatives"),
    ],
)
def test_unusable_campaign_is_refused_by_its_field(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(CampaignError, match=said):
        decode_campaign(to_json(sent))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"id": "\xff"}', b"[" * 50])
def test_what_is_no_campaign_is_refused(body: bytes) -> None:
    with pytest.raises(CampaignError):
        decode_campaign(body)


@pytest.mark.parametrize("url", ["http://[x", "ftp://shop.example", "shop.example", "javascript:alert(1)", "https://"])
def test_a_landing_url_must_be_a_web_address(url: str) -> None:
    campaign = _sent(creatives=[{**_creative(), "landing_url": url}])
    with pytest.raises(CampaignError, match="landing_url"):
        decode_campaign(to_json(campaign))
