"""OpenRTB objects as msgspec structs: the fields this bidder reads, under the specification's names.

Unknown fields are skipped while decoding. Section numbers are those of OpenRTB 2.6. An absent field is `None`
where absence means something of its own, else the specification's default. Nothing here can be part of
a reference cycle, so the garbage collector need not track it (`gc=False`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from rtb.openrtb.bounds import (
    MOST_BROWSERS,
    MOST_DEALS,
    MOST_EIDS,
    MOST_FLOORS,
    MOST_FORMATS,
    MOST_IMPS,
    MOST_METRICS,
    MOST_PROVIDERS,
    MOST_UIDS,
    Blocks,
    Codes,
    Consent,
    Id,
    Int,
    Mimes,
    Names,
    Text,
)
from rtb.openrtb.content import Channel, Content, ContentExt, Data, Network, Segment
from rtb.openrtb.supply_chain import Source, SourceExt, SupplyChain, SupplyChainNode


class NoBid(IntEnum):
    """Reasons for not bidding (`nbr`), list "No-Bid Reason Codes" of AdCOM 1.0; 500 and up are our own."""

    UNKNOWN = 0
    TECHNICAL = 1
    INVALID = 2
    CRAWLER = 3
    NON_HUMAN = 4
    DATA_CENTER = 5
    USER_CAP = 9
    SELLER_UNKNOWN = 11
    SELLER_UNAUTHORISED = 12
    INSUFFICIENT_TIME = 15
    INCOMPLETE_CHAIN = 16
    BLOCKED_SELLER = 17
    NO_CANDIDATE = 500
    BELOW_FLOOR = 501
    NO_BUDGET = 502
    CURRENCY = 503
    FREQUENCY_AWAY = 504
    NO_CREATIVE = 505
    BLOCKED = 506
    NO_DEAL = 507

    @property
    def progress(self) -> float:
        """How far an imp came: of several reasons the furthest is a request's. Codes of the list say less of that."""
        return self.value if self >= NoBid.NO_CANDIDATE else NoBid.NO_CANDIDATE + 0.5


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

    w: Int | None = None
    h: Int | None = None
    wratio: Int | None = None
    hratio: Int | None = None
    wmin: Int | None = None


class Banner(Struct, omit_defaults=True, gc=False):
    """3.2.6: a display placement. The four bounds are those of 2.3, which some callers still send."""

    format: Annotated[list[Format], Meta(max_length=MOST_FORMATS)] | None = None
    w: Int | None = None
    h: Int | None = None
    wmin: Int | None = None
    wmax: Int | None = None
    hmin: Int | None = None
    hmax: Int | None = None
    btype: Codes | None = None
    battr: Codes | None = None
    pos: Int | None = None
    mimes: Mimes | None = None
    api: Codes | None = None
    id: Id | None = None


class DurFloors(Struct, omit_defaults=True, gc=False):
    """DurFloors of 2.6: the floor of ads of some lengths, which are in seconds; a bound left out is none."""

    mindur: Int | None = None
    maxdur: Int | None = None
    bidfloor: float = 0.0


class Video(Struct, omit_defaults=True, gc=False):
    """3.2.7: a video placement. Durations are in seconds, bitrates in kbit/s."""

    mimes: Mimes | None = None
    minduration: Int | None = None
    maxduration: Int | None = None
    rqddurs: Codes | None = None
    startdelay: Int | None = None
    maxseq: Int | None = None
    poddur: Int | None = None
    slotinpod: Int | None = None
    mincpmpersec: float | None = None
    durfloors: Annotated[list[DurFloors], Meta(max_length=MOST_FLOORS)] | None = None
    protocols: Codes | None = None
    protocol: Int | None = None
    w: Int | None = None
    h: Int | None = None
    plcmt: Int | None = None
    linearity: Int | None = None
    skip: Int | None = None
    skipmin: Int | None = None
    skipafter: Int | None = None
    sequence: Int | None = None
    battr: Codes | None = None
    maxextended: Int | None = None
    minbitrate: Int | None = None
    maxbitrate: Int | None = None
    boxingallowed: Int | None = None
    playbackmethod: Codes | None = None
    delivery: Codes | None = None
    pos: Int | None = None
    api: Codes | None = None


