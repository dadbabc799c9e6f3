"""A bid request without OpenRTB: one slot, a few plain fields; and what it is answered."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, Literal

import msgspec

from rtb.openrtb import NoBid
from rtb.openrtb.types import Bid, BidResponse

Pixels = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Name = Annotated[str, msgspec.Meta(max_length=255)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=1_000)]
Long = Annotated[str, msgspec.Meta(max_length=4_096)]
Cpm = Annotated[float, msgspec.Meta(ge=0, lt=1e9)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Form = Literal["banner", "video", "native", "audio"]

DEVICES = {"mobile": 1, "pc": 2, "tv": 3, "phone": 4, "tablet": 5, "connected": 6, "set-top": 7, "ooh": 8}
"""Names of OpenRTB device types (AdCOM list "Device Types")."""

DeviceName = Literal["mobile", "pc", "tv", "phone", "tablet", "connected", "set-top", "ooh"]


class FlatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One slot on offer.

    Attributes:
        id: the caller's name for it, given back in the answer; made up when empty.
        format: what is sold; `banner` and `video` need a size.
        w: width in pixels.
        h: height in pixels.
        sizes: sizes that fit a banner as well, `[[300, 250], [320, 50]]`.
        seconds: longest video or audio.
        page: URL of the page it is on; or:
        app: bundle of the app it is in. A slot is on a page or in an app, not both.
        publisher: domain of who owns the page or app, where the URL does not say.
        floor: lowest price taken, CPM.
        currency: of the floor and of the answer's price; empty: the platform's.
        first_price: whether the winner pays its own bid, else the second price.
        user: the caller's id of the user.
        buyer_user: our own id of the user, where the caller knows it.
        segments: ids of user segments.
        device: a device type by name.
        os: operating system.
        ua: user agent.
        ip: address of the user, version 4 or 6.
        language: ISO 639-1.
        geo: country as ISO 3166-1 alpha-3, with a region after a slash where it is known: `USA/CA`.
        block_categories: IAB categories not taken.
        block_advertisers: advertisers' domains not taken.
        block_attributes: creative attributes not taken (AdCOM list "Creative Attributes").
        interstitial: whether it fills the screen.
        secure: whether the markup must load over https.
        coppa: whether the user is a child (COPPA).
        gdpr: whether GDPR applies; unknown when left out.
        consent: TCF consent string.
        us_privacy: US privacy string.
        gpp: Global Privacy Platform string.
        gpp_sid: its sections that apply.
        limit_tracking: whether the user asked not to be tracked.
        tmax_ms: milliseconds to answer in; 0: as the platform's settings say.
        test: whether nothing is really sold.
    """

    id: Name = ""
    format: Form = "banner"
    w: Pixels | None = None
    h: Pixels | None = None
    sizes: Annotated[tuple[tuple[Pixels, Pixels], ...], msgspec.Meta(max_length=50)] = ()
    seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 30
    page: Long = ""
    app: Name = ""
    publisher: Name = ""
    floor: Cpm = 0.0
    currency: Currency | Literal[""] = ""
    first_price: bool = False
    user: Name = ""
    buyer_user: Name = ""
    segments: Names = ()
    device: DeviceName | None = None
    os: Name = ""
    ua: Long = ""
    ip: Name = ""
    language: Name = ""
    geo: Annotated[str, msgspec.Meta(pattern="^([A-Za-z]{3}(/[A-Za-z0-9-]{1,10})?)?$")] = ""
    block_categories: Names = ()
    block_advertisers: Names = ()
    block_attributes: Annotated[tuple[int, ...], msgspec.Meta(max_length=100)] = ()
    interstitial: bool = False
    secure: bool = True
    coppa: bool = False
    gdpr: bool | None = None
    consent: Long = ""
    us_privacy: Name = ""
    gpp: Long = ""
    gpp_sid: Annotated[tuple[int, ...], msgspec.Meta(max_length=50)] = ()
    limit_tracking: bool = False
    tmax_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    test: bool = False

    def __post_init__(self) -> None:
        """See that the fields make sense together."""
        if (self.w is None) != (self.h is None):
            raise ValueError("`w` and `h` come together")
        if self.page and self.app:
            raise ValueError("a slot is on a `page` or in an `app`, not both")
        if self.format == "banner" and self.w is None and not self.sizes:
            raise ValueError("a banner needs `w` and `h`, or `sizes`")
        if self.format == "video" and self.w is None:
            raise ValueError("a video needs `w` and `h`")


class FlatBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slots on offer at once.

    Attributes:
        bids: at most 500.
    """

    bids: Annotated[tuple[FlatRequest, ...], msgspec.Meta(min_length=1, max_length=500)]


class Notices(msgspec.Struct, frozen=True, kw_only=True):
    """URLs that settle a bid, with OpenRTB macros to fill in. `POST /auction-result` does the same."""

    win: str
    bill: str
    loss: str


class FlatAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a slot gets: a bid, or the reason why there is none.

    Attributes:
        id: of the request.
        bid: whether there is one. Without, only `reason` and `message` are there.
        reason: a short name of why there is no bid.
        message: the same for people.
        price: what is bid, CPM.
        currency: of the price.
        bid_id: names the bid.
        token: settles it: see `POST /auction-result`. Signed, so that nobody can make one up.
        adm: the markup to show. Its macros are those of OpenRTB.
        campaign: id of the campaign.
        creative: id of what is shown, with the campaign's before it.
        w: width in pixels.
        h: height in pixels.
        adomain: the advertiser's domains.
        categories: of what is advertised.
        expires_seconds: how long the bid is good for.
        notices: URLs that settle it as well.
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
    """What each slot of a batch gets, in order."""

    results: list[FlatAnswer]


_TOKEN = re.compile(r"/notice/(?:win|bill|loss)/([A-Za-z0-9_-]{1,512})")

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
    "timeout": "the time allowed was over",
    "stage_failed": "a part of the platform failed; the next request may be answered",
}

_decoder = msgspec.json.Decoder(BidResponse)


def to_openrtb(flat: FlatRequest, currency: str) -> tuple[str, bytes]:
    """The request's id, and OpenRTB 2.6 that says the same.

    Args:
        flat: what is offered.
        currency: the platform's, for requests that name none.
    """
    name = flat.id or f"flat-{secrets.token_hex(8)}"
    currency = flat.currency or currency
    imp = {
        "id": "1",
        flat.format: _FORMS[flat.format](flat),
        "bidfloor": flat.floor,
        "bidfloorcur": currency,
        "instl": int(flat.interstitial),
        "secure": int(flat.secure),
    }
    said = {
        "id": name,
        "imp": [imp],
        "site": _site(flat),
        "app": _app(flat),
        "device": _device(flat),
        "user": _user(flat),
        "regs": _regs(flat),
        "at": 1 if flat.first_price else 2,
        "cur": [currency],
        "tmax": flat.tmax_ms or None,
        "bcat": flat.block_categories,
        "badv": flat.block_advertisers,
        "test": int(flat.test),
    }
    return name, msgspec.json.encode(_tidy(said))


def from_openrtb(name: str, body: bytes) -> FlatAnswer:
    """The best bid of an OpenRTB response, flat.

    Args:
        name: the request's id.
        body: the response.
    """
    response = _decoder.decode(body)
    best: Bid = max((bid for seat in response.seatbid for bid in seat.bid), key=lambda bid: bid.price)
    urls = (best.nurl or "", best.burl or "", best.lurl or "")
    return FlatAnswer(
        id=name,
        bid=True,
        price=best.price,
        currency=response.cur,
        bid_id=best.id,
        token=next((token for url in urls if (token := token_in(url))), ""),
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
    """The answer when there is no bid."""
    short = reason.name.lower() if isinstance(reason, NoBid) else reason
    return FlatAnswer(id=name, bid=False, reason=short, message=_SPOKEN.get(short, short.replace("_", " ")))


def token_in(url: str) -> str:
    """The token of a notice URL of money, empty when it holds none."""
    found = _TOKEN.search(url)
    return found[1] if found else ""


def _banner(flat: FlatRequest) -> dict[str, Any]:
    sizes = [{"w": w, "h": h} for w, h in flat.sizes]
    return {"w": flat.w, "h": flat.h, "format": sizes, "battr": flat.block_attributes}


def _video(flat: FlatRequest) -> dict[str, Any]:
    """In-stream as most players take it: VAST 2 to 4, inline or wrapped, MP4 or WebM."""
    return {
        "mimes": ["video/mp4", "video/webm"],
        "minduration": 1,
        "maxduration": flat.seconds,
        "protocols": [2, 3, 5, 6, 7, 8],
        "w": flat.w,
        "h": flat.h,
        "linearity": 1,
        "startdelay": 0,
        "plcmt": 1,
        "battr": flat.block_attributes,
    }


def _audio(flat: FlatRequest) -> dict[str, Any]:
    return {
        "mimes": ["audio/mpeg", "audio/mp4", "audio/ogg"],
        "minduration": 1,
        "maxduration": flat.seconds,
        "protocols": [2, 3, 5, 6, 7, 8, 9, 10],
        "battr": flat.block_attributes,
    }


def _native(flat: FlatRequest) -> dict[str, Any]:
    """A title and a picture; an icon, a text and the advertiser's name where there are any."""
    picture = {"type": 3, "wmin": flat.w or 1, "hmin": flat.h or 1}
    assets = [
        {"id": 1, "required": 1, "title": {"len": 90}},
        {"id": 2, "required": 1, "img": picture},
        {"id": 3, "required": 0, "img": {"type": 1, "wmin": 1, "hmin": 1}},
        {"id": 4, "required": 0, "data": {"type": 2, "len": 140}},
        {"id": 5, "required": 0, "data": {"type": 1, "len": 25}},
    ]
    request = {"ver": "1.2", "context": 1, "plcmttype": 1, "assets": assets}
    return {"request": msgspec.json.encode(request).decode(), "ver": "1.2", "battr": flat.block_attributes}


