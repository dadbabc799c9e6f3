"""OpenRTB objects as msgspec structs: the fields this bidder reads or writes, under the specification's names.

Unknown fields are skipped while decoding. Section numbers are those of OpenRTB 2.6. An absent field is `None`
where absence means something of its own, else the specification's default.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from msgspec import Struct


class NoBid(IntEnum):
    """Reasons for not bidding (`nbr`), list "No-Bid Reason Codes" of AdCOM 1.0; 500 and up are our own."""

    UNKNOWN = 0
    TECHNICAL = 1
    INVALID = 2
    USER_CAP = 9
    INSUFFICIENT_TIME = 15
    NO_CANDIDATE = 500
    BELOW_FLOOR = 501
    NO_BUDGET = 502
    CURRENCY = 503
    FREQUENCY_AWAY = 504


class Loss(IntEnum):
    """Reasons a bid did not win (`${AUCTION_LOSS}`), list "Loss Reason Codes" of AdCOM 1.0."""

    WON = 0
    INTERNAL = 1
    EXPIRED = 2
    INVALID_RESPONSE = 3
    BELOW_FLOOR = 100
    OUTBID = 102


class Format(Struct):
    """3.2.10: an allowed size."""

    w: int | None = None
    h: int | None = None


class Banner(Struct):
    """3.2.6: a display placement."""

    w: int | None = None
    h: int | None = None
    format: list[Format] | None = None
    btype: list[int] | None = None
    battr: list[int] | None = None
    pos: int | None = None


class Video(Struct):
    """3.2.7: a video placement."""

    mimes: list[str] | None = None
    minduration: int | None = None
    maxduration: int | None = None
    protocols: list[int] | None = None
    w: int | None = None
    h: int | None = None
    linearity: int | None = None
    battr: list[int] | None = None
    pos: int | None = None


class Deal(Struct):
    """3.2.12: a deal struck beforehand."""

    id: str
    bidfloor: float = 0.0
    bidfloorcur: str = "USD"
    at: int | None = None
    wseat: list[str] | None = None


class Pmp(Struct):
    """3.2.11: the private marketplace of an impression."""

    private_auction: int = 0
    deals: list[Deal] | None = None


class Imp(Struct):
    """3.2.4: one impression on offer."""

    id: str
    banner: Banner | None = None
    video: Video | None = None
    audio: dict[str, Any] | None = None
    native: dict[str, Any] | None = None
    pmp: Pmp | None = None
    instl: int = 0
    tagid: str | None = None
    bidfloor: float = 0.0
    bidfloorcur: str = "USD"
    secure: int | None = None
    exp: int | None = None


class Publisher(Struct):
    """3.2.15: who owns the site or app."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None


class Site(Struct):
    """3.2.13: the web site."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None
    page: str | None = None
    cat: list[str] | None = None
    publisher: Publisher | None = None


class App(Struct):
    """3.2.14: the application."""

    id: str | None = None
    name: str | None = None
    bundle: str | None = None
    domain: str | None = None
    cat: list[str] | None = None
    publisher: Publisher | None = None


class Dooh(Struct):
    """3.2.35: the digital out-of-home screen."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None
    publisher: Publisher | None = None


class Geo(Struct):
    """3.2.19: a place."""

    country: str | None = None
    region: str | None = None
    city: str | None = None


class Device(Struct):
    """3.2.18: what the user holds."""

    ua: str | None = None
    ip: str | None = None
    geo: Geo | None = None
    devicetype: int | None = None
    make: str | None = None
    model: str | None = None
    os: str | None = None
    language: str | None = None
    dnt: int | None = None
    lmt: int | None = None


class Segment(Struct):
    """3.2.22: one thing known of the user."""

    id: str | None = None


class Data(Struct):
    """3.2.21: segments from one provider."""

    id: str | None = None
    segment: list[Segment] | None = None


class UserExt(Struct):
    """Where OpenRTB 2.5 callers put what 2.6 has in `user`."""

    consent: str | None = None


class User(Struct):
    """3.2.20: who sees the impression."""

    id: str | None = None
    buyeruid: str | None = None
    data: list[Data] | None = None
    consent: str | None = None
    ext: UserExt | None = None


class RegsExt(Struct):
    """Where OpenRTB 2.5 callers put what 2.6 has in `regs`."""

    gdpr: int | None = None
    us_privacy: str | None = None
    gpp: str | None = None
    gpp_sid: list[int] | None = None


class Regs(Struct):
    """3.2.3: rules that apply to the request."""

    coppa: int = 0
    gdpr: int | None = None
    us_privacy: str | None = None
    gpp: str | None = None
    gpp_sid: list[int] | None = None
    ext: RegsExt | None = None


class BidRequest(Struct):
    """3.2.1: the top-level request."""

    id: str
    imp: list[Imp]
    site: Site | None = None
    app: App | None = None
    dooh: Dooh | None = None
    device: Device | None = None
    user: User | None = None
    test: int = 0
    at: int = 0  # not said: the profile of its exchange says
    tmax: int | None = None
    wseat: list[str] | None = None
    bseat: list[str] | None = None
    cur: list[str] | None = None
    bcat: list[str] | None = None
    badv: list[str] | None = None
    regs: Regs | None = None


DESCRIPTIVE = frozenset({Site, App, Dooh, Publisher, Geo, Device, User, UserExt, Data, Segment})
"""Objects that only describe: a field of theirs that cannot be read is left out. Everything else binds what may be
answered (floors, sizes, blocks, privacy), so a field that cannot be read makes the request invalid."""

BINDING = frozenset({"dnt", "lmt", "device"})
"""Fields that bind although they are in, or are, a descriptive object: they carry privacy signals."""


class Bid(Struct, omit_defaults=True):
    """4.2.3: one offer."""

    id: str
    impid: str
    price: float
    nurl: str | None = None
    burl: str | None = None
    lurl: str | None = None
    adm: str | None = None
    adomain: list[str] | None = None
    cid: str | None = None
    crid: str | None = None
    cat: list[str] | None = None
    attr: list[int] | None = None
    w: int | None = None
    h: int | None = None
    exp: int | None = None
    mtype: int | None = None


class SeatBid(Struct):
    """4.2.2: the offers of one seat."""

    bid: list[Bid]
    seat: str


class BidResponse(Struct):
    """4.2.1: the top-level response."""

    id: str
    seatbid: list[SeatBid]
    bidid: str
    cur: str
