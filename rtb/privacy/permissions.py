"""Which user data may be used for a request. In doubt: none, as the bid works without it."""

from __future__ import annotations

import re
from typing import NamedTuple

from rtb.openrtb.tcf import consented_purposes
from rtb.openrtb.types import BidRequest, Regs, RegsExt

_STORE, _BASIC_ADS, _PERSONAL_ADS = 1, 2, 4
"""TCF purposes: to store or read information on a device; to select basic ads, which includes frequency capping; and to
select personalised ones."""

_US_PRIVACY = re.compile(r"1[YN-]([YN-])[YN-]", re.ASCII | re.IGNORECASE)
"""US privacy string: version, notice given, opted out of sale, covered by the LSPA."""

_NOT_APPLICABLE = -1  # the `gpp_sid` that means that no section of the GPP string applies

_NO_EXT = RegsExt()


class UserDataPermissions(NamedTuple):
    """Permissions to use user data.

    Attributes:
        identity: whether a user id may be used, for frequency caps.
        profile: whether the user's segments may be used.
    """

    identity: bool
    profile: bool


_ALL, _NOTHING = UserDataPermissions(True, True), UserDataPermissions(False, False)


def allowed_user_data(request: BidRequest) -> UserDataPermissions:
    """Return which user data the privacy signals of a request allow, each read in its 2.6 and its 2.5 place.

    - `regs.coppa`, `device.lmt`, `device.dnt`: nothing.
    - `regs.us_privacy`: nothing after an opt-out of sale, nor when it cannot be read.
    - `regs.gpp`, `regs.gpp_sid`: nothing, as sections are not parsed; `gpp_sid` of only -1 says that none applies.
    - `regs.gdpr` 1: what the purposes in the consent string allow, nothing without a valid one.
    """
    device, regs = request.device, request.regs
    if device is not None and (device.lmt == 1 or device.dnt == 1):
        return _NOTHING
    if regs is None:
        return _ALL
    ext = regs.ext or _NO_EXT
    if regs.coppa == 1 or ext.coppa == 1 or _opted_out(regs.us_privacy or ext.us_privacy or "") or _gpp(regs, ext):
        return _NOTHING
    gdpr = regs.gdpr if regs.gdpr is not None else ext.gdpr
    if gdpr != 1:
        return _ALL if not gdpr else _NOTHING
    purposes = consented_purposes(_consent(request))
    return UserDataPermissions({_STORE, _BASIC_ADS} <= purposes, {_STORE, _PERSONAL_ADS} <= purposes)


def _opted_out(us_privacy: str) -> bool:
    signal = _US_PRIVACY.fullmatch(us_privacy.strip())
    return bool(us_privacy) and (signal is None or signal[1] in "Yy")


def _gpp(regs: Regs, ext: RegsExt) -> bool:
    sections = regs.gpp_sid or ext.gpp_sid
    if sections:
        return any(section != _NOT_APPLICABLE for section in sections)
    return bool(regs.gpp or ext.gpp)


def _consent(request: BidRequest) -> str:
    """Return the consent string; empty where there is none."""
    user = request.user
    if user is None:
        return ""
    return user.consent or (user.ext.consent if user.ext else None) or ""
