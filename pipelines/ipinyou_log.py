"""A line of iPinYou's impression log as an OpenRTB bid request."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from rtb.tables import BadLine, flag, identifier, is_absent, whole

CNY_PER_USD = 6.1
"""Yuan per US dollar in the autumn of 2013, when the iPinYou logs were recorded."""

_FEN_PER_CNY = 100
_CHINA = timezone(timedelta(hours=8))  # the clock of the logs

MOST_FEN = 100_000
"""Upper bound of a plausible CPM: a higher price is in another unit."""

_MOST_PIXELS = 100_000
_REMEMBERED = 1 << 12  # cached addresses and User-Agents: they repeat, and each line is read twice


class LogLine(NamedTuple):
    """The columns of an iPinYou impression log, in their order, as text; prices are CPM in fen."""

    click: str
    weekday: str
    hour: str
    bidid: str
    timestamp: str
    logtype: str
    ipinyouid: str
    useragent: str
    ip: str
    region: str
    city: str
    adexchange: str
    domain: str
    url: str
    urlid: str
    slotid: str
    slotwidth: str
    slotheight: str
    slotvisibility: str
    slotformat: str
    slotprice: str
    creative: str
    bidprice: str
    payprice: str
    keypage: str
    advertiser: str
    usertag: str


class _Platform(NamedTuple):
    """The platform of a `useragent`: the part before its underscore."""

    os: str
    devicetype: int  # OpenRTB list 5.21
    comment: str  # the comment in the User-Agent header
    mark: str = ""  # what the header has before its browser


_PLATFORMS = {
    "windows": _Platform("Windows", 2, "Windows NT 6.1"),
    "mac": _Platform("macOS", 2, "Macintosh; Intel Mac OS X 10_8"),
    "linux": _Platform("Linux", 2, "X11; Linux x86_64"),
    "android": _Platform("Android", 1, "Linux; Android 4.2"),
    "ios": _Platform("iOS", 1, "iPhone; CPU iPhone OS 7_0 like Mac OS X", "Version/6.0 Mobile/10A403 "),
}

_MARKS = (
    ("android", "android"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("ipod", "ios"),
    ("windows", "windows"),
    ("mac os", "mac"),
    ("macintosh", "mac"),
    ("linux", "linux"),
)
"""Substring of a User-Agent header in lower case -> platform; the first match counts."""

_BROWSERS = {
    "chrome": "Chrome/30.0",
    "firefox": "Firefox/24.0",
    "ie": "MSIE 9.0",
    "safari": "Safari/536.26",
    "opera": "Opera/12.16",
    "maxthon": "Maxthon/4.1",
    "sogou": "SE 2.X MetaSr 1.0",
    "theworld": "MSIE 9.0; TheWorld",
    "other": "",
}

_BELOW = "secondview thirdview fourthview fifthview sixthview seventhview eighthview ninthview tenthview"
_POSITIONS = {"firstview": 1, "1": 1, "0": 0, "255": 0, "otherview": 0} | dict.fromkeys(
    [*_BELOW.split(), *map(str, range(2, 11))], 3
)
"""Slot visibility in lower case -> OpenRTB ad position (list 5.4): 1 above the fold, 3 below it, 0 unknown."""


def to_row(line: LogLine, cny_per_usd: float) -> dict[str, Any]:
    """Convert a log line to a request with its market price (USD CPM), click and time.

    Raises:
        BadLine: an invalid field.
    """
    return {
        "request": request_of(line, cny_per_usd),
        "market_price_cpm": _usd_cpm(line.payprice, "payprice", cny_per_usd),
        "click": flag(line.click, "click"),
        "ts": _unix_seconds(line.timestamp),
    }


def not_understood(line: LogLine) -> list[str]:
    """Return the columns of a line whose value could not be read into its request."""
    understood = {"useragent": _agent(line.useragent), "ip": _address(line.ip), "slotvisibility": _position(line)}
    return [name for name, value in understood.items() if value is None]


def request_of(line: LogLine, cny_per_usd: float) -> dict[str, Any]:
    """Return the bid request of a log line; it names no site if the log does not.

    Raises:
        BadLine: an invalid field.
    """
    if is_absent(line.bidid):
        raise BadLine("bidid is empty")
    site = _present({"domain": line.domain, "page": line.url})
    exchange = identifier(line.adexchange)
    return {
        "id": line.bidid,
        "imp": [_imp(line, cny_per_usd)],
        **({"site": site} if site else {}),
        "device": _device(line),
        "user": _user(line),
        "at": 2,
        "cur": ["USD"],
        **({"ext": {"adexchange": exchange}} if exchange else {}),
    }


def _imp(line: LogLine, cny_per_usd: float) -> dict[str, Any]:
    banner = {
        "w": whole(line.slotwidth, "slotwidth", 1, _MOST_PIXELS, "a size in pixels"),
        "h": whole(line.slotheight, "slotheight", 1, _MOST_PIXELS, "a size in pixels"),
        "pos": _position(line) or 0,
    }
    floor = _usd_cpm(line.slotprice, "slotprice", cny_per_usd)
    return {"id": "1", **_present({"tagid": line.slotid}), "banner": banner, "bidfloor": floor, "bidfloorcur": "USD"}


def _position(line: LogLine) -> int | None:
    """Return the OpenRTB ad position, None if the value is not understood."""
    said = identifier(line.slotvisibility)
    return _POSITIONS.get(said.lower()) if said else 0


def _device(line: LogLine) -> dict[str, Any]:
    geo = {"country": "CHN", **_present({"region": line.region, "city": line.city})}
    address = _address(line.ip)
    return {**(_agent(line.useragent) or {}), "geo": geo, **({"ip": address} if address else {})}


@lru_cache(_REMEMBERED)
def _agent(said: str) -> dict[str, Any] | None:
    """Return User-Agent header, system and type of the device: empty if unknown, None if not understood.

    Args:
        said: pair such as `windows_chrome`, or a whole header.
    """
    if is_absent(said):
        return {}
    if "/" in said or " " in said.strip():
        name = next((name for mark, name in _MARKS if mark in said.lower()), "other")
        known = _PLATFORMS.get(name)
        return {"ua": said.strip(), **({"os": known.os, "devicetype": known.devicetype} if known else {})}
    system, _, browser = said.strip().partition("_")
    platform = _PLATFORMS.get(system.lower())
    if platform is None:
        return {} if system.lower() == "other" else None
    agent = f"Mozilla/5.0 ({platform.comment}) {platform.mark}{_BROWSERS.get(browser.lower(), browser)}".strip()
    return {"ua": agent, "os": platform.os, "devicetype": platform.devicetype}


@lru_cache(_REMEMBERED)
def _address(said: str) -> str | None:
    """Return the address, whose last number the log masks: empty if there is none, None if it is invalid."""
    if is_absent(said):
        return ""
    try:
        return str(ipaddress.ip_address(said.strip().replace("*", "0")))
    except ValueError:
        return None


def _user(line: LogLine) -> dict[str, Any]:
    user: dict[str, Any] = _present({"id": line.ipinyouid})
    segments = [{"id": tag} for tag in map(identifier, line.usertag.split(",")) if tag]
    if segments:
        user["data"] = [{"id": "ipinyou", "segment": segments}]
    return user


def _present(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields that are not empty."""
    return {name: found for name, value in fields.items() if (found := identifier(value))}


def _usd_cpm(fen: str, name: str, cny_per_usd: float) -> float:
    """Convert a price of the log (CPM in fen) to US dollars, to a millionth."""
    return round(whole(fen, name, 0, MOST_FEN, "a CPM in fen, a whole number") / _FEN_PER_CNY / cny_per_usd, 6)


def _unix_seconds(timestamp: str) -> int:
    """Parse `yyyyMMddHHmmssSSS` in China's time into Unix seconds."""
    try:
        digits = identifier(timestamp)
        if len(digits) != 17 or not (digits.isascii() and digits.isdigit()):
            raise ValueError
        moment = datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=_CHINA)
    except ValueError as error:
        raise BadLine(f"timestamp is {timestamp[:40]!r}, not yyyyMMddHHmmssSSS") from error
    return int(moment.timestamp())
