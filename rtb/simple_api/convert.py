"""Conversion of simple requests to OpenRTB 2.6 objects of the same meaning.

They are built as objects, never as JSON: a call brings hundreds of slots, and encoding and decoding each would cost
more than bidding on it. Empty fields are left out, as in an exchange's request. Validity checks are not needed here:
`FlatRequest` accepts nothing that they refuse.
"""

from __future__ import annotations

import re
import secrets
from typing import TypeVar

import msgspec

from rtb.openrtb import App, Banner, BidRequest, Device, Geo, Imp, Site, User
from rtb.openrtb.content import Data, Segment
from rtb.openrtb.types import Audio, Format, Native, Publisher, Regs, Video
from rtb.runtime.caches import memoized
from rtb.simple_api.request import DEVICES, FlatRequest

_HOST = re.compile(r"[a-z]+://([^/:?#@]+)")
_Value = TypeVar("_Value")


def to_bid_request(flat: FlatRequest, currency: str) -> BidRequest:
    """Return the OpenRTB 2.6 request of a simple one; its id is generated where there is none.

    Args:
        flat: simple request.
        currency: the platform's currency, for requests that name none.
    """
    currency = flat.currency or currency
    return BidRequest(
        id=flat.id or f"flat-{secrets.token_hex(8)}",
        imp=[_imp(flat, currency)],
        site=_site(flat),
        app=App(bundle=flat.app, publisher=_publisher(flat)) if flat.app else None,
        device=_device(flat),
        user=_user(flat),
        regs=_regs(flat),
        at=1 if flat.first_price else 2,
        cur=[currency],
        tmax=flat.tmax_ms or None,
        bcat=_listed(flat.block_categories),
        badv=_listed(flat.block_advertisers),
        test=int(flat.test),
    )


def _imp(flat: FlatRequest, currency: str) -> Imp:
    kind = flat.format
    return Imp(
        id="1",
        banner=_banner(flat) if kind == "banner" else None,
        video=_video(flat) if kind == "video" else None,
        audio=_audio(flat) if kind == "audio" else None,
        native=_native(flat) if kind == "native" else None,
        bidfloor=flat.floor,
        bidfloorcur=currency,
        instl=int(flat.interstitial),
        secure=int(flat.secure),
    )


def _banner(flat: FlatRequest) -> Banner:
    sizes = [Format(w=w, h=h) for w, h in flat.sizes]
    return Banner(w=flat.w, h=flat.h, format=sizes or None, battr=_listed(flat.block_attributes))


def _video(flat: FlatRequest) -> Video:
    """Return an in-stream placement as most players take it: VAST 2 to 4, inline or wrapped, MP4 or WebM."""
    return Video(
        mimes=["video/mp4", "video/webm"],
        minduration=1,
        maxduration=flat.seconds,
        protocols=[2, 3, 5, 6, 7, 8],
        w=flat.w,
        h=flat.h,
        linearity=1,
        startdelay=0,
        plcmt=1,
        battr=_listed(flat.block_attributes),
    )


def _audio(flat: FlatRequest) -> Audio:
    return Audio(
        mimes=["audio/mpeg", "audio/mp4", "audio/ogg"],
        minduration=1,
        maxduration=flat.seconds,
        protocols=[2, 3, 5, 6, 7, 8, 9, 10],
        battr=_listed(flat.block_attributes),
    )


def _native(flat: FlatRequest) -> Native:
    request = _native_request(flat.w or 1, flat.h or 1)
    return Native(request=request, ver="1.2", battr=_listed(flat.block_attributes))


@memoized("flat native requests", 1 << 19)
def _native_request(w: int, h: int) -> str:
    """Return a request for a title and an image of at least this size; icon, text and advertiser are optional."""
    assets = [
        {"id": 1, "required": 1, "title": {"len": 90}},
        {"id": 2, "required": 1, "img": {"type": 3, "wmin": w, "hmin": h}},
        {"id": 3, "required": 0, "img": {"type": 1, "wmin": 1, "hmin": 1}},
        {"id": 4, "required": 0, "data": {"type": 2, "len": 140}},
        {"id": 5, "required": 0, "data": {"type": 1, "len": 25}},
    ]
    return msgspec.json.encode({"ver": "1.2", "context": 1, "plcmttype": 1, "assets": assets}).decode()


def _site(flat: FlatRequest) -> Site | None:
    if flat.app or not (flat.page or flat.publisher):
        return None
    host = _HOST.match(flat.page.lower())
    domain = host[1] if host else flat.publisher
    return Site(page=flat.page or None, domain=domain or None, publisher=_publisher(flat))


def _publisher(flat: FlatRequest) -> Publisher | None:
    return Publisher(domain=flat.publisher) if flat.publisher else None


def _device(flat: FlatRequest) -> Device:
    """Return the device; OpenRTB has a field of their own for IPv6 addresses."""
    return Device(
        devicetype=DEVICES[flat.device] if flat.device else None,
        os=flat.os or None,
        ua=flat.ua or None,
        ip=flat.ip if flat.ip and ":" not in flat.ip else None,
        ipv6=flat.ip if ":" in flat.ip else None,
        language=flat.language or None,
        lmt=int(flat.limit_tracking),
        geo=_geo(flat.geo) if flat.geo else None,
    )


def _geo(place: str) -> Geo:
    country, _, region = place.upper().partition("/")
    return Geo(country=country, region=region or None)


def _user(flat: FlatRequest) -> User | None:
    data = [Data(segment=[Segment(id=segment) for segment in flat.segments])] if flat.segments else None
    if not (flat.user or flat.buyer_user or flat.consent or data):
        return None
    return User(id=flat.user or None, buyeruid=flat.buyer_user or None, consent=flat.consent or None, data=data)


def _regs(flat: FlatRequest) -> Regs:
    return Regs(
        coppa=int(flat.coppa),
        gdpr=None if flat.gdpr is None else int(flat.gdpr),
        us_privacy=flat.us_privacy or None,
        gpp=flat.gpp or None,
        gpp_sid=_listed(flat.gpp_sid),
        gpc=1 if flat.gpc else None,
    )


def _listed(values: tuple[_Value, ...]) -> list[_Value] | None:
    return list(values) or None
