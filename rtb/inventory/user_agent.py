"""Browser, system and kind of a device, from client hints or the User-Agent header; and the network of an address.

Headers are read by the patterns that `ua-parser` keeps, compiled once a process (`load`); `device` caches the results.
They tell browser and system, but not phone from tablet nor a television: a few marks do.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ua_parser.core import Domain
from ua_parser.loaders import load_builtins
from ua_parser.regex import Resolver

from rtb.openrtb.types import UserAgent
from rtb.runtime.caches import memoized

UNKNOWN, MOBILE, PC, TV, PHONE, TABLET, CONNECTED = 0, 1, 2, 3, 4, 5, 6
"""Device types, OpenRTB list 5.21."""

_MOST_CHARACTERS = 512
"""Longer headers repeat what they say, and matching takes as long as a header is."""

_OTHER = "other"
_FAMILIES = {
    "edge": ("Edge", "Edge Mobile", "Microsoft Edge"),
    "opera": ("Opera", "Opera Mobile", "Opera Mini", "Opera Tablet", "Opera Touch", "Opera GX", "Opera Coast"),
    "samsung": ("Samsung Internet",),
    "ucbrowser": ("UC Browser",),
    "maxthon": ("Maxthon",),
    "sogou": ("Sogou Explorer",),
    "theworld": ("TheWorld Browser",),
    "webview": ("Chrome Mobile WebView", "Android WebView"),
    "firefox": ("Firefox", "Firefox Mobile", "Firefox iOS", "Firefox Focus", "Firefox Beta", "Firefox Alpha"),
    "chrome": ("Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chromium", "HeadlessChrome", "Google Chrome"),
    "ie": ("IE", "IE Mobile"),
    "safari": ("Safari", "Mobile Safari"),
}
"""Our names of browsers, and theirs in `ua-parser` and in client hints."""

_BROWSERS = {family: name for name, families in _FAMILIES.items() for family in families}
_BROWSERS |= {name: name for name in _FAMILIES}  # as redacted requests have them
_BROWSERS |= {"edg": "edge", "samsungbrowser": "samsung", "metasr": "sogou", "; wv)": "webview", "msie": "ie"}
"""Also as the redacted requests of former versions have them."""

_BASIS = "Chromium"
"""The engine, which client hints name beside the browser."""

_SYSTEMS = {
    "mac os x": "macos",
    "mac os": "macos",
    "chromium os": "chrome os",
    "chromeos": "chrome os",
    "atv os x": "tvos",
    "web0s": "webos",
    "ipados": "ios",
}
"""Our names of systems where `ua-parser` and client hints have others, in lower case."""

_DESKTOPS = frozenset(
    {"windows", "macos", "linux", "chrome os", "ubuntu", "debian", "fedora", "linux mint", "red hat", "suse", "freebsd"}
)
_TELEVISIONS = frozenset(
    {"tvos", "webos", "tizen tv", "roku", "chromecast", "android tv", "google tv", "vidaa", "fire tv"}
)

_TV_MARK = re.compile(
    r"smart[-_]?tv|hbbtv|apple ?tv|google ?tv|android ?tv|netcast|web0s|roku|crkey|chromecast|bravia|viera|philipstv|"
    r"\btv\b|\baft[a-z]{1,5}\b|shield android|mibox|mitv|vidaa|nettv|dtv|ce-html",
    re.IGNORECASE,
)
_TABLET_MARK = re.compile(r"ipad|tablet(?! pc)|kindle|playbook", re.IGNORECASE)
_TYPE_MARKS = (
    (re.compile(r"playstation|xbox|nintendo", re.IGNORECASE), CONNECTED),
    (re.compile(r"iphone|ipod", re.IGNORECASE), PHONE),
    (re.compile(r"ipad", re.IGNORECASE), TABLET),
    (_TV_MARK, TV),
    (_TABLET_MARK, TABLET),
    (re.compile(r"mobile|windows phone", re.IGNORECASE), PHONE),
)
"""Marks of device types in headers; the first that is found counts."""

_BROWSER_MARK = "Mozilla/"
_ANDROID, _SAFARI_MARK = "Android", " Safari/"
"""The family of every header from Android without a known browser; its own former browser called itself Safari."""


class Platform(NamedTuple):
    """The system of a device in lower case, empty where unknown, and its type."""

    os: str
    devicetype: int


def load() -> None:
    """Compile the patterns, which takes half a second; else the first header does."""
    _resolver()


def browser_of(agent: str) -> str:
    """Return the family of the browser, or `other`; there is no `app`: apps show ads in a `webview` or do not tell.

    Args:
        agent: a User-Agent header.
    """
    known = _BROWSERS.get(agent)
    if known is not None:
        return known
    header = agent[:_MOST_CHARACTERS]
    found = _resolver()(header, Domain.USER_AGENT).user_agent
    if found is not None and found.family == _ANDROID and _SAFARI_MARK in header:
        return "safari"
    return _BROWSERS.get(found.family, _OTHER) if found is not None else _OTHER


def browser_of_hints(hints: UserAgent) -> str:
    """Return the family of the browser that client hints name; empty where they name none that we know."""
    brands = [one.brand for one in hints.browsers or () if one.brand]
    named = [_BROWSERS[brand] for brand in brands if brand in _BROWSERS and brand != _BASIS]
    if named:
        return named[0]
    return _BROWSERS[_BASIS] if _BASIS in brands else ""


def platform_of(agent: str) -> Platform:
    """Return the platform of a User-Agent header."""
    header = agent[:_MOST_CHARACTERS]
    found = _resolver()(header, Domain.OS).os
    system = system_named(found.family) if found is not None else ""
    return Platform(system, _type_of(header, system))


def platform_of_hints(hints: UserAgent) -> Platform:
    """Return the platform that client hints name."""
    brand = hints.platform.brand if hints.platform is not None else None
    system = system_named(brand or "")
    model = hints.model or ""
    if system in _TELEVISIONS or _TV_MARK.search(model):
        return Platform(system, TV)
    if (brand or "").lower() == "ipados" or _TABLET_MARK.search(model):
        return Platform(system, TABLET)
    if hints.mobile == 1 or system == "ios":
        return Platform(system, PHONE)
    if system == "android" and hints.mobile == 0:
        return Platform(system, TABLET)
    return Platform(system, PC if system in _DESKTOPS else UNKNOWN)


def system_named(name: str) -> str:
    """Return our name of a system."""
    lower = name.strip().lower()
    return _SYSTEMS.get(lower, "" if lower == _OTHER else lower)


def _type_of(header: str, system: str) -> int:
    """Return the device type of a header."""
    marked = next((devicetype for mark, devicetype in _TYPE_MARKS if mark.search(header)), UNKNOWN)
    if marked:
        return marked
    if system == "android" and header.startswith(_BROWSER_MARK):
        return TABLET  # browsers on phones say Mobile; apps on either do not
    if system in ("android", "ios"):
        return MOBILE
    return PC if system in _DESKTOPS else TV if system in _TELEVISIONS else UNKNOWN


@cache
def _resolver() -> Resolver:
    browsers, systems, _ = load_builtins()
    return Resolver((browsers, systems, []))


@memoized("networks", 1 << 19)
def network_of(address: str) -> str:
    """Return the first 16 bits of an IPv4 address or 32 of an IPv6 one: about a provider, never a household.

    Args:
        address: address as text; the result is empty for anything else.
    """
    mark, parts = (":", address.split(":")) if ":" in address else (".", address.split("."))
    return mark.join(parts[:2]).lower() if len(parts) > 2 else ""
