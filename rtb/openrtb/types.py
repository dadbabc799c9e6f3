"""OpenRTB objects as msgspec structs: the fields this bidder reads or writes, under the specification's names.

Unknown fields are skipped while decoding. Section numbers are those of OpenRTB 2.6. An absent field is `None`
where absence means something of its own, else the specification's default. Nothing here can refer back to what it is
in, so the garbage collector need not follow it (`gc=False`).
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
    NO_CREATIVE = 505
    BLOCKED = 506
    NO_DEAL = 507


class Loss(IntEnum):
    """Reasons a bid did not win (`${AUCTION_LOSS}`), list "Loss Reason Codes" of AdCOM 1.0."""

    WON = 0
    INTERNAL = 1
    EXPIRED = 2
    INVALID_RESPONSE = 3
    BELOW_FLOOR = 100
    OUTBID = 102


class Format(Struct, omit_defaults=True, gc=False):
    """3.2.10: an allowed size, in device-independent pixels, or as a ratio with a least width."""

    w: int | None = None
    h: int | None = None
    wratio: int | None = None
    hratio: int | None = None
    wmin: int | None = None


class Banner(Struct, omit_defaults=True, gc=False):
    """3.2.6: a display placement. The four bounds are those of 2.3, which some callers still send."""

    format: list[Format] | None = None
    w: int | None = None
    h: int | None = None
    wmin: int | None = None
    wmax: int | None = None
    hmin: int | None = None
    hmax: int | None = None
    btype: list[int] | None = None
    battr: list[int] | None = None
    pos: int | None = None
    mimes: list[str] | None = None
    topframe: int | None = None
    expdir: list[int] | None = None
    api: list[int] | None = None
    id: str | None = None
    vcm: int | None = None


class DurFloors(Struct, omit_defaults=True, gc=False):
    """DurFloors of 2.6: the floor of ads of some lengths, which are in seconds; a bound left out is none."""

    mindur: int | None = None
    maxdur: int | None = None
    bidfloor: float = 0.0


class Video(Struct, omit_defaults=True, gc=False):
    """3.2.7: a video placement. Durations are in seconds, bitrates in kbit/s."""

    mimes: list[str] | None = None
    minduration: int | None = None
    maxduration: int | None = None
    rqddurs: list[int] | None = None
    startdelay: int | None = None
    maxseq: int | None = None
    poddur: int | None = None
    podid: str | None = None
    podseq: int | None = None
    slotinpod: int | None = None
    mincpmpersec: float | None = None
    durfloors: list[DurFloors] | None = None
    protocols: list[int] | None = None
    protocol: int | None = None
    w: int | None = None
    h: int | None = None
    placement: int | None = None
    plcmt: int | None = None
    linearity: int | None = None
    skip: int | None = None
    skipmin: int | None = None
    skipafter: int | None = None
    sequence: int | None = None
    battr: list[int] | None = None
    maxextended: int | None = None
    minbitrate: int | None = None
    maxbitrate: int | None = None
    boxingallowed: int | None = None
    playbackmethod: list[int] | None = None
    playbackend: int | None = None
    delivery: list[int] | None = None
    pos: int | None = None
    companionad: list[Banner] | None = None
    companiontype: list[int] | None = None
    api: list[int] | None = None


class Audio(Struct, omit_defaults=True, gc=False):
    """3.2.8: an audio placement. Durations are in seconds, bitrates in kbit/s."""

    mimes: list[str] | None = None
    minduration: int | None = None
    maxduration: int | None = None
    rqddurs: list[int] | None = None
    startdelay: int | None = None
    maxseq: int | None = None
    poddur: int | None = None
    podid: str | None = None
    podseq: int | None = None
    slotinpod: int | None = None
    mincpmpersec: float | None = None
    durfloors: list[DurFloors] | None = None
    protocols: list[int] | None = None
    sequence: int | None = None
    battr: list[int] | None = None
    maxextended: int | None = None
    minbitrate: int | None = None
    maxbitrate: int | None = None
    delivery: list[int] | None = None
    companionad: list[Banner] | None = None
    companiontype: list[int] | None = None
    api: list[int] | None = None
    feed: int | None = None
    stitched: int | None = None
    nvol: int | None = None


class Native(Struct, omit_defaults=True, gc=False):
    """3.2.9: a native placement; `rtb.slots` reads what it asks for.

    `request` is JSON in a string as the specification wants it, or the object itself. Early callers had no `request`
    and put its fields here.
    """

    request: Any = None
    ver: str | None = None
    api: list[int] | None = None
    battr: list[int] | None = None
    layout: int | None = None
    assets: Any = None


class Deal(Struct, omit_defaults=True, gc=False):
    """3.2.12: a deal struck beforehand. Its currency is its own, not that of the imp."""

    id: str
    bidfloor: float = 0.0
    bidfloorcur: str = "USD"
    at: int | None = None
    wseat: list[str] | None = None
    wadomain: list[str] | None = None
    guar: int = 0
    mincpmpersec: float | None = None
    durfloors: list[DurFloors] | None = None


class Pmp(Struct, omit_defaults=True, gc=False):
    """3.2.11: the private marketplace of an impression."""

    private_auction: int = 0
    deals: list[Deal] | None = None


class Imp(Struct, omit_defaults=True, gc=False):
    """3.2.4: one impression on offer."""

    id: str
    banner: Banner | None = None
    video: Video | None = None
    audio: Audio | None = None
    native: Native | None = None
    pmp: Pmp | None = None
    displaymanager: str | None = None
    displaymanagerver: str | None = None
    instl: int = 0
    tagid: str | None = None
    bidfloor: float = 0.0
    bidfloorcur: str = "USD"
    clickbrowser: int | None = None
    secure: int | None = None
    iframebuster: list[str] | None = None
    rwdd: int = 0
    ssai: int = 0
    exp: int | None = None


class Publisher(Struct, omit_defaults=True, gc=False):
    """3.2.15: who owns the site or app."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None


