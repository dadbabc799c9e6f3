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
from rtb.inventory.device import traits_of
from rtb.inventory.disclosure import dsa_of
from rtb.inventory.identity import user_of
from rtb.inventory.publisher import site_domain
from rtb.inventory.user_data import DEFAULT_POLICY, UserDataPolicy, segments_of
from rtb.openrtb import BidRequest, Device, User, decode_request
from rtb.openrtb.content import Data, Segment
from rtb.openrtb.types import App, Dooh, Publisher, Regs, Site
from rtb.privacy.permissions import UserDataPermissions, allowed_user_data

Place = TypeVar("Place", Site, App, Dooh)

WITHHELD = "withheld"
"""Placeholder of a known user's id."""


def redacted_body(body: bytes, *, is_flat: bool, policy: UserDataPolicy = DEFAULT_POLICY) -> bytes:
    """Return the JSON of a redacted request.

    Args:
        body: JSON of a request that was bid on.
        is_flat: whether it never came as JSON, and is not checked.
        policy: rules about user data.
    """
    request = msgspec.json.decode(body, type=BidRequest) if is_flat else decode_request(body)
    return msgspec.json.encode(redacted(request, policy))


def redacted(request: BidRequest, policy: UserDataPolicy = DEFAULT_POLICY) -> BidRequest:
    """Return a redacted request."""
    allowed = allowed_user_data(request, policy.vendor)
    return replace(
        request,
        site=_place(request.site),
        app=_place(request.app),
        dooh=_place(request.dooh),
        device=_device(request.device, allowed) if request.device else None,
        user=_user(request, allowed, policy),
        regs=_regs(request.regs),
    )


def _place(place: Place | None) -> Place | None:
    """Return the inventory without the page, whose URL may identify its reader, and without unused names."""
    if place is None:
        return None
    publisher = Publisher(domain=place.publisher.domain) if place.publisher else None
    if isinstance(place, Site):
        return replace(place, name=None, domain=site_domain(place) or None, page=None, publisher=publisher)
    return replace(place, name=None, publisher=publisher)


def _device(device: Device, allowed: UserDataPermissions) -> Device:
    traits = traits_of(device)
    return Device(
        ua=traits.browser or None,
        ip=_network(device.ip) if device.ip and allowed.profile else None,
        geo=replace(device.geo, lat=None, lon=None, accuracy=None, zip=None) if device.geo else None,
        devicetype=traits.devicetype or None,
        os=traits.os or None,
        language=device.language,
        langb=device.langb,
        carrier=device.carrier,
        connectiontype=device.connectiontype,
    )


def _network(address: str) -> str | None:
    """Return an address of the same network that identifies nobody."""
    network = user_agent.network_of(address)
    if not network:
        return None
    return f"{network}::" if ":" in address else f"{network}.0.0"


def _user(request: BidRequest, allowed: UserDataPermissions, policy: UserDataPolicy) -> User | None:
    """Return whether the user was known, without the id, and the segments."""
    known = WITHHELD if allowed.identity and user_of(request, policy.sources) else None
    segments = segments_of(request, allowed, policy)
    data = [Data(segment=[Segment(id=name) for name in segments])] if segments else None
    return User(buyeruid=known, data=data) if known or data else None


def _regs(regs: Regs | None) -> Regs | None:
    """Return what bids must disclose: it decides what may be bid on, and says nothing of a person."""
    dsa = None if regs is None else dsa_of(regs)
    return Regs(dsa=dsa) if dsa is not None else None
