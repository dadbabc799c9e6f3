"""A bid's markup, built once per slot and creative: text split wherever the click URL goes.

`click_url.join(markup_of(...))` is the bid's `adm`. OpenRTB macros in it are filled in by the exchange.
"""

from __future__ import annotations

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.inventory.slots import BannerSlot, NativeSlot, Slot
from rtb.markup.banner import banner_markup
from rtb.markup.native import native_markup
from rtb.markup.vast import played_markup

__all__ = ["markup_of"]


def markup_of(slot: Slot, campaign: Campaign, creative: Creative) -> list[str]:
    """Return the markup of a creative that fits the slot, in two or more pieces with the click URL between them."""
    if isinstance(slot, BannerSlot):
        return banner_markup(creative)
    if isinstance(slot, NativeSlot):
        return native_markup(slot, campaign, creative)
    return played_markup(slot, campaign, creative)