class Audio(Struct, omit_defaults=True, gc=False):
    """3.2.8: an audio placement. Durations are in seconds, bitrates in kbit/s."""

    mimes: Mimes | None = None
    minduration: Int | None = None
    maxduration: Int | None = None
    rqddurs: Codes | None = None
    startdelay: Int | None = None
    maxseq: Int | None = None
    poddur: Int | None = None
    slotinpod: Int | None = None
    mincpmpersec: float | None = None
    durfloors: Annotated[list[DurFloors], Meta(max_length=MOST_FLOORS)] | None = None
    protocols: Codes | None = None
    sequence: Int | None = None
    battr: Codes | None = None
    maxextended: Int | None = None
    minbitrate: Int | None = None
    maxbitrate: Int | None = None
    delivery: Codes | None = None
    api: Codes | None = None
    feed: Int | None = None


class Native(Struct, omit_defaults=True, gc=False):
    """3.2.9: a native placement; `rtb.inventory.slots` reads its request.

    `request` is JSON in a string as the specification asks, or the object itself. Early callers had no `request` and
    put its fields here.
    """

    request: Any = None
    ver: Id | None = None
    api: Codes | None = None
    battr: Codes | None = None
    assets: Any = None


class Deal(Struct, omit_defaults=True, gc=False):
    """3.2.12: a deal struck beforehand. Its currency is its own, not that of the imp."""

    id: Id
    bidfloor: float = 0.0
    bidfloorcur: Id = "USD"
    at: Int | None = None
    wseat: Names | None = None
    wadomain: Names | None = None
    guar: Int = 0
    mincpmpersec: float | None = None
    durfloors: Annotated[list[DurFloors], Meta(max_length=MOST_FLOORS)] | None = None


class Pmp(Struct, omit_defaults=True, gc=False):
    """3.2.11: the private marketplace of an impression."""

    private_auction: Int = 0
    deals: Annotated[list[Deal], Meta(max_length=MOST_DEALS)] | None = None


class Qty(Struct, omit_defaults=True, gc=False):
    """3.2.31: the impressions that one sale stands for, as on a screen that many people see."""

    multiplier: float = 1.0


class Metric(Struct, omit_defaults=True, gc=False):
    """3.2.5: a measure of the placement, such as how often it is in view."""

    type: Id | None = None
    value: float | None = None


class RefSettings(Struct, omit_defaults=True, gc=False):
    """3.2.34: one way in which the placement reloads its ad; the least interval is in seconds."""

    minint: Int | None = None


class Refresh(Struct, omit_defaults=True, gc=False):
    """3.2.33: how the placement reloads its ad."""

    refsettings: Annotated[list[RefSettings], Meta(max_length=MOST_METRICS)] | None = None


class SKAdNetworkList(Struct, omit_defaults=True, gc=False):
    """Extension SKAdNetwork: the ad networks that an app lists besides those of IAB's list."""

    addl: Names | None = None


class SKAdNetworkRequest(Struct, omit_defaults=True, gc=False):
    """Extension SKAdNetwork: the ad networks whose installs the app reports to Apple."""

    skadnetids: Names | None = None
    skadnetlist: SKAdNetworkList | None = None


class ImpPrebid(Struct, omit_defaults=True, gc=False):
    """The place where Prebid Server puts `rwdd` for callers of 2.5."""

    is_rewarded_inventory: Int | None = None


class ImpExt(Struct, omit_defaults=True, gc=False):
    """Extensions of an imp, and the place of fields that came after 2.5."""

    gpid: Id | None = None
    skadn: SKAdNetworkRequest | None = None
    rewarded: Int | None = None
    prebid: ImpPrebid | None = None


class Imp(Struct, omit_defaults=True, gc=False):
    """3.2.4: one impression on offer. `dt` is in milliseconds, beyond the range of `Int`."""

    id: Id
    banner: Banner | None = None
    video: Video | None = None
    audio: Audio | None = None
    native: Native | None = None
    pmp: Pmp | None = None
    instl: Int = 0
    tagid: Id | None = None
    bidfloor: float = 0.0
    bidfloorcur: Id = "USD"
    secure: Int | None = None
    rwdd: Int = 0
    exp: Int | None = None
    dt: float | None = None
    qty: Qty | None = None
    metric: Annotated[list[Metric], Meta(max_length=MOST_METRICS)] | None = None
    refresh: Refresh | None = None
    ext: ImpExt | None = None