_FORMS = {"banner": _banner, "video": _video, "audio": _audio, "native": _native}


def _site(flat: FlatRequest) -> dict[str, Any] | None:
    if flat.app or not (flat.page or flat.publisher):
        return None
    host = re.match(r"^[a-z]+://([^/:?#@]+)", flat.page.lower())
    publisher = {"domain": flat.publisher}
    return {"page": flat.page, "domain": host[1] if host else flat.publisher, "publisher": publisher}


def _app(flat: FlatRequest) -> dict[str, Any] | None:
    return {"bundle": flat.app, "publisher": {"domain": flat.publisher}} if flat.app else None


def _device(flat: FlatRequest) -> dict[str, Any]:
    country, _, region = flat.geo.upper().partition("/")
    return {
        "devicetype": DEVICES.get(flat.device or ""),
        "os": flat.os,
        "ua": flat.ua,
        "ipv6" if ":" in flat.ip else "ip": flat.ip,
        "language": flat.language,
        "lmt": int(flat.limit_tracking),
        "geo": {"country": country, "region": region},
    }


def _user(flat: FlatRequest) -> dict[str, Any]:
    segments = [{"id": segment} for segment in flat.segments]
    data = [{"segment": segments}] if segments else []
    return {"id": flat.user, "buyeruid": flat.buyer_user, "consent": flat.consent, "data": data}


def _regs(flat: FlatRequest) -> dict[str, Any]:
    return {
        "coppa": int(flat.coppa),
        "gdpr": None if flat.gdpr is None else int(flat.gdpr),
        "us_privacy": flat.us_privacy,
        "gpp": flat.gpp,
        "gpp_sid": flat.gpp_sid,
    }


def _tidy(value: Any) -> Any:
    """Without what says nothing: null, empty texts, lists and objects."""
    if not isinstance(value, dict):
        return value
    inner = {name: _tidy(part) for name, part in value.items()}
    return {name: part for name, part in inner.items() if part is not None and part not in ("", (), [], {})}
