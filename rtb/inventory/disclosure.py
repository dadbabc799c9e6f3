"""What a bid must disclose of its advertiser under the EU's Digital Services Act (IAB's extension `dsa`)."""

from __future__ import annotations

from typing import NamedTuple

from rtb.openrtb.types import BidRequest, Dsa, Regs

_SUPPORTED, _REQUIRED = 1, 2  # `dsarequired`; 3 is required of the platform's size
_CANNOT_RENDER = 0  # `pubrender`
_NOT_SENT = 0  # `datatopub`


class Disclosure(NamedTuple):
    """What a request asks a bid to disclose.

    Attributes:
        is_required: whether bids without disclosure are refused.
        is_ours_to_show: whether the publisher cannot show it.
        has_parameters: whether the publisher is told which user data was used.
    """

    is_required: bool
    is_ours_to_show: bool
    has_parameters: bool


def dsa_of(regs: Regs) -> Dsa | None:
    """Return what is said about the Digital Services Act, in either place; the stricter where both say something."""
    earlier = regs.ext.dsa if regs.ext is not None else None
    if regs.dsa is None or earlier is None:
        return regs.dsa or earlier
    return earlier if earlier.dsarequired > regs.dsa.dsarequired else regs.dsa


def disclosure_of(request: BidRequest) -> Disclosure | None:
    """Return what a request asks to disclose; `None` where nothing."""
    dsa = None if request.regs is None else dsa_of(request.regs)
    if dsa is None or dsa.dsarequired < _SUPPORTED:
        return None
    return Disclosure(
        is_required=dsa.dsarequired >= _REQUIRED,
        is_ours_to_show=dsa.pubrender == _CANNOT_RENDER,
        has_parameters=dsa.datatopub not in (None, _NOT_SENT),
    )
