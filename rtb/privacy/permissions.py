"""Which user data may be used for a request. In doubt: none, as the bid works without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from rtb.openrtb.types import BidRequest, Device, Regs, RegsExt, UserAgent
from rtb.privacy.bits import UnreadableConsent
from rtb.privacy.gpp import TCF_CANADA, TCF_EU, US_PRIVACY, split_gpp
from rtb.privacy.tcf import BASIC_ADS, PERSONAL_ADS, STORE, TcfConsent, decode_tcf, decode_tcf_canada
from rtb.privacy.us_sections import US_SECTIONS, Fields, decode_us_section
from rtb.runtime.caches import memoized

_US_PRIVACY = re.compile(r"1[YN-]([YN-])[YN-]", re.ASCII | re.IGNORECASE)
"""US privacy string: version, notice given, opted out of sale, covered by the LSPA."""

_NOT_APPLICABLE = -1  # the `gpp_sid` that means that no section of the GPP string applies

_AUTHORIZED = 3  # the `atts` of Apple's App Tracking Transparency that allows tracking

_OFF = (None, False, 0, "", "0", "false")
_NO_EXT = RegsExt()


class UserDataPermissions(NamedTuple):
    """Permissions to use user data.

    Attributes:
        identity: whether a user id may be used, for frequency caps.
        profile: whether the user's segments may be used.
    """

    identity: bool
    profile: bool

    def both(self, other: UserDataPermissions) -> UserDataPermissions:
        """Return what this and the other allow."""
        return UserDataPermissions(self.identity and other.identity, self.profile and other.profile)


_ALL, _NOTHING = UserDataPermissions(True, True), UserDataPermissions(False, False)


def allowed_user_data(request: BidRequest, vendor: int = 0) -> UserDataPermissions:
    """Return which user data all privacy signals of a request allow, each read in its 2.6 and its 2.5 place.

    Of `gdpr` the place of 2.6 counts; of all else, where the places contradict each other, what both allow is allowed.
    `docs/privacy.md` has a table of the signals.

    Args:
        request: the request.
        vendor: our id in the Global Vendor List; 0: none, so that consent to purposes suffices.
    """
    device, regs = request.device, request.regs
    if device is not None and _is_limited(device):
        return _NOTHING
    if regs is None:
        return _ALL
    ext = regs.ext or _NO_EXT
    if regs.coppa or ext.coppa or regs.gpc not in _OFF or ext.gpc not in _OFF or ext.s22580 not in _OFF:
        return _NOTHING
    allowed = _ALL
    if regs.us_privacy or ext.us_privacy:
        for us_privacy in _said(regs.us_privacy, ext.us_privacy):
            allowed = allowed.both(_by_us_privacy(us_privacy))
    if regs.gdpr if regs.gdpr is not None else ext.gdpr:
        for consent in _consents(request) or ("",):
            allowed = allowed.both(_by_tcf(consent, vendor))
    if regs.gpp or ext.gpp or regs.gpp_sid or ext.gpp_sid:
        sections = _joined(regs.gpp_sid, ext.gpp_sid)
        for gpp in _said(regs.gpp, ext.gpp) or ("",):
            allowed = allowed.both(_by_gpp(gpp, sections, vendor))
    return allowed


def set_gpc(request: BidRequest) -> None:
    """Note in a request that its caller stated the Global Privacy Control in a header."""
    request.regs = replace(request.regs or Regs(), gpc=1)  # a copy: decoded objects may be shared with other requests


def _is_limited(device: Device) -> bool:
    """Return whether the device's owner limits tracking."""
    if device.lmt or device.dnt:
        return True
    ext = device.ext
    if _has_gpc(device.sua):
        return True
    if ext is None:
        return False
    is_refused = ext.gpc not in _OFF or ext.atts not in (None, _AUTHORIZED, str(_AUTHORIZED))
    return is_refused or _has_gpc(ext.sua)


def _has_gpc(hints: UserAgent | None) -> bool:
    """Return whether the Global Privacy Control is stated beside client hints."""
    return hints is not None and (hints.gpc not in _OFF or (hints.ext is not None and hints.ext.gpc not in _OFF))


def _said(now: str | None, earlier: str | None) -> tuple[str, ...]:
    """Return what is said in the places of OpenRTB 2.6 and 2.5: nothing, once, or in two ways."""
    if now and earlier and now != earlier:
        return now, earlier
    text = now or earlier
    return (text,) if text else ()


