"""The way to a price in words: what a click is worth, and what each step made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Step(NamedTuple):
    """A step of the way.

    Attributes:
        name: of the step.
        how: what it goes by; may be empty.
        micros: what it comes to, or takes off.
    """

    name: str
    how: str
    micros: float


def ladder(price: Mapping[str, Any]) -> list[Step]:
    """The steps of an explanation's `price` (`GET /explain/{bid_id}`); those that did nothing are left out."""
    pays, sent, median = price["pays_for"], price["sent"], price["market_median_micros"]
    pcvr = f" x P(conversion | click) {price['pcvr']:.6g}" if pays == "conversion" else ""
    market = f"half of such auctions go for {median:,.0f}" if median else ""
    steps = [
        (True, Step(f"a {pays} is worth", "", price["value_micros"])),
        (True, Step("predicted", f"P(click) {price['pctr']:.6g}{pcvr}", price["value_micros"] * price["chance"])),
        (price["cap_micros"], Step("cap of the campaign", "never above", price["cap_micros"])),
        (True, Step("pacing and policy", f"multiplier {price['multiplier']:.6g}", price["by_value_micros"])),
        (price["shaded_off_micros"], Step("shading takes off", market, -price["shaded_off_micros"])),
        (True, Step("floor", "met", price["floor_micros"])),
        (price["agreed_micros"], Step("agreed in the deal", "", price["agreed_micros"])),
        (True, Step("price", f"sent as {sent['cpm']} {sent['currency']} CPM", price["price_micros"])),
    ]
    return [step for did_something, step in steps if did_something]
