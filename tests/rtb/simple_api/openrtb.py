"""The OpenRTB request, as JSON, that says what a flat one says: written down apart from the platform's own reading."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from rtb.simple_api import DEVICES, FlatRequest


def to_openrtb(flat: FlatRequest, currency: str) -> bytes:
    """OpenRTB 2.6, with a currency for requests that name none."""
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
        "id": flat.id,
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
    return msgspec.json.encode(_tidy(said))


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
    """Build assets: a title and an image; an icon, a text and the advertiser's name where there are any."""
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