def is_rewarded(imp: Imp) -> bool:
    """Return whether the user is rewarded for seeing an ad: `rwdd`, or where callers of 2.5 put it."""
    if imp.rwdd == 1 or imp.ext is None:
        return imp.rwdd == 1
    return imp.ext.rewarded == 1 or (imp.ext.prebid is not None and imp.ext.prebid.is_rewarded_inventory == 1)


class Publisher(Struct, omit_defaults=True, gc=False):
    """3.2.15: the owner of the site or app."""

    id: Id | None = None
    name: Text | None = None
    domain: Id | None = None


class PlaceExt(Struct, omit_defaults=True, gc=False):
    """The place where OpenRTB 2.5 callers put fields that 2.6 has in `site` and `app`."""

    inventorypartnerdomain: Id | None = None


class Site(Struct, omit_defaults=True, gc=False):
    """3.2.13: the web site."""

    id: Id | None = None
    name: Text | None = None
    domain: Id | None = None
    page: Text | None = None
    cattax: Int = 1
    cat: Names | None = None
    sectioncat: Names | None = None
    pagecat: Names | None = None
    publisher: Publisher | None = None
    content: Content | None = None
    keywords: Text | None = None
    kwarray: Names | None = None
    inventorypartnerdomain: Id | None = None
    ext: PlaceExt | None = None


class App(Struct, omit_defaults=True, gc=False):
    """3.2.14: the application."""

    id: Id | None = None
    name: Text | None = None
    bundle: Id | None = None
    domain: Id | None = None
    cattax: Int = 1
    cat: Names | None = None
    sectioncat: Names | None = None
    pagecat: Names | None = None
    publisher: Publisher | None = None
    content: Content | None = None
    keywords: Text | None = None
    kwarray: Names | None = None
    inventorypartnerdomain: Id | None = None
    ext: PlaceExt | None = None


class Dooh(Struct, omit_defaults=True, gc=False):
    """3.2.35: the digital out-of-home screen."""

    id: Id | None = None
    name: Text | None = None
    domain: Id | None = None
    venuetype: Names | None = None
    venuetypetax: Int = 1
    publisher: Publisher | None = None
    content: Content | None = None
    keywords: Text | None = None


class Geo(Struct, omit_defaults=True, gc=False):
    """3.2.19: a place. The accuracy is in metres."""

    lat: float | None = None
    lon: float | None = None
    accuracy: Int | None = None
    zip: Id | None = None
    metro: Id | None = None

    country: Id | None = None
    region: Id | None = None
    city: Id | None = None


class BrandVersion(Struct, omit_defaults=True, gc=False):
    """3.2.30: the name of a browser or a platform, and the parts of its version."""

    brand: Id | None = None
    version: Names | None = None


class UserAgentExt(Struct, omit_defaults=True, gc=False):
    """The Global Privacy Control beside the client hints; it is `Any` as in `DeviceExt`."""

    gpc: Any = None


class UserAgent(Struct, omit_defaults=True, gc=False):
    """3.2.29: the browser and its platform, from the client hints that it sent; `gpc` is `Any` as in `DeviceExt`."""

    browsers: Annotated[list[BrandVersion], Meta(max_length=MOST_BROWSERS)] | None = None
    platform: BrandVersion | None = None
    mobile: Int | None = None
    model: Id | None = None
    gpc: Any = None
    ext: UserAgentExt | None = None


class DeviceExt(Struct, omit_defaults=True, gc=False):
    """Privacy signals of the device that the specification has no fields for, and the place of `sua` before 2.6.

    The signals are `Any`, as what cannot be read forbids (`rtb.privacy.permissions`).
    """

    atts: Any = None
    gpc: Any = None
    ifa_type: Id | None = None
    sua: UserAgent | None = None


class Device(Struct, omit_defaults=True, gc=False):
    """3.2.18: the user's device."""

    ua: Text | None = None
    sua: UserAgent | None = None
    ip: Id | None = None
    geo: Geo | None = None
    devicetype: Int | None = None
    os: Id | None = None
    language: Id | None = None
    langb: Id | None = None
    carrier: Id | None = None
    connectiontype: Int | None = None
    ipv6: Id | None = None
    dnt: Int | None = None
    lmt: Int | None = None
    ifa: Id | None = None
    ext: DeviceExt | None = None


