"""A bid as the exchange gets it: prices, notice URLs, markup, and all that is said of the advertising."""

from __future__ import annotations

from typing import NamedTuple

from rtb.campaign import Campaign
from rtb.creative import Creative
from rtb.impression import Impression
from rtb.notices import BidRef, Kind, Signer
from rtb.openrtb import Bid
from rtb.openrtb.macros import AUCTION_LOSS, AUCTION_MIN_TO_WIN, AUCTION_PRICE
from rtb.slots import AudioSlot, PlayedSlot, VideoSlot, protocol_of, size_of


class Sold(NamedTuple):
    """What is offered to an exchange.

    Attributes:
        ref: identity and ceiling of the bid.
        impression: what it is for.
        campaign: whose it is.
        creative: what is shown.
        markup: of the creative, split wherever the click URL goes.
        seconds: the bid stands.
    """

    ref: BidRef
    impression: Impression
    campaign: Campaign
    creative: Creative
    markup: list[str]
    seconds: float


def bid_of(sold: Sold, signer: Signer, base: str) -> Bid:
    """The bid with everything set.

    Args:
        sold: what is offered.
        signer: of notice tokens.
        base: where exchanges reach the notice endpoints.
    """
    ref, impression, campaign, creative = sold.ref, sold.impression, sold.campaign, sold.creative
    slot = impression.slot
    token = signer.sign(ref, Kind.BILL)
    click_url = f"{base}/notice/click/{signer.sign(ref, Kind.CLICK)}"
    w, h = size_of(slot, creative) or (None, None)
    return Bid(
        id=ref.bid_id,
        impid=impression.imp_id,
        price=impression.audience.quote.price(ref.ceiling_micros),
        nurl=f"{base}/notice/win/{token}?price={AUCTION_PRICE}&min={AUCTION_MIN_TO_WIN}",
        burl=f"{base}/notice/bill/{token}?price={AUCTION_PRICE}",
        lurl=f"{base}/notice/loss/{token}?reason={AUCTION_LOSS}&min={AUCTION_MIN_TO_WIN}",
        adm=click_url.join(sold.markup),
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
        dealid=impression.deal.id if impression.deal else None,
        w=w,
        h=h,
        exp=int(min(sold.seconds, impression.patience or sold.seconds)),
        dur=_whole_seconds(impression, creative),
        mtype=slot.mtype,
        slotinpod=slot.slotinpod or None if isinstance(slot, PlayedSlot) else None,
    )


def crid_of(campaign: Campaign, creative: Creative) -> str:
    """How exchanges know a creative."""
    return f"{campaign.id}-{creative.id}"


def seconds_of(creative: Creative) -> float:
    """How long a creative plays; 0 for one that does not."""
    played = creative.video or creative.audio
    return played.duration_seconds if played else 0.0


def _whole_seconds(impression: Impression, creative: Creative) -> int | None:
    is_played = isinstance(impression.slot, VideoSlot | AudioSlot)
    return round(seconds_of(creative)) if is_played else None
