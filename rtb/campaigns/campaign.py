"""Campaigns: targeting, budget, flight, goal, deals and creatives."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import msgspec

from rtb.campaigns.context_targeting import Circle, ContentTargeting, Names, SupplyRules
from rtb.campaigns.countries import country_code, region_named
from rtb.campaigns.creative import Codes, Creative, Identifier, Line, Text, fault_of

MOST_MICROS = 2**53
LEAST_RATE, MOST_RATE = 1e-9, 1e9

Micros = Annotated[int, msgspec.Meta(ge=0, le=MOST_MICROS)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=100 * 366 * 86_400)]
Categories = Annotated[tuple[Line, ...], msgspec.Meta(max_length=1_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""Moments are stored in UTC: `9999-12-31T23:59:59-05:00` has no UTC, and no snapshot could hold it."""


class Targeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The targeting of a campaign. An empty list means everyone; any entry of a list may match, every list must.

    Attributes:
        countries: ISO 3166-1 codes: alpha-3 (`USA`), alpha-2 (`US`) or numeric.
        regions: `country/region`, for example `USA/CA`.
        device_types: OpenRTB device types (list 5.21): 1 mobile or tablet (phones and tablets too), 2 PC, 3 TV,
            4 phone, 5 tablet, ... Where a request names none, client hints and User-Agent header tell.
        inventory: `site`, `app`, `dooh`.
        publishers: domains or bundles where the campaign may run.
        exclude_publishers: domains or bundles where it may not run.
        hours: hours of the week when it runs, 0 (Monday 00:00 UTC) to 167.
        segments: user segments (`user.data[].segment[].id`); used only where privacy signals allow.
        zips: postal codes, `country/code`: `USA/10001`; used only where privacy signals allow.
        metros: codes of metropolitan areas (`device.geo.metro`), as Google's or Nielsen's lists have them.
        within: circles on the ground, any of which the device is in; used only where privacy signals allow.
        languages: languages of the device, ISO 639-1 codes or BCP 47 tags.
        carriers: carriers or ISPs, without case.
        connection_types: connections (AdCOM list "Connection Types"): 1 wired, 2 Wi-Fi, 3 and more mobile.
        categories: IAB Content Categories 1.0 of the page, site, app or content; one includes those below it.
        exclude_categories: the same of those where it may not run.
        keywords: keywords of the page, site, app or content, without case.
        exclude_keywords: keywords with which it may not run.
        content: the content in which it runs.
        venues: kinds of venues of digital out-of-home screens (`dooh.venuetype`).
        rewarded: whether it runs only where users are rewarded for seeing it (`true`) or never (`false`); none: both.
        refreshed: whether it runs only where the placement reloads its ad (`true`) or never (`false`); none: both.
        min_refresh_seconds: least seconds between two ads of a placement that reloads them.
        min_viewability: least share of the placement's impressions in view (`imp.metric`), 0 to 1; 0: any.
        rolls: when in the content it plays, `pre`, `mid` or `post`.
        placements: kinds of video placement (AdCOM list "Plcmt Subtypes - Video"): 1 instream, 3 interstitial, ...
        playback_methods: how playback starts (AdCOM list "Playback Methods").
        feeds: kinds of audio feed (AdCOM list "Feed Types"): 1 music service, 2 radio, 3 podcast.
        skadnetworks: ids of SKAdNetwork ad networks, one of which the app must list.
    """

    countries: Names = ()
    regions: Names = ()
    device_types: Codes = ()
    inventory: Annotated[tuple[Literal["site", "app", "dooh"], ...], msgspec.Meta(max_length=100)] = ()
    publishers: Names = ()
    exclude_publishers: Names = ()
    hours: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, le=167)], ...], msgspec.Meta(max_length=1_000)] = ()
    segments: Names = ()
    zips: Names = ()
    metros: Names = ()
    within: Annotated[tuple[Circle, ...], msgspec.Meta(max_length=1_000)] = ()
    languages: Names = ()
    carriers: Names = ()
    connection_types: Codes = ()
    categories: Names = ()
    exclude_categories: Names = ()
    keywords: Names = ()
    exclude_keywords: Names = ()
    content: ContentTargeting = ContentTargeting()
    venues: Names = ()
    rewarded: bool | None = None
    refreshed: bool | None = None
    min_refresh_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    min_viewability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    rolls: Annotated[tuple[Literal["pre", "mid", "post"], ...], msgspec.Meta(max_length=100)] = ()
    placements: Codes = ()
    playback_methods: Codes = ()
    feeds: Codes = ()
    skadnetworks: Names = ()


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The budget of a campaign.

    Attributes:
        total_micros: budget of the whole flight; the ledger never lets more be spent.
        flight_seconds: how long the budget should last from the flight's start, where the flight has no end: what
            pacing aims at.
        daily_micros: most to spend in one day of `timezone`; 0: no daily limit.
        timezone: IANA name of the time zone of its days (`Europe/Berlin`).
    """

    total_micros: Annotated[int, msgspec.Meta(ge=1, le=MOST_MICROS)]
    flight_seconds: Seconds = 86_400.0
    daily_micros: Micros = 0
    timezone: Line = "UTC"


