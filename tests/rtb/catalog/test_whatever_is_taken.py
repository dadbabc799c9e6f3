"""What REST takes of campaigns, creatives and portfolios comes out of database and snapshot as it went in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolio.definition import Member, Portfolio, PortfolioError, decode_portfolio, encode_portfolio
from rtb.campaigns.campaign import (
    Campaign,
    CampaignError,
    Flight,
    FrequencyCap,
    HeldDeal,
    Targeting,
    decode_campaign,
)
from rtb.campaigns.creative import Creative
from rtb.catalog import CampaignExists, Catalog, PortfolioExists
from rtb.pacing.snapshot import CatalogReader, encode_catalog
from rtb.pacing.vetting import Vetter
from rtb.targeting.listing import Listing
from tests.rtb.builders import make_audio, make_campaign, make_native, make_video
from tests.rtb.structs import changed, plain, sent
from tests.support import examples

NewUrl = Callable[[], str]

thorough = settings(
    max_examples=examples(250),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""On each of two databases; `--hypothesis-profile thorough` for a long look."""

_RICH = make_campaign(
    "rich",
    creatives=(make_video(), make_audio(), make_native(), *make_campaign().creatives),
    targeting=Targeting(countries=("USA",), hours=(3, 4)),
    flight=Flight(),
    deals=(HeldDeal(id="d", price_micros=5),),
    frequency=FrequencyCap(count=3, seconds=3_600),
)
_CAMPAIGNS = [plain(make_campaign()), plain(_RICH)]
_PORTFOLIO = plain(Portfolio(id="season", members=(Member(campaign="spring"), Member(campaign="summer"))))


@pytest.fixture
def taken() -> Iterator[Counter[bool]]:
    """How many were taken and refused: a test whose examples are all refused shows nothing."""
    counts: Counter[bool] = Counter()
    yield counts
    assert counts[True] >= 20
    assert counts[False] >= 20


def comes_out(catalog: Catalog, campaign: Campaign) -> None:
    """Check that a recorded campaign bids, and that a Router has it unchanged."""
    entry = catalog.get(campaign.id)
    assert entry is not None
    assert entry.campaign == campaign
    sound, faults = Vetter().vet([entry], time.time())
    assert (sound, faults) == ([entry], [])
    reader = CatalogReader()
    (listing,) = reader.read(encode_catalog([Listing(entry.number, entry.campaign)]))
    assert (listing.campaign, reader.faults) == (campaign, [])


def test_campaigns(catalog: Catalog, taken: Counter[bool]) -> None:
    numbers = count()

    @thorough
    @given(st.one_of([changed(one, Campaign) for one in _CAMPAIGNS]))
    def check(document: Any) -> None:
        document = dict(document)
        if document.get("id") in ("spring", "rich"):  # else it would be taken once
            document["id"] += f"-{next(numbers)}"
        try:
            campaign = decode_campaign(sent(document))
            entry = catalog.add(campaign, "anna")
        except (CampaignError, CampaignExists):
            taken[False] += 1
            return
        taken[True] += 1
        comes_out(catalog, campaign)
        assert entry.campaign == campaign

    check()


def test_changes_of_campaigns(catalog: Catalog, taken: Counter[bool]) -> None:
    catalog.add(_RICH, "anna")

    @thorough
    @given(changed(plain(_RICH), Campaign))
    def check(document: Any) -> None:
        try:
            entry = catalog.change("rich", None, msgspec.json.decode(sent(document)), "anna")
        except (CampaignError, msgspec.MsgspecError):
            taken[False] += 1
            return
        taken[True] += 1
        comes_out(catalog, entry.campaign)

    check()


def test_creatives(catalog: Catalog, taken: Counter[bool]) -> None:
    bases = [plain(one) for one in _RICH.creatives]

    @thorough
    @given(st.one_of([changed(one, Creative) for one in bases]))
    def check(document: Any) -> None:
        try:
            campaign = decode_campaign(sent({**_CAMPAIGNS[0], "creatives": [document]}))
            entry = catalog.get("spring")
            if entry is None:
                catalog.add(campaign, "anna")
            else:
                catalog.change("spring", None, {"creatives": plain(campaign.creatives)}, "anna")
        except CampaignError:
            taken[False] += 1
            return
        taken[True] += 1
        comes_out(catalog, campaign)

    check()


def test_portfolios(catalog: Catalog, taken: Counter[bool]) -> None:
    @thorough
    @given(changed(_PORTFOLIO, Portfolio))
    def check(document: Any) -> None:
        try:
            portfolio = decode_portfolio(sent(document))
            catalog.portfolios.create(portfolio.id, encode_portfolio(portfolio), lambda _: None)
        except (PortfolioError, PortfolioExists):
            taken[False] += 1
            return
        taken[True] += 1
        assert decode_portfolio(catalog.portfolios.get(portfolio.id).body) == portfolio
        catalog.portfolios.delete(portfolio.id, 1)

    check()
