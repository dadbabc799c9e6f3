"""The steps of a price in words, from the worth of a click on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class PriceStep(NamedTuple):
    """A step towards the price.

    Attributes:
        name: name of the step.
        how: basis of the step; may be empty.
        micros: resulting amount, or the amount taken off.
    """

    name: str
    how: str
    micros: float


def price_steps(price: Mapping[str, Any]) -> list[PriceStep]:
    """Return the steps of an explanation's `price` (`GET /explain/{bid_id}`), without those that had no effect."""
    pays, sent, median = price["pays_for"], price["sent"], price["market_median_micros"]
    quantity = price.get("quantity", 1.0)  # an older Controller's explanation has none
    pcvr = f" x P(conversion | click) {price['pcvr']:.6g}" if pays == "conversion" else ""
    market = f"half of such auctions go for {median:,.0f}" if median else ""
    steps = [
        (True, PriceStep(f"a {pays} is worth", "", price["value_micros"])),
        (True, PriceStep("predicted", f"P(click) {price['pctr']:.6g}{pcvr}", price["value_micros"] * price["chance"])),
        (price["cap_micros"], PriceStep("cap of the campaign", "never above", price["cap_micros"])),
        (True, PriceStep("pacing and policy", f"multiplier {price['multiplier']:.6g}", price["by_value_micros"])),
        (price["shaded_off_micros"], PriceStep("shading takes off", market, -price["shaded_off_micros"])),
        (True, PriceStep("floor", "met", price["floor_micros"])),
        (price["agreed_micros"], PriceStep("agreed in the deal", "", price["agreed_micros"])),
        (True, PriceStep("price", f"sent as {sent['cpm']} {sent['currency']} CPM", price["price_micros"])),
        (quantity != 1.0, PriceStep("reserved", f"for {quantity:g} impressions", price.get("reserved_micros", 0))),
    ]
    return [step for did_something, step in steps if did_something]
