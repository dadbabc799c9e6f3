"""Campaigns in a currency of their own, and the same ones in the platform's, which ledger, pacing and prices know.

The rate of exchange is a field of the campaign, so that its budget never changes by itself, and all processes convert
alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from msgspec.structs import replace

from rtb.campaigns.campaign import LEAST_RATE, MOST_MICROS, MOST_RATE, Campaign, CampaignError

RateOf = Callable[[str], float | None]
"""Finds how many units of a currency one unit of the platform's is worth; `None`: unknown."""


def no_rate(currency: str) -> None:
    """Find no rate."""


def in_platform_currency(campaign: Campaign) -> Campaign:
    """Return a campaign with its amounts in the platform's currency: itself where they are.

    Amounts are rounded down, so that no more is spent than its owner allows, and what a deal costs up; none becomes 0,
    which would mean no limit.
    """
    if campaign.exchange_rate is None:
        return campaign
    rate = Fraction(campaign.exchange_rate)
    budget, goal = campaign.budget, campaign.goal
    return replace(
        campaign,
        currency="",
        exchange_rate=None,
        budget=replace(
            budget, total_micros=_down(budget.total_micros, rate), daily_micros=_down(budget.daily_micros, rate)
        ),
        goal=replace(
            goal, value_micros=_down(goal.value_micros, rate), max_bid_micros=_down(goal.max_bid_micros, rate)
        ),
        deals=tuple(
            replace(deal, price_micros=_up(deal.price_micros, rate), floor_micros=_up(deal.floor_micros, rate))
            for deal in campaign.deals
        ),
    )


def with_rate(campaign: Campaign, rate_of: RateOf = no_rate) -> Campaign:
    """Return a campaign with a rate for its currency: its own, else that of now.

    Raises:
        CampaignError: there is no rate, a rate without a currency, or an amount that is too much in the platform's.
    """
    if campaign.currency and campaign.exchange_rate is None:
        campaign = replace(campaign, exchange_rate=_known(campaign.currency, rate_of))
    if campaign.exchange_rate is not None:
        _check(campaign)
    return campaign


def _known(currency: str, rate_of: RateOf) -> float:
    rate = rate_of(currency)
    if rate is None or not LEAST_RATE < rate < MOST_RATE:
        raise CampaignError(f"no rate for {currency} is known: name an `exchange_rate` - at `$.currency`")
    return rate


def _check(campaign: Campaign) -> None:
    if not campaign.currency:
        raise CampaignError("an exchange rate needs a currency - at `$.exchange_rate`")
    ours = in_platform_currency(campaign)
    amounts = [ours.budget.total_micros, ours.budget.daily_micros, ours.goal.value_micros, ours.goal.max_bid_micros]
    amounts += [micros for deal in ours.deals for micros in (deal.price_micros, deal.floor_micros)]
    if max(amounts) > MOST_MICROS:
        raise CampaignError("an amount is too much in the platform's currency - at `$.exchange_rate`")


def _down(micros: int, rate: Fraction) -> int:
    return max(1, math.floor(micros / rate)) if micros else 0


def _up(micros: int, rate: Fraction) -> int:
    return math.ceil(micros / rate)