class Site(Struct, omit_defaults=True, gc=False):
    """3.2.13: the web site."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None
    page: str | None = None
    cat: list[str] | None = None
    publisher: Publisher | None = None


class App(Struct, omit_defaults=True, gc=False):
    """3.2.14: the application."""

    id: str | None = None
    name: str | None = None
    bundle: str | None = None
    domain: str | None = None
    cat: list[str] | None = None
    publisher: Publisher | None = None


class Dooh(Struct, omit_defaults=True, gc=False):
    """3.2.35: the digital out-of-home screen."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None
    publisher: Publisher | None = None


class Geo(Struct, omit_defaults=True, gc=False):
    """3.2.19: a place."""

    country: str | None = None
    region: str | None = None
    city: str | None = None


class Device(Struct, omit_defaults=True, gc=False):
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


class Segment(Struct, omit_defaults=True, gc=False):
    """3.2.22: one thing known of the user."""

    id: str | None = None


class Data(Struct, omit_defaults=True, gc=False):
    """3.2.21: segments from one provider."""

    id: str | None = None
    segment: list[Segment] | None = None


class UserExt(Struct, omit_defaults=True, gc=False):
    """Where OpenRTB 2.5 callers put what 2.6 has in `user`."""

    consent: str | None = None


class User(Struct, omit_defaults=True, gc=False):
    """3.2.20: who sees the impression."""

    id: str | None = None
    buyeruid: str | None = None
    data: list[Data] | None = None
    consent: str | None = None
    ext: UserExt | None = None


class RegsExt(Struct, omit_defaults=True, gc=False):
    """Where OpenRTB 2.5 callers put what 2.6 has in `regs`."""

    coppa: int | None = None
    gdpr: int | None = None
    us_privacy: str | None = None
    gpp: str | None = None
    gpp_sid: list[int] | None = None


class Regs(Struct, omit_defaults=True, gc=False):
    """3.2.3: rules that apply to the request."""

    coppa: int = 0
    gdpr: int | None = None
    us_privacy: str | None = None
    gpp: str | None = None
    gpp_sid: list[int] | None = None
    ext: RegsExt | None = None


class BidRequest(Struct, omit_defaults=True, gc=False):
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
    wlang: list[str] | None = None
    wlangb: list[str] | None = None
    acat: list[str] | None = None
    bcat: list[str] | None = None
    cattax: int = 1
    badv: list[str] | None = None
    bapp: list[str] | None = None
    regs: Regs | None = None


DESCRIPTIVE = frozenset({Site, App, Dooh, Publisher, Geo, Device, User, UserExt, Data, Segment})
"""Objects that only describe: a field of theirs that cannot be read is left out. Everything else binds what may be
answered (floors, sizes, blocks, privacy), so a field that cannot be read makes the request invalid."""

BINDING = frozenset({"dnt", "lmt", "device"})
"""Fields that bind although they are in, or are, a descriptive object: they carry privacy signals."""

VERBATIM = frozenset({"consent", "us_privacy", "gpp"})
"""Privacy strings: a number there is not taken for the string of its digits, nor for the absence of one."""


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


class SeatBid(Struct, gc=False):
    """4.2.2: the offers of one seat."""

    bid: list[Bid]
    seat: str = ""


class BidResponse(Struct, gc=False):
    """4.2.1: the top-level response."""

    id: str
    seatbid: list[SeatBid]
    bidid: str = ""
    cur: str = "USD"
