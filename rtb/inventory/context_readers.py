"""How each kind of context is read from a request or an imp: see `rtb.inventory.context`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from rtb.campaigns.countries import country_code
from rtb.inventory import blocks
from rtb.openrtb.content import Channel, Content, Network
from rtb.openrtb.supply_chain import chain_of, is_complete, names_of, sellers_of
from rtb.openrtb.types import App, BidRequest, Dooh, Imp, Site, is_rewarded

Values = tuple[str, ...]
YES, NO = ("yes",), ("no",)

_MOST_KEYWORDS = 1_000
_OPEN_OOH = 1  # the default of `venuetypetax`
_ROLLS = {0: "pre", -1: "mid", -2: "post"}
_VIEWABILITY = "viewability"


def _place(request: BidRequest) -> Site | App | Dooh | None:
    return request.site or request.app or request.dooh


def _content(request: BidRequest) -> Content | None:
    place = _place(request)
    return place.content if place is not None else None


def _lower(names: Iterable[str | None]) -> Values:
    return tuple(dict.fromkeys(plain for name in names if name and (plain := name.strip().lower())))


def _categories(request: BidRequest) -> Values:
    """Return the content categories in taxonomy 1.0, each with its parent."""
    place, content = _place(request), _content(request)
    found: list[str] = []
    if isinstance(place, Site | App) and place.cattax == blocks.CONTENT_1:
        found += [*(place.cat or ()), *(place.sectioncat or ()), *(place.pagecat or ())]
    if content is not None and content.cattax == blocks.CONTENT_1:
        found += content.cat or ()
    codes = [blocks.category(name) for name in blocks.categories(found)]
    return tuple(dict.fromkeys(code for name in codes for code in (name, name.split("-")[0])))


def _keywords(request: BidRequest) -> Values:
    place, content = _place(request), _content(request)
    found: list[str] = []
    for one in (place, content):
        if one is not None:
            found += (one.keywords or "").split(",")
            if not isinstance(one, Dooh):
                found += one.kwarray or ()
    return _lower(found[:_MOST_KEYWORDS])


def _genres(request: BidRequest) -> Values:
    content = _content(request)
    return _lower([*(content.genre or "").split(","), *(content.genres or ())]) if content is not None else ()


def _ratings(request: BidRequest) -> Values:
    """Return the content's rating, and that of the quality assurance guidelines as `qag:1` (all), 2 or 3 (mature)."""
    content = _content(request)
    if content is None:
        return ()
    return _lower([content.contentrating, f"qag:{content.qagmediarating}" if content.qagmediarating else None])


def _content_languages(request: BidRequest) -> Values:
    content = _content(request)
    return _language(content.language, content.langb) if content is not None else ()


def _languages(request: BidRequest) -> Values:
    device = request.device
    return _language(device.language, device.langb) if device is not None else ()


def _language(code: str | None, tag: str | None) -> Values:
    """Return a language by ISO 639-1 and, where it is known, with its region or script by BCP 47."""
    named = [name.replace("_", "-") for name in (code, tag) if name]
    return _lower([*named, *(name.split("-")[0] for name in named)])


def _networks(request: BidRequest) -> Values:
    content = _content(request)
    return _names(content.network, content.ext.network if content.ext else None) if content is not None else ()


def _channels(request: BidRequest) -> Values:
    content = _content(request)
    return _names(content.channel, content.ext.channel if content.ext else None) if content is not None else ()


def _names(one: Network | Channel | None, earlier: Network | Channel | str | None) -> Values:
    """Return id, name and domain of a network or channel, also from where callers of 2.5 put it."""
    found = one or earlier
    if found is None or isinstance(found, str):
        return _lower([found])
    return _lower([found.id, found.name, found.domain])


def _content_segments(request: BidRequest) -> Values:
    content = _content(request)
    data = (content.data or ()) if content is not None else ()
    return tuple(dict.fromkeys(s.id for one in data for s in one.segment or () if s.id))