def _joined(now: list[int] | None, earlier: list[int] | None) -> tuple[int, ...]:
    """Return the sections that are named in either place."""
    return tuple(dict.fromkeys([*(now or ()), *(earlier or ())])) if now and earlier else tuple(now or earlier or ())


def _consents(request: BidRequest) -> tuple[str, ...]:
    """Return the consent strings."""
    user = request.user
    return () if user is None else _said(user.consent, user.ext.consent if user.ext is not None else None)


def _by_us_privacy(text: str) -> UserDataPermissions:
    signal = _US_PRIVACY.fullmatch(text.strip())
    return _NOTHING if signal is None or signal[1] in "Yy" else _ALL


@memoized("consents", 1 << 20)
def _by_tcf(text: str, vendor: int) -> UserDataPermissions:
    """Return what a European consent string allows a vendor."""
    return _by_purposes(decode_tcf, text, vendor)


@memoized("gpp", 1 << 19)
def _by_gpp(text: str, applied: tuple[int, ...], vendor: int) -> UserDataPermissions:
    """Return what all sections of a GPP string that apply allow; where it is not said which do, all sections do.

    A section that applies and is missing, unknown or unreadable allows nothing.
    """
    named = {section for section in applied if section != _NOT_APPLICABLE}
    if applied and not named:
        return _ALL
    try:
        sections = split_gpp(text)
    except UnreadableConsent:
        return _NOTHING
    allowed = _ALL
    for section in named or sections:
        allowed = allowed.both(_by_section(section, sections.get(section, ""), vendor))
    return allowed


def _by_section(section: int, text: str, vendor: int) -> UserDataPermissions:
    if section == TCF_EU:
        return _by_purposes(decode_tcf, text, vendor)
    if section == TCF_CANADA:
        return _by_purposes(decode_tcf_canada, text, vendor)
    if section == US_PRIVACY:
        return _by_us_privacy(text)
    known = US_SECTIONS.get(section)
    if known is None:
        return _NOTHING
    try:
        return _by_us_fields(decode_us_section(known, text))
    except UnreadableConsent:
        return _NOTHING


def _by_purposes(decode: Callable[[str], TcfConsent], text: str, vendor: int) -> UserDataPermissions:
    try:
        allowed = decode(text).permitted((STORE, BASIC_ADS, PERSONAL_ADS), vendor)
    except UnreadableConsent:
        return _NOTHING
    return UserDataPermissions(allowed >= {STORE, BASIC_ADS}, allowed >= {STORE, PERSONAL_ADS})


_SCOPES = ("Sale", "Sharing", "TargetedAdvertising")
_OPTED_OUT, _DID_NOT_OPT_OUT = 1, 2
_NOT_NOTIFIED = 2
_NO_CONSENT = 1
_YES = 1
_SERVICE_PROVIDER = 2


def _by_us_fields(fields: Fields) -> UserDataPermissions:
    """Return what a section of the United States allows.

    An opt-out counts as Prebid reads it: also where no notice was given, and where the notice contradicts the choice.
    """
    is_refused = (
        bool(fields.get("Gpc"))
        or any(_values(fields, "KnownChildSensitiveDataConsents"))
        or fields.get("MspaServiceProviderMode") == _YES
        or fields.get("MspaMode") == _SERVICE_PROVIDER
        or fields.get("SharingNotice") == _NOT_NOTIFIED
        or fields.get("ProcessingNotice") == _NOT_NOTIFIED
        or any(_is_opted_out(fields, scope) for scope in _SCOPES)
    )
    if is_refused:
        return _NOTHING
    consents = ("SensitiveDataProcessing", "PersonalDataConsents", "AdditionalDataProcessingConsent")
    refusals = [_NO_CONSENT in _values(fields, name) for name in consents]
    return UserDataPermissions(identity=True, profile=not any(refusals))


def _is_opted_out(fields: Mapping[str, Any], scope: str) -> bool:
    choice, notice = fields.get(f"{scope}OptOut", 0), fields.get(f"{scope}OptOutNotice", 0)
    return choice == _OPTED_OUT or notice == _NOT_NOTIFIED or (choice == _DID_NOT_OPT_OUT and not notice)


def _values(fields: Mapping[str, Any], name: str) -> list[int]:
    value = fields.get(name, 0)
    return value if isinstance(value, list) else [value]
