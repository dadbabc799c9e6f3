"""Disclosure of the advertiser in bids, which the EU's Digital Services Act requires (IAB's extension `dsa`)."""

from __future__ import annotations

import html

from rtb.campaigns.campaign import Campaign
from rtb.inventory.impression import Impression
from rtb.openrtb.response import Bid, BidExt, DsaParameters, DsaStatement

_MOST_CHARACTERS = 100
_PROFILING, _BASIC, _PRECISE_PLACE = 1, 2, 3  # data about the user; context and frequency caps; coordinates
_BANNER = "banner"


def disclose(bid: Bid, impression: Impression, campaign: Campaign, domain: str) -> None:
    """Add to a bid, where its request asks, on whose behalf it is made; show it where the publisher cannot.

    Args:
        bid: the bid.
        impression: the impression; of those that need showing only banners are bid on.
        campaign: the bid's campaign.
        domain: our domain, for the statement of which user data was used.
    """
    wanted = impression.audience.disclosure
    if wanted is None:
        return
    advertiser = campaign.advertiser
    behalf = advertiser.behalf if advertiser is not None else campaign.adomain[0][:_MOST_CHARACTERS]
    paid = advertiser.paid if advertiser is not None and advertiser.paid else behalf
    is_shown = wanted.is_ours_to_show and impression.slot.kind == _BANNER
    bid.ext = BidExt(
        dsa=DsaStatement(
            behalf=behalf,
            paid=paid,
            transparency=[DsaParameters(domain, _parameters(impression))] if wanted.has_parameters else None,
            adrender=int(is_shown),
        )
    )
    if is_shown:
        bid.adm = f"{bid.adm}{_caption(behalf, paid)}"


def _parameters(impression: Impression) -> list[int]:
    """Return which user data may have decided, in the codes of the extension."""
    used = [_PROFILING] if impression.audience.segments else []
    return [*used, _BASIC, _PRECISE_PLACE] if impression.context.get("within") else [*used, _BASIC]


def _caption(behalf: str, paid: str) -> str:
    """Return a caption in the corner of the banner."""
    text = f"Ad by {behalf}" if paid == behalf else f"Ad by {behalf}, paid for by {paid}"
    style = "position:absolute;right:0;bottom:0;padding:1px 3px;background:#fff;color:#000;font:9px/1.2 sans-serif"
    return f'<div style="{style}">{html.escape(text)}</div>'
