"""Archived campaigns, creatives, and campaigns in pages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rtb.campaigns.campaign import CampaignError
from rtb.catalog import CampaignArchived, CampaignChanged, Catalog, CreativeExists, CreativeUnknown
from tests.rtb.builders import make_campaign, make_creative


def test_an_archived_campaign_is_kept_and_never_changes(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    with pytest.raises(CampaignChanged):
        catalog.archive("spring", "anna", 2)
    archived = catalog.archive("spring", "anna", 1)
    assert (archived.campaign.status, archived.version) == ("archived", 2)
    assert catalog.archive("spring", "anna", 2) == archived
    for change in (
        lambda: catalog.change("spring", 2, {"name": "x"}, "anna"),
        lambda: catalog.resume("spring", "anna"),
        lambda: catalog.pause("spring", "anna"),
        lambda: catalog.top_up("spring", 1, "anna"),
        lambda: catalog.add_creative("spring", make_creative("b"), "anna"),
    ):
        with pytest.raises(CampaignArchived):
            change()
    assert catalog.get("spring") == archived
    assert [line.action for line in catalog.history("spring")] == ["create", "archive"]


def test_archiving_has_its_own_call(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    with pytest.raises(CampaignError, match=r"\$\.status"):
        catalog.change("spring", 1, {"status": "archived"}, "anna")
    with pytest.raises(CampaignError, match=r"\$\.status"):
        catalog.add(make_campaign("summer", status="archived"))


def test_creatives_come_and_go(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    grown = catalog.add_creative("spring", make_creative("b"), "anna", 1)
    assert [creative.id for creative in grown.campaign.creatives] == ["banner", "b"]
    with pytest.raises(CreativeExists):
        catalog.add_creative("spring", make_creative("b"), "anna")
    with pytest.raises(CreativeUnknown):
        catalog.drop_creative("spring", "c", "anna")
    assert [creative.id for creative in catalog.drop_creative("spring", "banner", "anna").campaign.creatives] == ["b"]
    with pytest.raises(CampaignError, match="creatives"):
        catalog.drop_creative("spring", "b", "anna")
    assert [line.action for line in catalog.history("spring")] == ["create", "add_creative", "drop_creative"]


def test_pages_hold_every_campaign_once_in_order(catalog: Catalog):
    for number in range(7):
        catalog.add(make_campaign(f"c{number}"))
    seen, after = [], 0
    while True:
        page = catalog.page(after, 3)
        seen += [entry.campaign.id for entry in page.entries]
        if page.next is None:
            break
        assert len(page.entries) == 3
        after = page.next
    assert seen == [f"c{number}" for number in range(7)]
    assert catalog.page(0, 7).next is None


def test_filters(catalog: Catalog):
    for name in ("spring", "summer", "autumn"):
        catalog.add(msgspec.structs.replace(make_campaign(name), name=f"{name.upper()} 100% sale"))
    catalog.pause("summer", "anna")
    catalog.archive("autumn", "anna", 1)

    def found(**filters: Any) -> list[str]:
        return [entry.campaign.id for entry in catalog.page(**filters).entries]

    assert found() == ["spring", "summer"]
    assert found(status="paused") == ["summer"]
    assert found(status="archived") == ["autumn"]
    assert found(status="all") == ["spring", "summer", "autumn"]
    assert found(text="SUMM") == ["summer"]
    assert found(text="00% S") == ["spring", "summer"]
    assert found(text="_") == []
