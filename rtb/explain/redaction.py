"""Redaction of requests: only what their bids used of a person is recorded.

What privacy signals forbid is removed together with the signals, so that a redacted request is read the same again.
What they allow stays as far as a price depends on it: segments, the family of the browser, the network of the address.
Ids, addresses, coordinates, postal codes, full user agents and consent strings are always removed: a bid of a campaign
that names places so precisely cannot be decided again.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from rtb.inventory import user_agent
from rtb.openrtb import BidRequest, Device, User, decode_request
from rtb.openrtb.content import Data, Segment
from rtb.openrtb.privacy import UserDataPermissions, allowed_user_data
from rtb.openrtb.types import App, Dooh, Publisher, Site

Place = TypeVar("Place", Site, App, Dooh)

WITHHELD = "withheld"
"""Placeholder of a known user's id."""

_AGENTS = {
    "edge": "edg",
    "samsung": "samsungbrowser",
    "sogou": "metasr",
    "theworld": "theworld",
    "webview": "; wv)",
    "ie": "msie",
}
"""Headers that yield just the browser, where its name alone does not."""


def redacted_body(body: bytes, *, is_flat: bool) -> bytes:
    """Return the JSON of a redacted request.

    Args:
        body: JSON of a request that was bid on.
        is_flat: whether it never came as JSON, and is not checked.
    """
    request = msgspec.json.decode(body, type=BidRequest) if is_flat else decode_request(body)
    return msgspec.json.encode(redacted(request))


def redacted(request: BidRequest) -> BidRequest:
    """Return a redacted request."""
    allowed = allowed_user_data(request)
    return replace(
        request,
        site=_place(request.site),
        app=_place(request.app),
        dooh=_place(request.dooh),
        device=_device(request.device, allowed) if request.device else None,
        user=_user(request.user, allowed) if request.user else None,
        regs=None,
    )


def _place(place: Place | None) -> Place | None:
    """Return the inventory without the page, whose URL may identify its reader, and without unused names."""
    if place is None:
        return None
    publisher = Publisher(domain=place.publisher.domain) if place.publisher else None
    if isinstance(place, Site):
        return replace(place, name=None, page=None, publisher=publisher)
    return replace(place, name=None, publisher=publisher)


def _device(device: Device, allowed: UserDataPermissions) -> Device:
    return Device(
        ua=_agent(device.ua) if device.ua else None,
        ip=_network(device.ip) if device.ip and allowed.profile else None,
        geo=replace(device.geo, lat=None, lon=None, accuracy=None, zip=None) if device.geo else None,
        devicetype=device.devicetype,
        os=device.os,
        language=device.language,
        langb=device.langb,
        carrier=device.carrier,
        connectiontype=device.connectiontype,
    )


def _agent(agent: str) -> str:
    family = user_agent.browser_of(agent)
    return _AGENTS.get(family, family)


def _network(address: str) -> str | None:
    """Return an address of the same network that identifies nobody."""
    network = user_agent.network_of(address)
    if not network:
        return None
    return f"{network}::" if ":" in address else f"{network}.0.0"


def _user(user: User, allowed: UserDataPermissions) -> User | None:
    """Return whether the user was known, without the id, and the segments."""
    known = WITHHELD if allowed.identity and (user.buyeruid or user.id) else None
    ids = {one.id for data in user.data or () for one in data.segment or () if one.id} if allowed.profile else set()
    data = [Data(segment=[Segment(id=name) for name in sorted(ids)])] if ids else None
    return User(buyeruid=known, data=data) if known or data else None
