"""OpenRTB's rules for a request beyond the types of its fields: a broken rule gets a 400.

Only the specification's own rules are checked, and only for fields that constrain the answer: a screen of negative
width is a nuisance, a slot of negative width is not an offer. A value missing from a list is no error: lists grow.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from rtb.openrtb.bounds import MOST_SEGMENTS
from rtb.openrtb.content import Data
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.native_validity import check_native
from rtb.openrtb.types import Audio, Banner, BidRequest, Deal, Format, Imp, Native, Pmp, Regs, RegsExt, Video

_MOST_CPM = 1e9
_MOST_IMPRESSIONS = 1e6  # of one sale

_MEASURES: dict[type[Struct], tuple[str, ...]] = {
    Banner: ("w", "h", "wmin", "wmax", "hmin", "hmax"),
    Format: ("w", "h", "wratio", "hratio", "wmin"),
    Video: ("w", "h", "minduration", "maxduration", "minbitrate", "maxbitrate", "poddur", "maxseq", "sequence"),
    Audio: ("minduration", "maxduration", "minbitrate", "maxbitrate", "poddur", "maxseq", "sequence"),
}
"""Sizes, times and counts, which are never negative. (`startdelay` and `maxextended` may be.)"""

_read = {struct: attrgetter(*names) for struct, names in _MEASURES.items()}


def validate(request: BidRequest) -> None:
    """Raise `InvalidRequest` for the first rule a request breaks; leave out imps and formats that break one.

    A bad imp or format beside a good one costs itself: a caller cannot mend what each of its publishers sends.
    """
    try:
        validate_request(request)
        for imp in request.imp:
            validate_imp(imp)
    except InvalidRequest as error:
        request.imp = _usable_imps(request.imp, error)
        validate_request(request)


def _usable_imps(imps: list[Imp], error: InvalidRequest) -> list[Imp]:
    """Return imps without what breaks a rule; raise the error where nothing usable is left.

    A faulty format is emptied and stays in its place, as a caller may go by which formats an imp offers. A faulty imp
    stays without formats, and only one that has no id is left out.
    """
    usable = [_usable(imp) for imp in imps if imp.id]
    if not any(map(_offers, usable)):
        raise error
    return usable


def _offers(imp: Imp) -> bool:
    return not (imp.banner is None and imp.video is None and imp.audio is None and imp.native is None)


def validate_request(request: BidRequest) -> None:
    """Raise `InvalidRequest` for the first rule a request breaks, apart from its imps."""
    if not request.id:
        raise InvalidRequest("no_id", "the request has no id - at `$.id`")
    if not request.imp:
        raise InvalidRequest("no_imp", "the request has no impression - at `$.imp`")
    if (request.site is not None) + (request.app is not None) + (request.dooh is not None) > 1:
        raise InvalidRequest("several_inventories", "more than one of site, app and dooh")
    if request.tmax is not None and request.tmax < 0:
        raise InvalidRequest("bad_tmax", "the time allowed is negative - at `$.tmax`")
    if request.regs is not None:
        _check_regs(request.regs)
    if request.user is not None and request.user.data:
        _check_segments(request.user.data)
    _check_ids(request.imp)


def _check_ids(imps: list[Imp]) -> None:
    if len(imps) == 1 and imps[0].id:  # as most requests have it
        return
    seen: set[str] = set()
    for imp in imps:
        if not imp.id:
            raise InvalidRequest("no_imp_id", "an impression has no id - at `$.imp[...].id`")
        if imp.id in seen:
            raise InvalidRequest("duplicate_imp_id", f"two impressions share the id {imp.id!r}")
        seen.add(imp.id)


def _check_regs(regs: Regs | RegsExt) -> None:
    if regs.gdpr not in (None, 0, 1):
        raise InvalidRequest("bad_gdpr", "gdpr is neither 0 nor 1 - at `$.regs.gdpr`")
    if isinstance(regs, Regs) and regs.ext is not None:
        _check_regs(regs.ext)


def _check_segments(data: list[Data]) -> None:
    if len(data) > 1 and sum(len(one.segment or ()) for one in data) > MOST_SEGMENTS:  # of one, its type has the bound
        raise InvalidRequest("too_many", f"the user is in more than {MOST_SEGMENTS} segments - at `$.user.data`")


def _usable(imp: Imp) -> Imp:
    """Return an imp with formats that break a rule emptied, without any where it breaks one itself."""
    offered = {name: getattr(imp, name) for name in _CHECKS if getattr(imp, name) is not None}
    faulty = [name for name, slot in offered.items() if _is_faulty(_CHECKS[name], slot)]
    if len(faulty) == len(offered) or _is_faulty(_check_terms, imp):
        return Imp(imp.id)
    return replace(imp, **{name: _EMPTY[name] for name in faulty}) if faulty else imp


def _is_faulty(check: Callable[[Any], None], thing: Struct) -> bool:
    try:
        check(thing)
    except InvalidRequest:
        return True
    return False


def validate_imp(imp: Imp) -> None:
    """Raise `InvalidRequest` for the first rule an imp breaks."""
    _check_terms(imp)
    if imp.banner is not None:
        _check_banner(imp.banner)
    if imp.video is not None:
        _check_video(imp.video)
    if imp.audio is not None:
        _check_audio(imp.audio)
    if imp.native is not None:
        check_native(imp.native)


def _check_terms(imp: Imp) -> None:
    """Check what all formats of an imp share."""
    _check_floor(imp.bidfloor, "$.imp[...].bidfloor")
    if imp.qty is not None and not 0 < imp.qty.multiplier <= _MOST_IMPRESSIONS:  # NaN too
        place = "$.imp[...].qty.multiplier"
        raise InvalidRequest("bad_qty", f"{imp.qty.multiplier!r} is not a number of impressions - at `{place}`")
    if not _offers(imp):
        raise InvalidRequest("no_format", "an impression offers no banner, video, audio or native - at `$.imp[...]`")
    if imp.pmp is not None:
        _check_deals(imp.pmp)


def _check_deals(pmp: Pmp) -> None:
    for deal in pmp.deals or ():
        if not deal.id:
            raise InvalidRequest("no_deal_id", "a deal has no id - at `$.imp[...].pmp.deals[...].id`")
        _check_floor(deal.bidfloor, "$.imp[...].pmp.deals[...].bidfloor")
        _check_timed_floors(deal, "pmp.deals[...]")


def _check_banner(banner: Banner) -> None:
    _check_measures(banner, "banner")
    for entry in banner.format or ():
        _check_measures(entry, "banner.format[...]")


def _check_video(video: Video) -> None:
    _check_media(video, "video")


def _check_audio(audio: Audio) -> None:
    _check_media(audio, "audio")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "banner": _check_banner,
    "video": _check_video,
    "audio": _check_audio,
    "native": check_native,
}
"""Rules of each format, by its field."""

_EMPTY = {"banner": Banner(), "video": Video(mimes=[]), "audio": Audio(mimes=[]), "native": Native()}
"""Formats that nothing fits: no size, no media type, no request."""


def _check_media(slot: Video | Audio, name: str) -> None:
    if not slot.mimes:
        raise InvalidRequest("no_mimes", f"no media type is allowed - at `$.imp[...].{name}.mimes`")
    _check_measures(slot, name)
    _check_timed_floors(slot, name)


def _check_timed_floors(terms: Deal | Video | Audio, place: str) -> None:
    if terms.mincpmpersec is not None:
        _check_floor(terms.mincpmpersec, f"$.imp[...].{place}.mincpmpersec")
    for floor in terms.durfloors or ():
        _check_floor(floor.bidfloor, f"$.imp[...].{place}.durfloors[...].bidfloor")


def _check_measures(struct: Struct, place: str) -> None:
    values = _read[type(struct)](struct)
    for value in values:
        if value and value < 0:
            name = _MEASURES[type(struct)][values.index(value)]
            raise InvalidRequest("negative", f"{value} is negative - at `$.imp[...].{place}.{name}`")


def _check_floor(cpm: float, place: str) -> None:
    if not 0 <= cpm < _MOST_CPM:  # NaN too
        raise InvalidRequest("bad_floor", f"bidfloor {cpm!r} is not a price - at `{place}`")
