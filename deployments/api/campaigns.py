"""Campaigns and their creatives over REST: created, shown, changed, archived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from redis.exceptions import RedisError

from deployments.api import bodies, examples
from deployments.api.access import Admin, Caller, Reader
from deployments.api.answers import HistoryLimit, StructResponse, moment, versioned
from deployments.api.bodies import IfMatch
from deployments.api.documents import body, responses
from deployments.api.repeats import IdempotencyKey, done_once, once_of
from deployments.figures import CampaignFigures, figures
from deployments.stopping import StopSwitch
from rtb.campaigns.campaign import Campaign, decode_campaign
from rtb.campaigns.conversion import RateOf, no_rate
from rtb.campaigns.creative import Creative
from rtb.campaigns.stops import Stop, Stops
from rtb.catalog import CampaignUnknown, Catalog, CatalogEntry, CatalogError, CreativeUnknown, KeptAnswer
from rtb.ledger import Balance, Ledger, LedgerError, total_balances
from rtb.pacing.terms import lost_campaigns, over_budget, terms_of

Status = Literal["active", "paused", "archived", "all"]


class TopUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to a campaign's total budget, in its currency."""

    micros: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class CampaignDetails(Campaign, frozen=True, kw_only=True):
    """A campaign with its money.

    Attributes:
        number: of the campaign in the ledger and the events.
        version: to name in `If-Match`.
        figures: of the ledger, in the platform's currency; none while it is unavailable.
        over_budget_micros: spent or promised beyond a budget that was cut since, in the platform's currency; above 0
            the campaign does not bid.
    """

    number: int
    version: int
    created_at: str
    figures: CampaignFigures | None
    over_budget_micros: int | None


class CampaignStopped(msgspec.Struct, frozen=True):
    """A campaign that bids no more, though the catalog cannot be told of it yet."""

    id: str
    status: Literal["stopped"] = "stopped"
    detail: str = "paused in the catalog once it can be written"


class CampaignChange(msgspec.Struct, frozen=True):
    """One line of a campaign's history.

    Attributes:
        version: of the campaign after the change.
        before: the campaign until then; none: it was created.
    """

    at: str
    actor: str
    action: str
    version: int
    before: dict[str, Any] | None
    after: dict[str, Any]


@dataclass(frozen=True)
class CampaignParts:
    """What the calls about campaigns need."""

    catalog: Catalog
    ledger: Ledger
    stops: Stops
    switch: StopSwitch
    number_of: Callable[[str], int | None]
    """Finds the number of a campaign that is bid for."""
    rate_of: RateOf = no_rate
    """Finds the rate for a campaign's own currency."""


def routes(parts: CampaignParts) -> APIRouter:
    """Build the calls about campaigns."""
    found = APIRouter(tags=["campaigns"])
    _read_routes(found, parts)
    _write_routes(found, parts)
    _switch_routes(found, parts)
    _creative_routes(found, parts)
    return found


