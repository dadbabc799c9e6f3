"""One impression on offer, flattened: everything the index, the encoder and the auction read, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from rtb.openrtb import BidRequest, Imp, NoBid
from rtb.openrtb.privacy import allows_user_data
from rtb.openrtb.types import App, Dooh, Site

HOURS_OF_WEEK = 168


class Audience(NamedTuple):
    """What a request says once for all its impressions.

    Attributes:
        inventory: `site`, `app`, `dooh`, or empty when the request names none.
        publisher: the site's domain or the app's bundle, lower case; empty when unknown.
        country: ISO 3166-1 alpha-3, upper case, or empty.
        region: `country/region`, or empty.
        devicetype: OpenRTB list 5.21, 0 when unknown.
        os: lower case, or empty.
        hour_of_week: 0 is Monday 00:00 UTC.
        segments: user segments, sorted; empty where privacy signals forbid user data.
        blocked: keys of what the request blocks: `cat:IAB1`, `adv:example.com`.
        user: an id of the user; empty where there is none or privacy signals forbid user data.
    """

    inventory: str
    publisher: str
    country: str
    region: str
    devicetype: int
    os: str
    hour_of_week: int
    segments: tuple[str, ...]
    blocked: tuple[str, ...]
    user: str = ""


class Impression(NamedTuple):
    """An impression this bidder could bid on.

    Attributes:
        imp_id: the exchange's id of it.
        audience: of its request.
        sizes: allowed (width, height), in the exchange's order of preference.
        pos: position on screen, OpenRTB list 5.4.
        floor_cpm: lowest price taken, CPM.
        first_price: whether the winner pays its own bid.
        blocked: `attr:3` keys of blocked creative attributes.
        interstitial: whether it fills the screen.
    """

    imp_id: str
    audience: Audience
    sizes: tuple[tuple[int, int], ...]
    pos: int
    floor_cpm: float
    first_price: bool
    blocked: tuple[str, ...]
    interstitial: bool = False


def hour_of_week(timestamp: float) -> int:
    """Hour of the week of a Unix time, 0 is Monday 00:00 UTC, 167 is Sunday 23:00."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    return moment.weekday() * 24 + moment.hour


def impressions_of(request: BidRequest, hour: int, currency: str, limit: int) -> tuple[list[Impression], NoBid]:
    """The impressions of a request that can be bid on, at most `limit`, and why not when there are none.

    Args:
        request: a validated request.
        hour: hour of the week now (`hour_of_week`).
        currency: the currency bids are in.
        limit: imps looked at.
    """
    if request.cur and currency not in request.cur:
        return [], NoBid.CURRENCY
    audience = _audience(request, hour)
    first_price = request.at == 1
    reason = NoBid.NO_CANDIDATE
    found = []
    for imp in request.imp[:limit]:
        if imp.bidfloor > 0 and imp.bidfloorcur != currency:
            reason = NoBid.CURRENCY
            continue
        if imp.banner is None or (imp.pmp is not None and imp.pmp.private_auction == 1):
            continue  # only banners are sold to yet, and there are no deals to enter a private auction with
        sizes = _sizes(imp)
        if sizes:
            blocked = tuple(f"attr:{attr}" for attr in imp.banner.battr or ())
            place = (imp.banner.pos or 0, imp.bidfloor, first_price, blocked, imp.instl == 1)
            found.append(Impression(imp.id, audience, sizes, *place))
    return found, reason


def _audience(request: BidRequest, hour: int) -> Audience:
    device = request.device
    geo = device.geo if device else None
    country = (geo.country or "").upper() if geo else ""
    region = f"{country}/{geo.region.upper()}" if geo and geo.region and country else ""
    inventory, publisher = _inventory(request)
    return Audience(
        inventory=inventory,
        publisher=publisher,
        country=country,
        region=region,
        devicetype=(device.devicetype or 0) if device else 0,
        os=(device.os or "").lower() if device else "",
        hour_of_week=hour,
        segments=_segments(request),
        blocked=_blocked(request),
        user=_user(request),
    )


def _inventory(request: BidRequest) -> tuple[str, str]:
    place: Site | App | Dooh | None
    if request.app is not None:
        place, kind = request.app, "app"
        name = request.app.bundle or request.app.domain
    elif request.site is not None:
        place, kind = request.site, "site"
        name = request.site.domain
    elif request.dooh is not None:
        place, kind = request.dooh, "dooh"
        name = request.dooh.domain
    else:
        return "", ""
    if not name and place.publisher is not None:
        name = place.publisher.domain
    return kind, (name or place.id or "").lower()


def _segments(request: BidRequest) -> tuple[str, ...]:
    user = request.user
    if user is None or not user.data or not allows_user_data(request):
        return ()
    return tuple(sorted({s.id for data in user.data for s in data.segment or () if s.id}))


def _user(request: BidRequest) -> str:
    """Our own id of the user if the exchange knows it, else the exchange's; marked, so that the two never meet."""
    user = request.user
    if user is None or not (user.buyeruid or user.id) or not allows_user_data(request):
        return ""
    return f"buyer:{user.buyeruid}" if user.buyeruid else f"exchange:{user.id}"


def _blocked(request: BidRequest) -> tuple[str, ...]:
    categories = tuple(f"cat:{cat}" for cat in request.bcat or ())
    return categories + tuple(f"adv:{domain.lower()}" for domain in request.badv or ())


def _sizes(imp: Imp) -> tuple[tuple[int, int], ...]:
    banner = imp.banner
    if banner is None:
        return ()
    sizes = [(f.w, f.h) for f in banner.format or () if f.w and f.h]
    if banner.w and banner.h and (banner.w, banner.h) not in sizes:
        sizes.append((banner.w, banner.h))
    return tuple((w, h) for w, h in sizes if w and h)
