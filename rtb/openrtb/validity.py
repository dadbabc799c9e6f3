"""OpenRTB's rules for a request beyond the types of its fields: a broken rule gets a 400.

Only the specification's own rules are checked, and only for fields that constrain the answer: a screen of negative
width is a nuisance, a slot of negative width is not an offer. A value missing from a list is no error: lists grow.
"""

from __future__ import annotations

from operator import attrgetter

from msgspec import Struct

from rtb.openrtb.bounds import MOST_SEGMENTS
from rtb.openrtb.content import Data
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.native_validity import check_native
from rtb.openrtb.types import Audio, Banner, BidRequest, Deal, Format, Imp, Pmp, Regs, RegsExt, Video

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
    """Raise `InvalidRequest` for the first rule a request breaks."""
    validate_request(request)
    for imp in request.imp:
        validate_imp(imp)


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


def validate_imp(imp: Imp) -> None:
    """Raise `InvalidRequest` for the first rule an imp breaks."""
    _check_floor(imp.bidfloor, "$.imp[...].bidfloor")
    if imp.qty is not None and not 0 < imp.qty.multiplier <= _MOST_IMPRESSIONS:  # NaN too
        place = "$.imp[...].qty.multiplier"
        raise InvalidRequest("bad_qty", f"{imp.qty.multiplier!r} is not a number of impressions - at `{place}`")
    if imp.banner is None and imp.video is None and imp.audio is None and imp.native is None:
        raise InvalidRequest("no_format", "an impression offers no banner, video, audio or native - at `$.imp[...]`")
    if imp.pmp is not None:
        _check_deals(imp.pmp)
    if imp.banner is not None:
        _check_banner(imp.banner)
    if imp.video is not None:
        _check_media(imp.video, "video")
    if imp.audio is not None:
        _check_media(imp.audio, "audio")
    if imp.native is not None:
        check_native(imp.native)


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
