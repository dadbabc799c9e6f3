"""The impressions of a request, flattened: all that the index, the encoder and the auction read, and nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Container, Sequence
from itertools import product
from typing import NamedTuple

from rtb.campaigns.countries import country_code, region_code
from rtb.campaigns.creative import Kind
from rtb.inventory import blocks, user_agent
from rtb.inventory.context import EMPTY, NO_CONTEXT, Context, ContextReader
from rtb.inventory.device import DeviceTraits, traits_of
from rtb.inventory.disclosure import Disclosure, disclosure_of
from rtb.inventory.floors import Floors, UnknownRate, floors_of
from rtb.inventory.identity import user_of
from rtb.inventory.publisher import inventory_of
from rtb.inventory.slots import KINDS, AudioSlot, BannerSlot, Slot, VideoSlot, slots_of
from rtb.inventory.user_data import DEFAULT_POLICY, UserDataPolicy, segments_of
from rtb.money.currency import NO_RATES, Quote, Rates
from rtb.openrtb import BidRequest, Imp, NoBid
from rtb.openrtb.domains import domain
from rtb.openrtb.types import Audio, Deal, Video
from rtb.privacy.permissions import UserDataPermissions, allowed_user_data
from rtb.runtime.caches import memoized
from rtb.sellers import Standing

HOURS_OF_WEEK = 168
_EPOCH_HOUR = 3 * 24  # 1970 began on a Thursday

_FIRST_PRICE, _AGREED_PRICE = 1, 3  # `at`
_OWN_RULES = 500  # from here `at` is exchange-specific; treated as first price, as bidding below value is never wrong

_NO_TRAITS = DeviceTraits()
_NOWHERE = ("", "", "")
_OUT_OF_HOME = 8  # OpenRTB list 5.21
_SHOWS_DISCLOSURE = "banner"
"""The format whose markup has room for what must be disclosed (`rtb.markup.disclosure`)."""


class Restrictions(NamedTuple):
    """A request's restrictions on bidders and advertising.

    Attributes:
        blocked: blocked keys: `cat:IAB1`, `adv:example.com`, `app:com.example`; see `rtb.inventory.blocks`.
        allowed: allowed categories, or empty for all.
        taxonomy: taxonomy of both; 0 where they name no categories.
        seats: seats allowed to bid, or empty for all.
        barred_seats: seats not allowed to bid.
        languages: ISO 639-1 codes of allowed languages, or empty for all.
    """

    blocked: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    taxonomy: int = 0
    seats: tuple[str, ...] = ()
    barred_seats: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


_FREE = Restrictions()
_ANY = "*"
_SEAT_SEPARATORS = re.compile(r"[,;|]")


class Audience(NamedTuple):
    """The fields that all impressions of a request share.

    Attributes:
        inventory: `site`, `app`, `dooh`, or empty when the request names none.
        publisher: the site's domain or the app's bundle, see `rtb.inventory.publisher`; empty when unknown.
        country: ISO 3166-1 alpha-3, or what an unknown code is in upper case, or empty.
        region: `country/region`, or empty.
        devicetype: OpenRTB list 5.21, 0 when unknown.
        os: lower case, or empty.
        hour_of_week: 0 is Monday 00:00 UTC.
        segments: user segments, sorted; empty where privacy signals forbid user data.
        restrictions: restrictions on bidders and advertising.
        user: id of the user; empty where there is none or privacy signals forbid user data.
        quote: currency of the bids.
        is_test: whether nothing is billable.
        category: first content category of the site or app, or empty.
        city: `country/city`, lower case, or empty.
        browser: see `rtb.inventory.user_agent.browser_of`.
        network: see `rtb.inventory.user_agent.network_of`; empty where privacy signals forbid user data.
        disclosure: what bids must disclose; none: nothing.
    """

    inventory: str
    publisher: str
    country: str
    region: str
    devicetype: int
    os: str
    hour_of_week: int
    segments: tuple[str, ...]
    restrictions: Restrictions = _FREE
    user: str = ""
    quote: Quote = Quote("USD")
    is_test: bool = False
    category: str = ""
    city: str = ""
    browser: str = ""
    network: str = ""
    disclosure: Disclosure | None = None


class DealTerms(NamedTuple):
    """A deal under which an impression is offered.

    Attributes:
        id: id of the deal, given by the seller.
        seats: seats allowed to bid, or empty for all.
        domains: allowed domains of advertisers, lower case, or empty for all.
        is_guaranteed: whether a holder must bid.
    """

    id: str
    seats: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    is_guaranteed: bool = False


class Impression(NamedTuple):
    """One way in which an imp can be bought: in one format, in the open auction or under one deal.

    Attributes:
        imp_id: the exchange's id of the imp.
        audience: fields shared by its request.
        slot: what may be shown.
        floors: floors.
        first_price: whether the winner pays its own bid.
        number: index of the imp in its request: only one of the ways to buy an imp is bid on.
        patience: seconds between auction and impression, from `imp.exp`; 0: unknown.
        deal: deal under which it is offered; none in the open auction.
        is_agreed: whether the floor is the fixed price.
        tag: the seller's id of the placement, else the global one, or empty.
        pays_bid: whether the winner pays its own bid by OpenRTB's rules, not by exchange-specific ones.
        quantity: impressions that one sale stands for (`imp.qty.multiplier`).
        shown_at: Unix time when it will be shown, from `imp.dt`; 0: unknown.
        context: what campaigns target of its content, place, placement and sellers.
    """

    imp_id: str
    audience: Audience
    slot: Slot
    floors: Floors = Floors()
    first_price: bool = False
    number: int = 0
    patience: int = 0
    deal: DealTerms | None = None
    is_agreed: bool = False
    tag: str = ""
    pays_bid: bool = False
    quantity: float = 1.0
    shown_at: float = 0.0
    context: Context = EMPTY

    @property
    def pos(self) -> int:
        """Position on screen, OpenRTB list 5.4; 0 when unknown."""
        return self.slot.pos

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Sizes of a banner, (width, height), in the exchange's order; empty for other formats."""
        return self.slot.sizes if isinstance(self.slot, BannerSlot) else ()