def _zip(request: BidRequest) -> Values:
    geo = request.device.geo if request.device is not None else None
    country = country_code(geo.country) if geo is not None and geo.country else ""
    if geo is None or not geo.zip or not country:
        return ()
    code = geo.zip.strip().upper()
    return tuple(f"{country}/{one}" for one in dict.fromkeys((code, code.split("-")[0])))


def _metro(request: BidRequest) -> Values:
    geo = request.device.geo if request.device is not None else None
    return _lower([geo.metro]) if geo is not None else ()


def _sellers(request: BidRequest) -> Values:
    return names_of(sellers_of(chain_of(request.source)))


def _venues(dooh: Dooh) -> Values:
    """Return the types of the venue; codes of another taxonomy than OpenOOH's mean other things."""
    return tuple(dooh.venuetype or ()) if dooh.venuetypetax == _OPEN_OOH else ()


def _rewarded(imp: Imp) -> Values:
    return YES if is_rewarded(imp) else NO


def _networks_of_apple(imp: Imp) -> Values:
    skadn = imp.ext.skadn if imp.ext is not None else None
    if skadn is None:
        return ()
    listed = skadn.skadnetlist
    return _lower([*(skadn.skadnetids or ()), *((listed.addl or ()) if listed is not None else ())])


def _viewability(imp: Imp) -> float:
    """Return the share of impressions in view, 0 to 1, also where it is sent in percent; 0 where it is unknown."""
    shares = [one.value for one in imp.metric or () if (one.type or "").lower() == _VIEWABILITY and one.value]
    return max((share / 100 if share > 1 else share for share in shares), default=0.0)


def _refresh_seconds(imp: Imp) -> float:
    """Return the least seconds between two ads of a placement; endless where it does not reload them."""
    if imp.refresh is None:
        return math.inf
    return min((one.minint or 0 for one in imp.refresh.refsettings or ()), default=0)


def _roll(imp: Imp) -> Values:
    """Return when in the content the ad plays; a positive delay is a moment in its middle."""
    played = imp.video or imp.audio
    if played is None or played.startdelay is None:
        return ()
    return ("mid",) if played.startdelay > 0 else tuple(filter(None, [_ROLLS.get(played.startdelay)]))


OF_REQUEST: dict[str, Callable[[BidRequest], Values]] = {
    "category": _categories,
    "keyword": _keywords,
    "genre": _genres,
    "rating": _ratings,
    "content language": _content_languages,
    "series": lambda request: _lower([content.series]) if (content := _content(request)) is not None else (),
    "livestream": lambda request: YES if (c := _content(request)) is not None and c.livestream == 1 else NO,
    "network": _networks,
    "channel": _channels,
    "content segment": _content_segments,
    "venue": lambda request: _venues(request.dooh) if request.dooh is not None else (),
    "language": _languages,
    "carrier": lambda request: _lower([request.device.carrier]) if request.device is not None else (),
    "connection": lambda request: _code(request.device.connectiontype if request.device is not None else None),
    "zip": _zip,
    "metro": _metro,
    "seller": _sellers,
    "chain": lambda request: ("complete",) if is_complete(chain_of(request.source)) else (),
}
"""What all impressions of a request share, by kind."""

OF_IMP: dict[str, Callable[[Imp], Values]] = {
    "rewarded": _rewarded,
    "refreshed": lambda imp: YES if imp.refresh is not None else NO,
    "skadnetwork": _networks_of_apple,
    "roll": _roll,
    "placement": lambda imp: _code(imp.video.plcmt if imp.video is not None else None),
    "playback": lambda imp: tuple(map(str, (imp.video.playbackmethod or ()) if imp.video is not None else ())),
    "feed": lambda imp: _code(imp.audio.feed if imp.audio is not None else None),
}
"""What is an imp's own, by kind."""

MEASURES: dict[str, Callable[[Imp], float]] = {"viewability": _viewability, "refresh_seconds": _refresh_seconds}
"""Measures of an imp that campaigns set a least value of, by kind."""


def _code(value: int | None) -> Values:
    return () if value is None else (str(value),)
