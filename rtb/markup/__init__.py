"""A bid's markup, built once per slot and creative, and filled in for each bid.

OpenRTB macros in it are filled in by the exchange.
"""

from __future__ import annotations

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.inventory.slots import BannerSlot, NativeSlot, Slot
from rtb.markup.banner import banner_markup
from rtb.markup.native import native_markup, tracker_of
from rtb.markup.template import MarkupTemplate, template_of
from rtb.markup.vast import IMPRESSION_TRACKER, played_markup

__all__ = ["MarkupTemplate", "markup_of"]


def markup_of(slot: Slot, campaign: Campaign, creative: Creative, base: str) -> MarkupTemplate:
    """Return the markup of a creative that fits the slot.

    Args:
        slot: slot to fill.
        campaign: campaign of the creative.
        creative: the creative.
        base: base URL of the notice endpoints.
    """
    if isinstance(slot, BannerSlot):
        return banner_markup(creative)
    if isinstance(slot, NativeSlot):
        return template_of(native_markup(slot, campaign, creative, base), tracker_of(slot))
    return template_of(played_markup(slot, campaign, creative, base), IMPRESSION_TRACKER)
