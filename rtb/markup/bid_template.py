"""Bids as the exchange gets them: prices, notice URLs, markup, and fields of the advertising."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.inventory.impression import Impression
from rtb.inventory.slots import AudioSlot, PlayedSlot, Slot, VideoSlot, protocol_of, size_of
from rtb.markup.template import MarkupTemplate
from rtb.openrtb import Bid
from rtb.openrtb.macros import (
    AUCTION_CURRENCY,
    AUCTION_LOSS,
    AUCTION_MIN_TO_WIN,
    AUCTION_MULTIPLIER,
    AUCTION_PRICE,
)
from rtb.settlement.notice_query import CURRENCY, MIN_TO_WIN, PRICE, QUANTITY
from rtb.settlement.notice_tokens import BidRef, Kind, Signer

_CURRENCY = f"{CURRENCY}={AUCTION_CURRENCY}"
_LEAST = f"{MIN_TO_WIN}={AUCTION_MIN_TO_WIN}"
_SALE = f"{PRICE}={AUCTION_PRICE}&{_CURRENCY}"
_SALE_OF_SEVERAL = f"{_SALE}&{QUANTITY}={AUCTION_MULTIPLIER}"
"""Parameters of a sale of several impressions: what was delivered may be less than what was sold."""

_KINDS = (Kind.WIN, Kind.BILL, Kind.LOSS, Kind.CLICK)


class BidTemplate(NamedTuple):
    """A template of the bids with one creative in one slot.

    Attributes:
        markup: markup to fill in for each bid.
        bid: bid with all common fields; copied for each bid.
    """

    markup: MarkupTemplate
    bid: Bid


class BidOffer(NamedTuple):
    """An offer to an exchange.

    Attributes:
        ref: identity and terms of the bid.
        impression: the impression.
        shown: template of the creative in the impression's slot.
        seconds: how long the bid is valid.
        price_micros: price of one impression.
        bills_by_markup: whether its markup holds the address that charges it.
    """

    ref: BidRef
    impression: Impression
    shown: BidTemplate
    seconds: float
    price_micros: int
    bills_by_markup: bool = False


def bid_template(slot: Slot, campaign: Campaign, creative: Creative, markup: MarkupTemplate) -> BidTemplate:
    """Return the template of bids with this creative in this slot."""
    w, h = size_of(slot, creative) or (None, None)
    bid = Bid(
        id="",
        impid="",
        price=0.0,
        adomain=list(campaign.adomain),
        bundle=campaign.bundle or None,
        iurl=creative.iurl or None,
        cid=campaign.id,
        crid=crid_of(campaign, creative),
        cat=list(campaign.cat) or None,
        cattax=campaign.cattax if campaign.cat else None,
        attr=sorted(creative.attributes) or None,
        apis=list(creative.api) or None,
        protocol=protocol_of(slot) if isinstance(slot, PlayedSlot) else None,
        language=creative.language or None,
        w=w,
        h=h,
        dur=round(seconds_of(creative)) if isinstance(slot, VideoSlot | AudioSlot) else None,
        mtype=slot.mtype,
        slotinpod=slot.slotinpod or None if isinstance(slot, PlayedSlot) else None,
    )
    return BidTemplate(markup, bid)


def bid_of(offer: BidOffer, signer: Signer, base: str) -> Bid:
    """Return the complete bid of an offer.

    Args:
        offer: the offer.
        signer: signer of notice tokens.
        base: base URL of the notice endpoints.
    """
    ref, impression, shown, seconds, price_micros, bills_by_markup = offer
    win, bill, loss, click = signer.sign_all(ref, _KINDS)
    click_url = f"{base}/notice/click/{click}"
    bid = copy(shown.bid)
    bid.id = ref.bid_id
    bid.impid = impression.imp_id
    bid.price = impression.audience.quote.price(price_micros)
    bid.nurl, bid.burl = f"{base}/notice/win/{win}", f"{base}/notice/bill/{bill}"
    if not ref.signed_price:
        sale = _SALE if ref.quantity == 1.0 else _SALE_OF_SEVERAL
        bid.nurl, bid.burl = f"{bid.nurl}?{sale}&{_LEAST}", f"{bid.burl}?{sale}"
    bid.lurl = f"{base}/notice/loss/{loss}?reason={AUCTION_LOSS}&{_LEAST}&{_CURRENCY}"
    bid.adm = shown.markup.filled(click_url, bid.id, bid.burl if bills_by_markup else "")
    bid.dealid = impression.deal.id if impression.deal else None
    bid.exp = int(min(seconds, impression.patience or seconds))
    return bid


def crid_of(campaign: Campaign, creative: Creative) -> str:
    """Return a creative's `crid`."""
    return f"{campaign.id}-{creative.id}"


def seconds_of(creative: Creative) -> float:
    """Return the length of a creative in seconds; 0 for one that does not play."""
    played = creative.video or creative.audio
    return played.duration_seconds if played else 0.0
