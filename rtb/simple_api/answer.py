"""Answers of the simple API: a bid, or the reason why there is none."""

from __future__ import annotations

import re

import msgspec

from rtb.openrtb import Bid, BidResponse, NoBid


class Notices(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Notice URLs of a bid, with OpenRTB macros to fill in. `POST /auction-result` does the same."""

    win: str
    bill: str
    loss: str


class FlatAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The answer for a slot: a bid, or the reason why there is none.

    Attributes:
        id: id of the request.
        bid: whether there is a bid. Without one, only `reason` and `message` are set.
        reason: short name of why there is no bid.
        message: the reason for people.
        price: price of the bid, CPM.
        currency: currency of the price.
        bid_id: id of the bid.
        token: token for `POST /auction-result`. It is encrypted, so that nobody can forge one.
        adm: markup to show, with OpenRTB's macros.
        campaign: id of the campaign.
        creative: id of the creative, prefixed by the campaign's.
        w: width in pixels.
        h: height in pixels.
        adomain: the advertiser's domains.
        categories: categories of the advertising.
        expires_seconds: how long the bid is valid.
        notices: notice URLs, as an alternative to the token.
    """

    id: str
    bid: bool
    reason: str = ""
    message: str = ""
    price: float | None = None
    currency: str = ""
    bid_id: str = ""
    token: str = ""
    adm: str = ""
    campaign: str = ""
    creative: str = ""
    w: int | None = None
    h: int | None = None
    adomain: list[str] = []
    categories: list[str] = []
    expires_seconds: int | None = None
    notices: Notices | None = None


class FlatAnswers(msgspec.Struct, frozen=True):
    """The answers for the slots of a batch, in order."""

    results: list[FlatAnswer]


_NOTICE = re.compile(r"/notice/(win|bill|loss)/([A-Za-z0-9_-]{1,512})")

_SPOKEN = {
    "no_candidate": "no campaign is for this slot: its place, time or audience fit none that may bid now",
    "no_creative": "campaigns are for this place and audience, but none has a creative that fits the slot",
    "blocked": "campaigns fit, but each is blocked here by its category, advertiser, app or creative",
    "no_deal": "the slot is sold under deals only, and no campaign holds one of them",
    "below_floor": "campaigns fit, but none would pay the floor",
    "no_budget": "campaigns fit, but none has money to bid at the moment",
    "currency": "the floor's currency is not one that bids can be compared with",
    "user_cap": "campaigns fit, but this user has seen enough of them",
    "frequency_away": "campaigns fit, but how often this user saw them cannot be looked up at the moment",
    "crawler": "the User-Agent is a known crawler's, which sees no ads",
    "non_human": "the User-Agent is a program's, which sees no ads",
    "data_center": "the address is a data centre's, where nobody sees ads",
    "incomplete_chain": "campaigns fit, but buy only where the supply chain is complete",
    "blocked_seller": "campaigns fit, but do not buy from the sellers of this slot",
    "seller_unknown": "campaigns fit, but buy only from authorised sellers, and no list of this publisher's is known",
    "seller_unauthorised": "campaigns fit, but buy only from authorised sellers, which those of this slot are not",
    "timeout": "the time allowed was over",
    "stage_failed": "a part of the platform failed; the next request may be answered",
    "no_bidder": "the part that decides on bids does not answer; a later request may be answered",
}


def answer_of(name: str, response: BidResponse) -> FlatAnswer:
    """Return the best bid of an OpenRTB response as a simple answer.

    Args:
        name: id of the request.
        response: response with at least one bid.
    """
    best = max((bid for seat in response.seatbid for bid in seat.bid), key=_price)
    urls = (best.nurl or "", best.burl or "", best.lurl or "")
    return FlatAnswer(
        id=name,
        bid=True,
        price=best.price,
        currency=response.cur,
        bid_id=best.id,
        token=parse_notice_url(urls[1])[1],
        adm=best.adm or "",
        campaign=best.cid or "",
        creative=best.crid or "",
        w=best.w,
        h=best.h,
        adomain=best.adomain or [],
        categories=best.cat or [],
        expires_seconds=best.exp,
        notices=Notices(win=urls[0], bill=urls[1], loss=urls[2]),
    )


def no_bid(name: str, reason: NoBid | str) -> FlatAnswer:
    """Return the answer without a bid."""
    short = reason.name.lower() if isinstance(reason, NoBid) else reason
    return FlatAnswer(id=name, bid=False, reason=short, message=_SPOKEN.get(short, short.replace("_", " ")))


def parse_notice_url(url: str) -> tuple[str, str]:
    """Return kind and token of a money notice URL; both empty where it is none."""
    found = _NOTICE.search(url)
    return (found[1], found[2]) if found else ("", "")


def _price(bid: Bid) -> float:
    return bid.price