def hour_of_week(timestamp: float) -> int:
    """Return the hour of the week of a Unix time: 0 is Monday 00:00 UTC, 167 is Sunday 23:00."""
    return (int(timestamp // 3_600) + _EPOCH_HOUR) % HOURS_OF_WEEK


def standing_unknown(request: BidRequest) -> Standing:
    """Return that nothing is known of the sellers of a request."""
    return Standing.UNKNOWN


def impressions_of(
    request: BidRequest,
    hour: int,
    currency: str,
    limit: int,
    *,
    rates: Rates = NO_RATES,
    held: Container[str] = frozenset(),
    kinds: Collection[Kind] = KINDS,
    policy: UserDataPolicy = DEFAULT_POLICY,
    reader: ContextReader = NO_CONTEXT,
    standing: Callable[[BidRequest], Standing] = standing_unknown,
    takes: Callable[[Imp], Collection[Kind]] | None = None,
    answer_in_ours: bool = False,
) -> tuple[list[Impression], NoBid]:
    """Return the ways to buy the imps of a request, and the reason where there are none.

    Args:
        request: a validated request.
        hour: hour of the week now (`hour_of_week`).
        currency: our currency.
        limit: most imps considered.
        rates: exchange rates.
        held: ids of the deals that campaigns hold; others are skipped.
        kinds: formats that campaigns have creatives of.
        policy: rules about user data.
        reader: reader of the context that campaigns name.
        standing: function that says whether the sellers of a request may sell it.
        takes: function that says which formats of an imp its caller takes; none: each that the imp offers.
        answer_in_ours: whether to bid in our currency where there is no rate for one that the request allows.

    Raises:
        InvalidRequest: a block cannot be read.
    """
    quote = rates.quote(currency, blocks.entries(request.cur))
    if quote is None and answer_in_ours:
        quote = Quote(currency)
    if quote is None:
        return [], NoBid.CURRENCY
    allowed = allowed_user_data(request, policy.vendor)
    audience = _audience(request, hour, quote, policy, allowed)
    if audience.disclosure is not None and audience.disclosure.is_required and audience.disclosure.is_ours_to_show:
        kinds = [kind for kind in kinds if kind == _SHOWS_DISCLOSURE]
    has_context = bool(reader)
    shared = reader.of_request(request, allowed, standing) if has_context else EMPTY

    def convert(cpm: float, named: str) -> float | None:
        return rates.floor(cpm, named, currency, quote)

    reason = NoBid.NO_CANDIDATE
    found: list[Impression] = []
    for number, imp in enumerate(request.imp[:limit]):
        taken = kinds if takes is None else [kind for kind in takes(imp) if kind in kinds]
        slots, offers = slots_of(imp, taken), _offers(imp, held)
        if not slots or not offers:
            reason = max(reason, NoBid.NO_DEAL if slots else NoBid.NO_CREATIVE)
            continue
        context = reader.of_imp(imp, shared) if has_context else EMPTY
        quantity = 1.0 if imp.qty is None else imp.qty.multiplier
        tag, shown_at = _tag(imp), _shown_at(imp) if imp.dt else 0.0
        for slot, deal in product(slots, offers):
            try:
                floors = floors_of(imp, _played(imp, slot), deal, convert)
            except UnknownRate:
                reason = max(reason, NoBid.CURRENCY)
                continue
            at = request.at if deal is None or deal.at is None else deal.at
            found.append(
                Impression(  # by place, which is twice as fast as by name
                    imp.id,
                    audience,
                    slot,
                    floors,
                    at == _FIRST_PRICE or at >= _OWN_RULES,
                    number,
                    imp.exp or 0,
                    None if deal is None else _terms(deal),
                    deal is not None and at == _AGREED_PRICE,
                    tag,
                    at == _FIRST_PRICE,
                    quantity,
                    shown_at,
                    context,
                )
            )
    return found, reason


def _shown_at(imp: Imp) -> float:
    """Return the Unix time when an imp will be seen, 0 if unknown."""
    return max(0.0, imp.dt / 1_000) if imp.dt and math.isfinite(imp.dt) else 0.0


def _tag(imp: Imp) -> str:
    """Return the id of the placement: the seller's, else the global one (`imp.ext.gpid`)."""
    return imp.tagid or (imp.ext.gpid if imp.ext is not None else None) or ""


def _offers(imp: Imp, held: Container[str]) -> list[Deal | None]:
    """Return the deals of an imp that some campaign holds; `None` stands for the open auction."""
    if imp.pmp is None:
        return [None]
    deals: dict[str, Deal | None] = {deal.id: deal for deal in imp.pmp.deals or () if deal.id in held}
    return [*deals.values()] if imp.pmp.private_auction == 1 else [*deals.values(), None]


def _played(imp: Imp, slot: Slot) -> Video | Audio | None:
    if isinstance(slot, VideoSlot):
        return imp.video
    return imp.audio if isinstance(slot, AudioSlot) else None


def _terms(deal: Deal) -> DealTerms:
    return DealTerms(deal.id, _seats(deal.wseat), _allowed_domains(deal.wadomain), deal.guar == 1)


def _allowed_domains(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the allowed domains; one that cannot be read stays as it is, so that it allows none. `*` allows all."""
    found = tuple(domain(name) or name for name in blocks.entries(names))
    return () if _ANY in found else found


def _restrictions(request: BidRequest) -> Restrictions:
    named = request.bcat or request.acat
    others = request.badv or request.bapp or request.wseat or request.bseat or request.wlang or request.wlangb
    if not named and not others:
        return _FREE
    return Restrictions(
        blocked=blocks.blocked_keys(request),
        allowed=_allowed(request),
        taxonomy=blocks.taxonomy_of(request) if named else 0,
        seats=_seats(request.wseat),
        barred_seats=_seats(request.bseat),
        languages=_languages(request),
    )


def _allowed(request: BidRequest) -> tuple[str, ...]:
    """Return the allowed categories; empty for all, also where `*` says so."""
    allowed = tuple(blocks.category(name, blocks.taxonomy_of(request)) for name in blocks.categories(request.acat))
    return () if _ANY in allowed else allowed


def _seats(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the ids of seats, of which one entry may hold several; ids have no agreed form, so also the whole."""
    parts = (part for name in names or () for part in (name, *_SEAT_SEPARATORS.split(name)))
    return tuple(dict.fromkeys(seat for part in parts if (seat := part.strip())))


def _languages(request: BidRequest) -> tuple[str, ...]:
    """Return the ISO 639-1 codes of `wlang` or, cut to their first part, of `wlangb` (BCP 47)."""
    named = blocks.entries(request.wlang or request.wlangb)
    return tuple(code.lower().replace("_", "-").split("-")[0] for code in named)


def _audience(
    request: BidRequest, hour: int, quote: Quote, policy: UserDataPolicy, allowed: UserDataPermissions
) -> Audience:
    device = request.device
    traits = traits_of(device) if device is not None else _NO_TRAITS
    geo = device.geo if device is not None else None
    country, region, city = _place(geo.country, geo.region, geo.city) if geo is not None else _NOWHERE
    inventory, publisher = inventory_of(request)
    return Audience(  # by place, which is twice as fast as by name
        inventory,
        publisher,
        country,
        region,
        traits.devicetype or (_OUT_OF_HOME if inventory == "dooh" else 0),
        traits.os,
        hour,
        segments_of(request, allowed, policy),
        _restrictions(request),
        user_of(request, policy.sources) if allowed.identity else "",
        quote,
        request.test != 0,
        _category(request),
        city,
        traits.browser,
        user_agent.network_of(device.ip) if device and device.ip and allowed.profile else "",
        disclosure_of(request) if request.regs is not None else None,
    )


@memoized("geo", 1 << 19)
def _place(country: str | None, region: str | None, city: str | None) -> tuple[str, str, str]:
    """Return country, `country/region` and `country/city`, each empty where it is unknown."""
    if not country:
        return _NOWHERE
    code = country_code(country) or country.upper()
    return code, region_code(code, region) if region else "", f"{code}/{city.lower()}" if city else ""


def _category(request: BidRequest) -> str:
    place = request.app or request.site
    return place.cat[0] if place is not None and place.cat else ""
