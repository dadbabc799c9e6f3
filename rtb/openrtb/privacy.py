"""Whether user-level data may be used for a request. When in doubt: no. The bid works without it."""

from __future__ import annotations

from rtb.openrtb.types import BidRequest

_US_SALE_OPT_OUT = 2
"""Place in a `us_privacy` string ("1YNN") of the answer to "did the user opt out of sale?"."""


def allows_user_data(request: BidRequest) -> bool:
    """True when no signal of the request forbids user identifiers and segments.

    Read: `regs.coppa`, `device.lmt`, `device.dnt`, GDPR without a consent string, `us_privacy` with an opt-out,
    and any GPP section (which this version does not parse, so it counts as a refusal). GDPR, US privacy and
    GPP are looked for in their 2.6 and 2.5 places.
    """
    device, regs = request.device, request.regs
    if device is not None and (device.lmt == 1 or device.dnt == 1):
        return False
    if regs is None:
        return True
    ext = regs.ext
    gdpr = regs.gdpr if regs.gdpr is not None else (ext.gdpr if ext else None)
    us_privacy = regs.us_privacy or (ext.us_privacy if ext else None) or ""
    opted_out = us_privacy[_US_SALE_OPT_OUT : _US_SALE_OPT_OUT + 1].upper() == "Y"
    gpp = regs.gpp or regs.gpp_sid or (ext and (ext.gpp or ext.gpp_sid))
    return not (regs.coppa == 1 or opted_out or gpp or (gdpr == 1 and not _consent(request)))


def _consent(request: BidRequest) -> str:
    """The consent string, empty when there is none."""
    user = request.user
    if user is None:
        return ""
    return user.consent or (user.ext.consent if user.ext else None) or ""
