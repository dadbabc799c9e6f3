"""OpenRTB's response objects, as we write them."""

from __future__ import annotations

from enum import IntEnum

from msgspec import UNSET, Struct, UnsetType


class DsaParameters(Struct, gc=False):
    """Which user data one platform used, in the codes of IAB's extension `dsa`."""

    domain: str
    dsaparams: list[int]


class DsaStatement(Struct, omit_defaults=True, gc=False):
    """The bid's object of IAB's extension `dsa`: on whose behalf an ad is shown, and who shows that."""

    behalf: str
    paid: str
    adrender: int
    transparency: list[DsaParameters] | None = None


class BidExt(Struct, omit_defaults=True, gc=False):
    """Extensions of a bid."""

    dsa: DsaStatement | None = None


class Bid(Struct, omit_defaults=True, gc=False):
    """4.2.3: one offer."""

    id: str
    impid: str
    price: float
    nurl: str | None = None
    burl: str | None = None
    lurl: str | None = None
    adm: str | None = None
    adomain: list[str] | None = None
    bundle: str | None = None
    iurl: str | None = None
    cid: str | None = None
    crid: str | None = None
    cat: list[str] | None = None
    cattax: int | None = None
    attr: list[int] | None = None
    apis: list[int] | None = None
    api: int | None = None
    protocol: int | None = None
    language: str | None = None
    dealid: str | None = None
    w: int | None = None
    h: int | None = None
    wratio: int | None = None
    hratio: int | None = None
    exp: int | None = None
    dur: int | None = None
    mtype: int | None = None
    slotinpod: int | None = None
    ext: BidExt | None = None


class SeatBid(Struct, gc=False):
    """4.2.2: the offers of one seat."""

    bid: list[Bid]
    seat: str = ""


class NonBidStatus(IntEnum):
    """Why an imp has no bid, list "Non-Bid Status Codes" of the extension `seatnonbid`."""

    NO_BID = 0
    UNSUPPORTED_FORMAT = 202


class NonBid(Struct, gc=False):
    """Extension `seatnonbid`: an imp without a bid."""

    impid: str
    statuscode: int


class SeatNonBid(Struct, gc=False):
    """Extension `seatnonbid`: the imps on which a seat does not bid."""

    nonbid: list[NonBid]
    seat: str = ""


class ResponseExt(Struct, gc=False):
    """Extensions of a response."""

    seatnonbid: list[SeatNonBid]


class BidResponse(Struct, gc=False):
    """4.2.1: the top-level response."""

    id: str
    seatbid: list[SeatBid]
    bidid: str = ""
    cur: str = "USD"
    ext: ResponseExt | UnsetType = UNSET


class NoBidResponse(Struct, gc=False):
    """4.2.1 without offers: the reason for not bidding."""

    id: str
    nbr: int
