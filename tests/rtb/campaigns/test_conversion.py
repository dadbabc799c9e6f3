"""Campaigns in a currency of their own."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rtb.campaigns.campaign import Budget, Campaign, CampaignError, Goal, HeldDeal, decode_campaign
from rtb.campaigns.conversion import in_platform_currency, with_rate
from tests.rtb.builders import make_campaign

_MAY_BE_NONE = ("daily", "max_bid", "price", "floor")
_MICROS, _WORTH = (st.integers(min_value=least, max_value=10**12) for least in (0, 1))
_RATES = st.floats(min_value=1e-3, max_value=1e3)


def _campaign(currency: str = "EUR", rate: float | None = 0.5, amounts: Mapping[str, int] = {}) -> Campaign:
    names = ("total", "daily", "value", "max_bid", "price", "floor")
    total, daily, value, max_bid, price, floor = (amounts.get(name, number) for number, name in enumerate(names, 1))
    return replace(
        make_campaign(),
        currency=currency,
        exchange_rate=rate,
        budget=Budget(total_micros=total, daily_micros=daily),
        goal=Goal(value_micros=value, max_bid_micros=max_bid),
        deals=(HeldDeal(id="d", price_micros=price, floor_micros=floor),),
    )


def _amounts(campaign: Campaign) -> list[int]:
    budget, goal, (deal,) = campaign.budget, campaign.goal, campaign.deals
    limits = [budget.total_micros, budget.daily_micros, goal.value_micros, goal.max_bid_micros]
    return [*limits, deal.price_micros, deal.floor_micros]


def test_amounts_are_in_the_platforms_currency() -> None:
    ours = in_platform_currency(_campaign())
    assert (ours.currency, ours.exchange_rate, _amounts(ours)) == ("", None, [2, 4, 6, 8, 10, 12])
    assert in_platform_currency(ours) is ours


def test_what_has_no_currency_stays_as_it_is() -> None:
    campaign = make_campaign()
    assert with_rate(campaign) is in_platform_currency(campaign) is campaign


@given(st.fixed_dictionaries({"total": _WORTH, "value": _WORTH, **dict.fromkeys(_MAY_BE_NONE, _MICROS)}), _RATES)
def test_no_more_is_spent_than_allowed_and_no_less_than_agreed(amounts: dict[str, int], rate: float) -> None:
    campaign = _campaign(rate=rate, amounts=amounts)
    theirs, ours = _amounts(campaign), _amounts(in_platform_currency(campaign))
    for allowed, micros in zip(theirs[:4], ours[:4], strict=True):
        exact = Fraction(allowed) / Fraction(rate)
        assert micros == max(1, int(exact)) if allowed else micros == 0  # 0 is no limit
    for agreed, micros in zip(theirs[4:], ours[4:], strict=True):
        assert 0 <= micros - Fraction(agreed) / Fraction(rate) < 1


def test_the_rate_is_that_of_now_unless_the_campaign_names_one() -> None:
    assert with_rate(_campaign(rate=None), {"EUR": 0.92}.get).exchange_rate == 0.92
    assert with_rate(_campaign(rate=0.9), {"EUR": 0.92}.get).exchange_rate == 0.9


@pytest.mark.parametrize(
    ("campaign", "known", "place"),
    [
        (_campaign(rate=None), {}, "$.currency"),
        (_campaign(rate=None), {"EUR": 1e10}, "$.currency"),
        (_campaign(rate=None), {"EUR": 0.0}, "$.currency"),
        (_campaign(currency="", rate=0.9), {}, "$.exchange_rate"),
        (_campaign(rate=0.5, amounts={"total": 2**53}), {}, "$.exchange_rate"),
        (_campaign(rate=1e-8, amounts={"price": 2**50}), {}, "$.exchange_rate"),
    ],
)
def test_what_cannot_be_converted_is_refused(campaign: Campaign, known: dict[str, float], place: str) -> None:
    with pytest.raises(CampaignError, match=f"at `{place.replace('$', '[$]')}`"):
        with_rate(campaign, known.get)


@pytest.mark.parametrize(
    "fields",
    [
        {"currency": "eur"},
        {"currency": "EURO"},
        {"currency": "EUR\n"},
        {"currency": 978},
        {"currency": "EUR", "exchange_rate": 0},
        {"currency": "EUR", "exchange_rate": -1},
        {"currency": "EUR", "exchange_rate": 1e9},
        {"currency": "EUR", "exchange_rate": "0.9"},
    ],
)
def test_what_is_no_currency_or_rate_is_refused(fields: dict[str, object]) -> None:
    sent = {**msgspec.to_builtins(make_campaign()), **fields}
    with pytest.raises(CampaignError, match=r"currency|exchange_rate"):
        decode_campaign(msgspec.json.encode(sent))
