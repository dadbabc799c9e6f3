"""Campaigns over REST: made, shown, changed, archived, and what they show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from deployments.api import bodies, examples
from deployments.api.access import Caller, Needs
from deployments.api.documents import body, responses
from deployments.api.repeats import IdempotencyKey, done_once, once_of
from deployments.figures import figures
from deployments.stopping import StopSwitch
from rtb.campaigns.campaign import decode_campaign
from rtb.campaigns.creative import Creative
from rtb.campaigns.stops import Stop, Stops
from rtb.catalog import CampaignUnknown, Catalog, CatalogError, Change, CreativeUnknown, Entry, Kept
from rtb.ledger import Balance, Ledger, LedgerError, whole_balances
from rtb.pacing.terms import lost, over_budget, terms_of

IfMatch = Annotated[str | None, Header(description='the version to change, as the ETag said it: `"3"`')]
Status = Literal["active", "paused", "archived", "all"]


class TopUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to a campaign's total budget."""

    micros: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


@dataclass(frozen=True)
class CampaignParts:
    """What the calls about campaigns need."""

    catalog: Catalog
    ledger: Ledger
    stops: Stops
    switch: StopSwitch
    number_of: Callable[[str], int | None]
    """Finds the number of a campaign that is bid for."""


def routes(parts: CampaignParts) -> APIRouter:
    """The calls about campaigns."""
    found = APIRouter(tags=["campaigns"])
    _read_routes(found, parts)
    _write_routes(found, parts)
    _switch_routes(found, parts)
    _creative_routes(found, parts)
    return found