def _read_routes(found: APIRouter, parts: CampaignParts) -> None:
    @found.get("/campaigns", summary="Campaigns with their money, in pages", responses=responses(list[CampaignDetails]))
    async def campaigns(
        request: Request,
        caller: Reader,
        *,
        status: Annotated[Status | None, Query(description="none: those not archived")] = None,
        q: Annotated[str, Query(max_length=255, description="a part of the id or name, in either case")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
        after: Annotated[int, Query(ge=0, le=2**31 - 1, description="the page before ended with this number")] = 0,
    ) -> StructResponse:
        """List them in the order of creation. Where there are more, a `Link` header with `rel="next"` leads to them."""
        page = await asyncio.to_thread(parts.catalog.page, after, limit, status=status, text=q)
        balances = await total_balances(parts.ledger, [entry.number for entry in page.entries])
        told = [_details(entry, balance) for entry, balance in zip(page.entries, balances, strict=True)]
        if page.next is None:
            return StructResponse(told)
        following = request.url.include_query_params(after=page.next)
        # Relative: a proxy may have put what we call `/campaigns` below a path of its own.
        return StructResponse(told, headers={"Link": f'<?{following.query}>; rel="next"'})

    @found.get(
        "/campaign/{campaign_id}",
        summary="One campaign with its money",
        responses=responses(CampaignDetails, also=(404,)),
    )
    async def campaign(campaign_id: str, caller: Reader) -> Response:
        entry = await _entry(parts, campaign_id)
        (balance,) = await total_balances(parts.ledger, [entry.number])
        return _answer(entry, balance)

    @found.get(
        "/campaign/{campaign_id}/history",
        summary="Who changed what, oldest first",
        responses=responses(list[CampaignChange], also=(404,)),
    )
    async def history(campaign_id: str, caller: Reader, limit: HistoryLimit = 100) -> StructResponse:
        """Return the last `limit` changes."""
        changes = await asyncio.to_thread(parts.catalog.history, campaign_id, limit)
        return StructResponse([CampaignChange(moment(change.at), *change[1:]) for change in changes])


def _write_routes(found: APIRouter, parts: CampaignParts) -> None:
    @found.post(
        "/campaign/create",
        status_code=201,
        summary="Create a campaign; it bids within a pacing interval",
        openapi_extra=body(Campaign, examples.CAMPAIGN),
        responses=responses(CampaignDetails, status=201, also=(400, 408, 409, 413)),
    )
    async def create(request: Request, caller: Admin, idempotency_key: IdempotencyKey = None) -> Response:
        sent = await bodies.read(request)
        campaign = decode_campaign(sent)
        once = once_of(request, sent, caller, idempotency_key, _kept(201))
        told = (parts.catalog.add, campaign, caller.name, once, parts.rate_of)
        return await done_once(parts.catalog, once, lambda: _changed(parts, *told, status=201))

    @found.patch(
        "/campaign/{campaign_id}",
        summary="Change a campaign by a JSON merge patch",
        openapi_extra=body(dict, examples.PATCH, "application/merge-patch+json"),
        responses=responses(CampaignDetails, also=(400, 404, 408, 409, 412, 413, 428)),
    )
    async def change(campaign_id: str, request: Request, caller: Admin, if_match: IfMatch = None) -> Response:
        """Merge objects, reset nulls to defaults, replace everything else. `If-Match` names the version to change."""
        version = bodies.needed_versions(if_match)
        patch = bodies.decode(await bodies.read(request), Any)
        change = partial(parts.catalog.change, rate_of=parts.rate_of)
        return await _changed(parts, change, campaign_id, version, patch, caller.name)

    @found.delete(
        "/campaign/{campaign_id}",
        summary="Archive a campaign: it never bids again; its money and history stay",
        responses=responses(CampaignDetails, also=(400, 404, 412, 428)) | responses(CampaignStopped, status=202),
    )
    async def archive(campaign_id: str, caller: Admin, if_match: IfMatch = None) -> Response:
        """Settle notices of its bids as before. `GET /campaigns?status=archived` shows it."""
        version = bodies.needed_versions(if_match)
        return await _halted(parts, parts.catalog.archive, campaign_id, caller, version)


def _switch_routes(found: APIRouter, parts: CampaignParts) -> None:
    told = responses(CampaignDetails, also=(400, 404, 409, 412))

    @found.post(
        "/campaign/{campaign_id}/pause",
        summary="Bid no more, within a pacing interval",
        responses=told | responses(CampaignStopped, status=202),
    )
    async def pause(campaign_id: str, caller: Admin, if_match: IfMatch = None) -> Response:
        """Stop it in memory (202) and pause it later while the catalog cannot be written, as on a full disk."""
        return await _halted(parts, parts.catalog.pause, campaign_id, caller, bodies.versions_of(if_match))

    @found.post("/campaign/{campaign_id}/resume", summary="Bid again", responses=told)
    async def resume(campaign_id: str, caller: Admin, if_match: IfMatch = None) -> Response:
        version = bodies.versions_of(if_match)
        entry = await asyncio.to_thread(parts.catalog.resume, campaign_id, caller.name, version)
        if entry.number in {one.number for one in parts.stops.all()}:
            await parts.switch.set(Stop(entry.number, time.time(), is_on=False))
        return await _taken_up(parts, entry)

    @found.post(
        "/campaign/{campaign_id}/top-up",
        summary="Raise a campaign's total budget",
        openapi_extra=body(TopUp, examples.TOP_UP),
        responses=responses(CampaignDetails, also=(400, 404, 408, 409, 412, 413)),
    )
    async def top_up(
        campaign_id: str,
        request: Request,
        caller: Admin,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Add to the budget with each call. With `Idempotency-Key` or `If-Match`, a repeated call adds nothing more."""
        sent, version = await bodies.read(request), bodies.versions_of(if_match)
        micros = bodies.decode(sent, TopUp).micros
        once = once_of(request, sent, caller, idempotency_key, _kept(200))
        told = (parts.catalog.top_up, campaign_id, micros, caller.name, version, once)
        return await done_once(parts.catalog, once, lambda: _changed(parts, *told))


def _creative_routes(found: APIRouter, parts: CampaignParts) -> None:
    path = "/campaign/{campaign_id}/creatives"

    @found.get(path, summary="What a campaign shows", responses=responses(list[Creative], also=(404,)))
    async def creatives(campaign_id: str, caller: Reader) -> StructResponse:
        entry = await _entry(parts, campaign_id)
        return versioned(entry.campaign.creatives, entry.version)

    @found.post(
        path,
        status_code=201,
        summary="One more creative",
        openapi_extra=body(Creative, examples.CREATIVE),
        responses=responses(CampaignDetails, status=201, also=(400, 404, 408, 409, 412, 413)),
    )
    async def add(
        campaign_id: str,
        request: Request,
        caller: Admin,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        sent, version = await bodies.read(request), bodies.versions_of(if_match)
        creative: Creative = bodies.decode(sent, Creative)
        once = once_of(request, sent, caller, idempotency_key, _kept(201))
        told = (parts.catalog.add_creative, campaign_id, creative, caller.name, version, once)
        return await done_once(parts.catalog, once, lambda: _changed(parts, *told, status=201))

    @found.get(f"{path}/{{creative_id}}", summary="One creative", responses=responses(Creative, also=(404,)))
    async def creative(campaign_id: str, creative_id: str, caller: Reader) -> StructResponse:
        entry = await _entry(parts, campaign_id)
        for one in entry.campaign.creatives:
            if one.id == creative_id:
                return versioned(one, entry.version)
        raise CreativeUnknown(f"campaign {campaign_id!r} has no creative {creative_id[:60]!r}")

    @found.delete(
        f"{path}/{{creative_id}}",
        summary="Take a creative away; a campaign keeps at least one",
        responses=responses(CampaignDetails, also=(400, 404, 409, 412)),
    )
    async def drop(campaign_id: str, creative_id: str, caller: Admin, if_match: IfMatch = None) -> Response:
        version = bodies.versions_of(if_match)
        return await _changed(parts, parts.catalog.drop_creative, campaign_id, creative_id, caller.name, version)


async def _entry(parts: CampaignParts, campaign_id: str) -> CatalogEntry:
    entry = await asyncio.to_thread(parts.catalog.get, campaign_id)
    if entry is None:
        raise CampaignUnknown(f"there is no campaign {campaign_id!r}")
    return entry


async def _halted(
    parts: CampaignParts,
    halt: Callable[..., CatalogEntry],
    campaign_id: str,
    caller: Caller,
    version: frozenset[int] | None,
) -> StructResponse:
    """Pause or archive a campaign; where the catalog cannot be told, stop one that bids, known here by its id.

    Raises:
        CatalogError: it cannot be told, and the campaign does not bid.
    """
    try:
        return await _changed(parts, halt, campaign_id, caller.name, version)
    except CatalogError:
        number = parts.number_of(campaign_id)
        if number is None:
            raise
    await parts.switch.set(Stop(number, time.time(), is_on=True, campaign=campaign_id, actor=caller.name))
    return StructResponse(CampaignStopped(campaign_id), 202)


async def _changed(
    parts: CampaignParts, change: Callable[..., CatalogEntry], *told: Any, status: int = 200
) -> StructResponse:
    """Make a change of record, and answer with what it came to."""
    return await _taken_up(parts, await asyncio.to_thread(change, *told), status)


async def _taken_up(parts: CampaignParts, entry: CatalogEntry, status: int = 200) -> StructResponse:
    """Tell the ledger the campaign's terms, and answer with what both say.

    The change is of record by now, so an unavailable ledger is no failure: told of one, a caller would send a top-up
    again. The Controller opens the terms when the ledger is back; until then there are no figures.
    """
    balance = None
    with suppress(LedgerError, RedisError, CatalogError, OSError):
        balance = await _opened(parts, entry)
    return _answer(entry, balance, status)


async def _opened(parts: CampaignParts, entry: CatalogEntry) -> Balance:
    """Open the terms of record, and read them again: of two changes at once, the newer one has to stay."""
    await _refuse_lost(parts, entry)
    latest = entry
    while True:
        opened = terms_of(latest)
        await parts.ledger.open(entry.number, opened)
        read = await asyncio.to_thread(parts.catalog.get, entry.campaign.id)
        latest = read or latest
        if terms_of(latest) == opened:
            (balance,) = await total_balances(parts.ledger, [entry.number])
            return balance


async def _refuse_lost(parts: CampaignParts, entry: CatalogEntry) -> None:
    """Leave a campaign closed if the ledger lost its figures: see the Controller, which says so in the log.

    Raises:
        LedgerError: it is such a campaign.
    """
    balances = await total_balances(parts.ledger, [entry.number])
    known_whole = balances[0].budget and not balances[0].behind
    if not known_whole and lost_campaigns([entry], balances, await asyncio.to_thread(parts.catalog.spent)):
        raise LedgerError("the ledger lost this campaign's figures: run `python -m pipelines.rebuild_ledger`")


def _kept(status: int) -> Callable[[CatalogEntry], KeptAnswer]:
    """Build what the transaction keeps of an answer: all but the figures, which only the ledger knows."""
    return lambda entry: KeptAnswer(status, bytes(_answer(entry, None).body).decode(), f'"{entry.version}"')


def _answer(entry: CatalogEntry, balance: Balance | None, status: int = 200) -> StructResponse:
    return versioned(_details(entry, balance), entry.version, status)


def _details(entry: CatalogEntry, balance: Balance | None) -> CampaignDetails:
    """Return a campaign as it is shown; without figures where the ledger is unavailable."""
    return CampaignDetails(
        **msgspec.structs.asdict(entry.campaign),
        number=entry.number,
        version=entry.version,
        created_at=moment(entry.created),
        figures=None if balance is None else figures(balance),
        over_budget_micros=None if balance is None else over_budget(entry, balance),
    )