class Uid(Struct, omit_defaults=True, gc=False):
    """3.2.28: one id of the user."""

    id: Id | None = None


class Eid(Struct, omit_defaults=True, gc=False):
    """3.2.27: ids of the user from one source, which is a domain."""

    source: Id | None = None
    uids: Annotated[list[Uid], Meta(max_length=MOST_UIDS)] | None = None


class UserExt(Struct, omit_defaults=True, gc=False):
    """The place where OpenRTB 2.5 callers put fields that 2.6 has in `user`."""

    consent: Consent | None = None
    eids: Annotated[list[Eid], Meta(max_length=MOST_EIDS)] | None = None


class User(Struct, omit_defaults=True, gc=False):
    """3.2.20: the user who sees the impression."""

    id: Id | None = None
    buyeruid: Id | None = None
    data: Annotated[list[Data], Meta(max_length=MOST_PROVIDERS)] | None = None
    consent: Consent | None = None
    eids: Annotated[list[Eid], Meta(max_length=MOST_EIDS)] | None = None
    ext: UserExt | None = None


class Dsa(Struct, omit_defaults=True, gc=False):
    """The request's object of IAB's extension for the EU's Digital Services Act: what must be said of an ad."""

    dsarequired: Int = 0
    pubrender: Int | None = None
    datatopub: Int | None = None


class RegsExt(Struct, omit_defaults=True, gc=False):
    """The place where OpenRTB 2.5 callers put fields that 2.6 has in `regs`, and where extensions are.

    `s22580` is California's law on the privacy of minors, by its section.
    """

    coppa: Int | None = None
    gdpr: Int | None = None
    us_privacy: Id | None = None
    gpp: Consent | None = None
    gpp_sid: Codes | None = None
    gpc: Any = None
    dsa: Dsa | None = None
    s22580: Any = None


class Regs(Struct, omit_defaults=True, gc=False):
    """3.2.3: rules that apply to the request."""

    coppa: Int = 0
    gdpr: Int | None = None
    us_privacy: Id | None = None
    gpp: Consent | None = None
    gpp_sid: Codes | None = None
    gpc: Any = None
    dsa: Dsa | None = None
    ext: RegsExt | None = None


class BidRequest(Struct, omit_defaults=True, gc=False):
    """3.2.1: the top-level request."""

    id: Id
    imp: Annotated[list[Imp], Meta(max_length=MOST_IMPS)]
    site: Site | None = None
    app: App | None = None
    dooh: Dooh | None = None
    device: Device | None = None
    user: User | None = None
    test: Int = 0
    at: Int = 0  # absent: the exchange's profile decides
    tmax: Int | None = None
    wseat: Names | None = None
    bseat: Names | None = None
    cur: Names | None = None
    wlang: Names | None = None
    wlangb: Names | None = None
    acat: Names | None = None
    bcat: Names | None = None
    cattax: Int = 1
    badv: Blocks | None = None
    bapp: Blocks | None = None
    source: Source | None = None
    regs: Regs | None = None


DESCRIPTIVE = frozenset(
    {
        *(Site, App, Dooh, PlaceExt, Publisher, Content, ContentExt, Network, Channel),
        *(Geo, Device, DeviceExt, UserAgent, UserAgentExt, BrandVersion),
        *(User, UserExt, Data, Segment, Eid, Uid),
        *(Source, SourceExt, SupplyChain, SupplyChainNode),
        *(Metric, Refresh, RefSettings, SKAdNetworkRequest, SKAdNetworkList, ImpPrebid, ImpExt),
    }
)
"""Descriptive objects: an unreadable field of theirs is dropped. All others constrain the answer (floors, sizes,
blocks, privacy), so an unreadable field makes the request invalid."""

BINDING = frozenset({"dnt", "lmt", "device"})
"""Fields that are never dropped although they are in, or are, a descriptive object: they carry privacy signals."""

VERBATIM = frozenset({"consent", "us_privacy", "gpp"})
"""Privacy strings: a number there is neither coerced to a string nor taken for an absent value."""