class Flight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flight of a campaign. Moments are RFC 3339 with a time zone: `2026-11-27T00:00:00Z`.

    Attributes:
        starts_at: start of bidding; none: the campaign's creation.
        ends_at: end of bidding; none: it runs until its budget is spent, paced by `Budget.flight_seconds`.
    """

    starts_at: Moment | None = None
    ends_at: Moment | None = None


class Goal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The goal of a campaign: what it pays for, and how much it is worth.

    Attributes:
        kind: `click` or `conversion`.
        value_micros: worth of one click or conversion to the advertiser.
        max_bid_micros: most to bid for one impression; 0: no limit but the value itself.
    """

    kind: Literal["click", "conversion"] = "click"
    value_micros: Annotated[int, msgspec.Meta(ge=1, le=MOST_MICROS)]
    max_bid_micros: Micros = 0


class FrequencyCap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frequency cap: how often one user may see a campaign.

    Attributes:
        count: most impressions per user and window.
        seconds: length of the window, which begins with the first impression.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    seconds: Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)]


class HeldDeal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deal that a campaign holds with a seller.

    Attributes:
        id: id in `imp.pmp.deals`, given by the seller.
        price_micros: agreed price of one impression, bid whatever the impression is worth; 0: bids by value.
        floor_micros: least bid under the deal for one impression, where the request's floor is lower.
        seat: buyer seat under the deal; empty: the campaign's.
    """

    id: Text
    price_micros: Micros = 0
    floor_micros: Micros = 0
    seat: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{0,64}$(?!\n)")] = ""


class Advertiser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who advertises, as the EU's Digital Services Act wants it disclosed.

    Attributes:
        behalf: on whose behalf the advertising is shown.
        paid: who paid for it; empty: the same.
    """

    behalf: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    paid: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign as its owner defines it.

    Attributes:
        id: unique id, chosen by the owner.
        name: name for people.
        status: `active` bids, `paused` does not, `archived` never will again.
        adomain: the advertiser's domains, sent with each bid.
        cat: categories of the advertising, in the taxonomy `cattax`. A campaign without any does not bid where a
            request allows only some.
        cattax: taxonomy of `cat` (AdCOM list "Category Taxonomies"): 1 is IAB Content Categories 1.0. A campaign with
            categories does not bid on requests that block or allow by another taxonomy.
        bundle: store id of the advertised app, if any; sent with each bid.
        seat: buyer seat on whose behalf it bids.
        deals: deals it holds, each id once.
        frequency: how often one known user may see it; none: no cap.
        advertiser: whom bids disclose as the advertiser where a request requires it; none: the first of `adomain`.
        supply: the sellers from whom it buys.
        currency: currency of its budget, goal and deals, ISO 4217; empty: the platform's.
        exchange_rate: units of its currency that one unit of the platform's is worth, until it is changed; none: the
            rate of when the campaign is written.
    """

    id: Identifier
    name: Text
    status: Literal["active", "paused", "archived"] = "active"
    adomain: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    cat: Categories = ()
    cattax: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] = 1
    bundle: Line = ""
    seat: Identifier = "raybid"
    deals: Annotated[tuple[HeldDeal, ...], msgspec.Meta(max_length=256)] = ()
    budget: Budget
    flight: Flight = Flight()
    frequency: FrequencyCap | None = None
    advertiser: Advertiser | None = None
    goal: Goal
    targeting: Targeting = Targeting()
    supply: SupplyRules = SupplyRules()
    creatives: Annotated[tuple[Creative, ...], msgspec.Meta(min_length=1, max_length=64)]
    currency: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?$(?!\n)")] = ""
    exchange_rate: Annotated[float, msgspec.Meta(gt=LEAST_RATE, lt=MOST_RATE)] | None = None


_ANYONE = Targeting()


class CampaignError(ValueError):
    """A campaign that cannot be used; the message names the field."""


_decoder = msgspec.json.Decoder(Campaign)


def decode_campaign(body: bytes) -> Campaign:
    """Return a campaign from JSON.

    Raises:
        CampaignError: not JSON, a missing, unknown or ill-typed field, or fields that contradict each other.
    """
    try:
        campaign = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CampaignError(str(error)) from error
    _check(campaign)
    return campaign


def patch_campaign(campaign: Campaign, patch: Any) -> Campaign:
    """Return the campaign with a JSON merge patch (RFC 7396): objects merge, null sets the default, others replace.

    Args:
        campaign: campaign to change.
        patch: decoded JSON.

    Raises:
        CampaignError: the result is not a valid campaign, or has another id.
    """
    try:
        changed = msgspec.convert(_merge(msgspec.to_builtins(campaign), patch), Campaign)
    except msgspec.ValidationError as error:
        raise CampaignError(str(error)) from error
    except RecursionError as error:
        raise CampaignError("nested too deeply") from error
    if changed.id != campaign.id:
        raise CampaignError("an id cannot change - at `$.id`")
    _check(changed)
    return changed


def check_places(after: Targeting, before: Targeting = _ANYONE) -> None:
    """Check the countries and regions that a change adds: those of former versions were never checked.

    Raises:
        CampaignError: a code is unknown.
    """
    for name in after.countries:
        if not country_code(name) and name not in before.countries:
            raise CampaignError(f"{name[:60]!r} is no country of ISO 3166-1 - at `$.targeting.countries`")
    for name in after.regions:
        if not region_named(name) and name not in before.regions:
            raise CampaignError(f"{name[:60]!r} is no `country/region` of ISO 3166 - at `$.targeting.regions`")


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _check(campaign: Campaign) -> None:
    """Raise `CampaignError` for what the types do not check."""
    _check_creatives(campaign.creatives)
    if campaign.budget.timezone not in _timezones():
        raise CampaignError(f"{campaign.budget.timezone[:60]!r} is not an IANA time zone - at `$.budget.timezone`")
    deals = {deal.id for deal in campaign.deals}
    if len(deals) < len(campaign.deals):
        raise CampaignError("two deals share an id - at `$.deals`")
    _check_flight(campaign.flight)
    _check_encodes(campaign)


def _check_flight(flight: Flight) -> None:
    for name, moment in (("starts_at", flight.starts_at), ("ends_at", flight.ends_at)):
        if moment is not None and not _EARLIEST <= moment <= _LATEST:
            raise CampaignError(
                f"a moment must lie between {_EARLIEST:%Y-%m-%d} and {_LATEST:%Y-%m-%d} in UTC: leave it out for "
                f"no limit - at `$.flight.{name}`"
            )
    if flight.starts_at is not None and flight.ends_at is not None and flight.ends_at <= flight.starts_at:
        raise CampaignError("a flight must end after it starts - at `$.flight.ends_at`")


def _check_encodes(campaign: Campaign) -> None:
    """Refuse values that no snapshot could hold, before one campaign blocks the publication of all others."""
    try:
        is_same = msgspec.msgpack.decode(msgspec.msgpack.encode(campaign), type=Campaign) == campaign
    except (ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise CampaignError(f"a value cannot be stored: {error}") from error
    if not is_same:
        raise CampaignError("a value cannot be stored as it was written")


def _check_creatives(creatives: tuple[Creative, ...]) -> None:
    for number, creative in enumerate(creatives):
        if fault := fault_of(creative, f"$.creatives[{number}]"):
            raise CampaignError(fault)
    names = [creative.id for creative in creatives]
    if len(set(names)) < len(names):
        raise CampaignError("two creatives share an id - at `$.creatives`")


@cache
def _timezones() -> frozenset[str]:
    """Return the time zones that mean the same on every machine; cached, as listing them takes milliseconds."""
    return frozenset(available_timezones() - {"localtime", "Factory"})