def _read_routes(found: APIRouter, parts: CampaignParts) -> None:
    reader = Depends(Needs("report"))

    @found.get("/campaigns", summary="Campaigns with their money, in pages", responses=responses("CampaignList"))
    async def campaigns(
        request: Request,
        caller: Caller = reader,
        *,
        status: Annotated[Status | None, Query(description="none: those not archived")] = None,
        q: Annotated[str, Query(max_length=255, description="a part of the id or name, in either case")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
        after: Annotated[int, Query(ge=0, le=2**31 - 1, description="the page before ended with this number")] = 0,
    ) -> JSONResponse:
        """In the order they were created. Where there are more, a `Link` header with `rel="next"` leads to them."""
        page = await asyncio.to_thread(parts.catalog.page, after, limit, status=status, text=q)
        balances = await whole_balances(parts.ledger, [entry.number for entry in page.entries])
        told = [_shown(entry, balance) for entry, balance in zip(page.entries, balances, strict=True)]
        if page.next is None:
            return JSONResponse(told)
        following = request.url.include_query_params(after=page.next)
        # Relative: a proxy may have put what we call `/campaigns` below a path of its own.
        return JSONResponse(told, headers={"Link": f'<?{following.query}>; rel="next"'})

    @found.get(
        "/campaign/{campaign_id}",
        summary="One campaign with its money",
        responses=responses("CampaignShown", also=(404,)),
    )
    async def campaign(campaign_id: str, caller: Caller = reader) -> Response:
        entry = await _entry(parts, campaign_id)
        (balance,) = await whole_balances(parts.ledger, [entry.number])
        return _answer(entry, balance)

    @found.get(
        "/campaign/{campaign_id}/history",
        summary="Who changed what, oldest first",
        responses=responses("Changes", also=(404,)),
    )
    async def history(
        campaign_id: str, caller: Caller = reader, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    ) -> JSONResponse:
        """The last `limit` changes."""
        changes = await asyncio.to_thread(parts.catalog.history, campaign_id, limit)
        return JSONResponse([_told(change) for change in changes])


def _write_routes(found: APIRouter, parts: CampaignParts) -> None:
    admin = Depends(Needs("admin"))

    @found.post(
        "/campaign/create",
        status_code=201,
        summary="Create a campaign; it bids within a pacing interval",
        openapi_extra=body("Campaign", examples.CAMPAIGN),
        responses=responses("CampaignShown", status=201, also=(400, 408, 409, 413)),
    )
    async def create(request: Request, caller: Caller = admin, idempotency_key: IdempotencyKey = None) -> Response:
        sent = await bodies.read(request)
        campaign = decode_campaign(sent)
        once = once_of(request, sent, caller, idempotency_key, _kept(201))

        async def act() -> Response:
            entry = await asyncio.to_thread(parts.catalog.add, campaign, caller.name, once)
            return await _taken_up(parts, entry, 201)

        return await done_once(parts.catalog, once, act)

    @found.patch(
        "/campaign/{campaign_id}",
        summary="Change a campaign by a JSON merge patch",
        openapi_extra=body(None, examples.PATCH, "application/merge-patch+json"),
        responses=responses("CampaignShown", also=(400, 404, 408, 409, 412, 413, 428)),
    )
    async def change(campaign_id: str, request: Request, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        """Objects merge, null takes the default, everything else replaces. `If-Match` names the version it is for."""
        version = bodies.needed_versions(if_match)
        patch = bodies.decode(await bodies.read(request), Any)
        entry = await asyncio.to_thread(parts.catalog.change, campaign_id, version, patch, caller.name)
        return await _taken_up(parts, entry)

    @found.delete(
        "/campaign/{campaign_id}",
        summary="Archive a campaign: it never bids again; its money and history stay",
        responses=responses("CampaignShown", also=(400, 404, 412, 428)),
    )
    async def archive(campaign_id: str, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        """Notices of its bids are still settled. `GET /campaigns?status=archived` shows it."""
        version = bodies.needed_versions(if_match)
        try:
            entry = await asyncio.to_thread(parts.catalog.archive, campaign_id, caller.name, version)
        except CatalogError as error:
            return await _stopped(parts, campaign_id, caller, error)
        return await _taken_up(parts, entry)


def _switch_routes(found: APIRouter, parts: CampaignParts) -> None:
    admin = Depends(Needs("admin"))
    told = responses("CampaignShown", also=(400, 404, 409, 412))

    @found.post("/campaign/{campaign_id}/pause", summary="Bid no more, within a pacing interval", responses=told)
    async def pause(campaign_id: str, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        """While the catalog cannot be written, as on a full disk, it is stopped in memory (202) and paused later."""
        version = bodies.versions_of(if_match)
        try:
            entry = await asyncio.to_thread(parts.catalog.pause, campaign_id, caller.name, version)
        except CatalogError as error:
            return await _stopped(parts, campaign_id, caller, error)
        return await _taken_up(parts, entry)

    @found.post("/campaign/{campaign_id}/resume", summary="Bid again", responses=told)
    async def resume(campaign_id: str, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        version = bodies.versions_of(if_match)
        entry = await asyncio.to_thread(parts.catalog.resume, campaign_id, caller.name, version)
        if entry.number in {one.number for one in parts.stops.all()}:
            await parts.switch.set(Stop(entry.number, time.time(), is_on=False))
        return await _taken_up(parts, entry)

    @found.post(
        "/campaign/{campaign_id}/top-up",
        summary="Raise a campaign's total budget",
        openapi_extra=body("TopUp", examples.TOP_UP),
        responses=responses("CampaignShown", also=(400, 404, 408, 409, 412, 413)),
    )
    async def top_up(
        campaign_id: str,
        request: Request,
        caller: Caller = admin,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Each call adds. With `Idempotency-Key`, or `If-Match`, one that is repeated adds nothing more."""
        sent, version = await bodies.read(request), bodies.versions_of(if_match)
        micros = bodies.decode(sent, TopUp).micros
        once = once_of(request, sent, caller, idempotency_key, _kept(200))

        async def act() -> Response:
            told = (campaign_id, micros, caller.name, version, once)
            return await _taken_up(parts, await asyncio.to_thread(parts.catalog.top_up, *told))

        return await done_once(parts.catalog, once, act)


def _creative_routes(found: APIRouter, parts: CampaignParts) -> None:
    reader, admin = Depends(Needs("report")), Depends(Needs("admin"))
    path = "/campaign/{campaign_id}/creatives"

    @found.get(path, summary="What a campaign shows", responses=responses("Creatives", also=(404,)))
    async def creatives(campaign_id: str, caller: Caller = reader) -> JSONResponse:
        entry = await _entry(parts, campaign_id)
        return JSONResponse(msgspec.to_builtins(entry.campaign.creatives), headers=_tag(entry))

    @found.post(
        path,
        status_code=201,
        summary="One more creative",
        openapi_extra=body("Creative", examples.CREATIVE),
        responses=responses("CampaignShown", status=201, also=(400, 404, 408, 409, 412, 413)),
    )
    async def add(
        campaign_id: str,
        request: Request,
        caller: Caller = admin,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        sent, version = await bodies.read(request), bodies.versions_of(if_match)
        creative: Creative = bodies.decode(sent, Creative)
        once = once_of(request, sent, caller, idempotency_key, _kept(201))

        async def act() -> Response:
            told = (campaign_id, creative, caller.name, version, once)
            return await _taken_up(parts, await asyncio.to_thread(parts.catalog.add_creative, *told), 201)

        return await done_once(parts.catalog, once, act)

    @found.get(f"{path}/{{creative_id}}", summary="One creative", responses=responses("Creative", also=(404,)))
    async def creative(campaign_id: str, creative_id: str, caller: Caller = reader) -> JSONResponse:
        entry = await _entry(parts, campaign_id)
        for one in entry.campaign.creatives:
            if one.id == creative_id:
                return JSONResponse(msgspec.to_builtins(one), headers=_tag(entry))
        raise CreativeUnknown(f"campaign {campaign_id!r} has no creative {creative_id[:60]!r}")

    @found.delete(
        f"{path}/{{creative_id}}",
        summary="Take a creative away; a campaign keeps at least one",
        responses=responses("CampaignShown", also=(400, 404, 409, 412)),
    )
    async def drop(campaign_id: str, creative_id: str, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        told = (campaign_id, creative_id, caller.name, bodies.versions_of(if_match))
        return await _taken_up(parts, await asyncio.to_thread(parts.catalog.drop_creative, *told))


async def _entry(parts: CampaignParts, campaign_id: str) -> Entry:
    entry = await asyncio.to_thread(parts.catalog.get, campaign_id)
    if entry is None:
        raise CampaignUnknown(f"there is no campaign {campaign_id!r}")
    return entry


async def _stopped(parts: CampaignParts, campaign_id: str, caller: Caller, error: CatalogError) -> Response:
    """Stop a campaign that the catalog cannot be told of; one that bids is known here by its id.

    Raises:
        CatalogError: it does not bid.
    """
    number = parts.number_of(campaign_id)
    if number is None:
        raise error
    await parts.switch.set(Stop(number, time.time(), is_on=True, campaign=campaign_id, actor=caller.name))
    told = {"id": campaign_id, "status": "stopped", "detail": "paused in the catalog once it can be written"}
    return JSONResponse(told, 202)


async def _taken_up(parts: CampaignParts, entry: Entry, status: int = 200) -> Response:
    """Tell the ledger the campaign's terms, and answer with what both say.

    The change is of record by now, so a ledger that is away is no failure: whoever were told of one would send a top-up
    again. The Controller opens them when the ledger is back; until then there are no figures.
    """
    try:
        balance = await _opened(parts, entry)
    except (LedgerError, RedisError, CatalogError, OSError):
        return _answer(entry, None, status)
    return _answer(entry, balance, status)


async def _opened(parts: CampaignParts, entry: Entry) -> Balance:
    """Open the terms that are of record, read again afterwards: of two changes at once the newer one's must stay."""
    await _refuse_lost(parts, entry)
    latest = entry
    while True:
        opened = terms_of(latest)
        await parts.ledger.open(entry.number, opened)
        read = await asyncio.to_thread(parts.catalog.get, entry.campaign.id)
        latest = read or latest
        if terms_of(latest) == opened:
            (balance,) = await whole_balances(parts.ledger, [entry.number])
            return balance


async def _refuse_lost(parts: CampaignParts, entry: Entry) -> None:
    """Leave a campaign closed whose figures the ledger lost: see the Controller, which says so in the log.

    Raises:
        LedgerError: it is such a campaign.
    """
    balances = await whole_balances(parts.ledger, [entry.number])
    known_whole = balances[0].budget and not balances[0].behind
    if not known_whole and lost([entry], balances, await asyncio.to_thread(parts.catalog.spent)):
        raise LedgerError("the ledger lost this campaign's figures: run `python -m pipelines.rebuild_ledger`")


def _kept(status: int) -> Callable[[Entry], Kept]:
    """What the transaction keeps of an answer: all but the figures, which only the ledger knows."""
    return lambda entry: Kept(status, bytes(_answer(entry, None).body).decode(), f'"{entry.version}"')


def _answer(entry: Entry, balance: Balance | None, status: int = 200) -> JSONResponse:
    """One campaign, its version as the ETag that the next change names."""
    return JSONResponse(_shown(entry, balance), status, _tag(entry))


def _tag(entry: Entry) -> dict[str, str]:
    return {"ETag": f'"{entry.version}"'}


def _shown(entry: Entry, balance: Balance | None) -> dict[str, Any]:
    """A campaign as it is shown; without figures where the ledger is away."""
    created = datetime.fromtimestamp(entry.created, UTC).isoformat()
    record = {"number": entry.number, "version": entry.version, "created_at": created}
    shown = None if balance is None else figures(balance)
    over = None if balance is None else over_budget(entry, balance)
    return {**msgspec.to_builtins(entry.campaign), **record, "figures": shown, "over_budget_micros": over}


def _told(change: Change) -> dict[str, Any]:
    return change._asdict() | {"at": datetime.fromtimestamp(change.at, UTC).isoformat()}
