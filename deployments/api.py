"""The REST side of the Router, for people and programs: campaigns, figures, health, and its documentation."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from fastapi_offline import FastAPIOffline
from redis.exceptions import RedisError

from rtb.campaign import Campaign, CampaignError, decode_campaign
from rtb.catalog import CampaignChanged, CampaignExists, CampaignUnknown, CatalogError, Change, Entry
from rtb.ledger import Balance, LedgerError
from rtb.terms import lost, terms_of

if TYPE_CHECKING:
    from deployments.router import Router

_SUMMED = ("budget", "available", "leased", "reserved", "spent")
_MAX_CAMPAIGN_BYTES = 256_000
_key_header = APIKeyHeader(name="X-API-Key", auto_error=False)
_VERSION_TAG = re.compile(r'"([0-9]{1,18})"')

IfMatch = Annotated[str | None, Header(description='the version to change, as the ETag said it: `"3"`')]


class TopUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to a campaign's total budget."""

    micros: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


def build(router: Router) -> FastAPI:
    """The FastAPI application of one replica."""
    app = FastAPIOffline(
        title="Raybid",
        version="0.1.0",
        description="A self-hosted real-time bidder. Exchanges POST OpenRTB to `/openrtb2/bid`; see the notes there.",
    )
    admin_key = router.settings.resolve_secret("admin_key")

    fingerprint = f"key:{hashlib.sha256(admin_key.encode()).hexdigest()[:12]}"

    def admin(key: Annotated[str | None, Depends(_key_header)]) -> str:
        """Who it is, for the history: a name that gives nothing of the key away."""
        if key is None or not hmac.compare_digest(key.encode(), admin_key.encode()):
            raise HTTPException(
                401, "X-API-Key is missing or unknown; the first run keeps one in var/secrets/admin_key"
            )
        return fingerprint

    _health_routes(app, router)
    _campaign_routes(app, router, admin)
    _change_routes(app, router, admin)
    _errors(app)
    _document_fast_path(app)
    return app


def _health_routes(app: FastAPI, router: Router) -> None:
    @app.get("/health", summary="Whether this replica can bid, and the state of each part")
    async def health() -> JSONResponse:
        try:
            await asyncio.wait_for(router.durability.look(), 1.0)
            await router.tally.flush()
            ledger = "ok"
        except (LedgerError, RedisError, OSError, TimeoutError) as error:
            ledger = f"away: {error}"
        is_well = ledger == "ok" and not router.durability.refusal
        state = {
            "status": "ok" if is_well else "degraded",
            "ledger": ledger,
            "durability": str(router.durability.found),
            "campaigns": router.edge.campaigns,
        }
        return JSONResponse(state, 200 if is_well else 503)

    @app.get("/stats", summary="Money by campaign as the ledger has it, and counters over all replicas")
    async def stats() -> dict[str, Any]:
        entries = await asyncio.to_thread(router.catalog.all)
        balances = await router.ledger.balances([entry.number for entry in entries])
        campaigns = {e.campaign.id: _figures(b) for e, b in zip(entries, balances, strict=True)}
        totals = {f"{name}_micros": sum(getattr(b, name) for b in balances) for name in _SUMMED}
        events = (await router.events.backlog())._asdict()
        return {"ledger": totals, "campaigns": campaigns, "counters": await router.tally.totals(), "events": events}


def _campaign_routes(app: FastAPI, router: Router, admin: Any) -> None:
    known = Depends(admin)  # as a default: a name of this function could not be found from an annotation

    @app.post(
        "/campaign/create",
        status_code=201,
        summary="Create a campaign; it bids within a pacing interval",
        openapi_extra=_body(_schema()),
    )
    async def create(request: Request, actor: str = known) -> JSONResponse:
        entry = await asyncio.to_thread(router.catalog.add, decode_campaign(await _read(request)), actor)
        return await _taken_up(router, entry, 201)

    @app.get("/campaigns", summary="All campaigns with their money", dependencies=[Depends(admin)])
    async def campaigns() -> list[dict[str, Any]]:
        entries = await asyncio.to_thread(router.catalog.all)
        balances = await router.ledger.balances([entry.number for entry in entries])
        return [_shown(entry, balance) for entry, balance in zip(entries, balances, strict=True)]

    @app.get("/campaign/{campaign_id}", summary="One campaign with its money", dependencies=[Depends(admin)])
    async def campaign(campaign_id: str) -> JSONResponse:
        entry = await asyncio.to_thread(router.catalog.get, campaign_id)
        if entry is None:
            raise HTTPException(404, f"there is no campaign {campaign_id!r}")
        (balance,) = await router.ledger.balances([entry.number])
        return _answer(entry, balance)

    @app.get("/campaign/{campaign_id}/history", summary="Who changed what", dependencies=[Depends(admin)])
    async def history(campaign_id: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> list[dict[str, Any]]:
        """The last `limit` changes, oldest first."""
        changes = await asyncio.to_thread(router.catalog.history, campaign_id, limit)
        return [_told(change) for change in changes]


def _change_routes(app: FastAPI, router: Router, admin: Any) -> None:
    known = Depends(admin)

    async def changed(method: Callable[..., Entry], *arguments: Any) -> JSONResponse:
        return await _taken_up(router, await asyncio.to_thread(method, *arguments))

    @app.patch(
        "/campaign/{campaign_id}",
        summary="Change a campaign by a JSON merge patch",
        openapi_extra=_body({"type": "object"}, "application/merge-patch+json"),
    )
    async def change(campaign_id: str, request: Request, actor: str = known, if_match: IfMatch = None) -> JSONResponse:
        """Objects merge, null takes the default, everything else replaces. `If-Match` names the version it is for."""
        version = _version(if_match)
        if version is None:
            raise HTTPException(428, 'If-Match is missing: send the ETag of the campaign, such as "3"')
        patch = _decode(await _read(request), Any)
        return await changed(router.catalog.change, campaign_id, version, patch, actor)

    @app.post("/campaign/{campaign_id}/pause", summary="Bid no more, within a pacing interval")
    async def pause(campaign_id: str, actor: str = known, if_match: IfMatch = None) -> JSONResponse:
        return await changed(router.catalog.pause, campaign_id, actor, _version(if_match))

    @app.post("/campaign/{campaign_id}/resume", summary="Bid again")
    async def resume(campaign_id: str, actor: str = known, if_match: IfMatch = None) -> JSONResponse:
        return await changed(router.catalog.resume, campaign_id, actor, _version(if_match))

    @app.post(
        "/campaign/{campaign_id}/top-up",
        summary="Raise a campaign's total budget",
        openapi_extra=_body(msgspec.json.schema(TopUp)["$defs"]["TopUp"]),
    )
    async def top_up(campaign_id: str, request: Request, actor: str = known, if_match: IfMatch = None) -> JSONResponse:
        """Each call adds. With `If-Match`, one that is repeated because its answer was lost adds nothing more."""
        micros = _decode(await _read(request), TopUp).micros
        return await changed(router.catalog.top_up, campaign_id, micros, actor, _version(if_match))


async def _read(request: Request) -> bytes:
    body = await request.body()
    if len(body) > _MAX_CAMPAIGN_BYTES:
        raise HTTPException(413, f"a campaign is at most {_MAX_CAMPAIGN_BYTES} bytes")
    return body


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CampaignError(str(error)) from error


def _version(if_match: str | None) -> int | None:
    """The version an `If-Match` names; None where there is no such header."""
    if if_match is None:
        return None
    found = _VERSION_TAG.fullmatch(if_match.strip())
    if found is None:
        raise HTTPException(400, 'If-Match is one version in quotes, such as "3"')
    return int(found[1])


async def _taken_up(router: Router, entry: Entry, status: int = 200) -> JSONResponse:
    """Tell the ledger the campaign's terms, and answer with what both say.

    The change is of record by now, so a ledger that is away is no failure: whoever were told of one would send a top-up
    again. The Controller opens them when the ledger is back; until then there are no figures.
    """
    try:
        balance = await _opened(router, entry)
    except (LedgerError, RedisError, CatalogError, OSError):
        return _answer(entry, None, status)
    return _answer(entry, balance, status)


async def _opened(router: Router, entry: Entry) -> Balance:
    """Open the terms that are of record, read again afterwards: of two changes at once the newer one's must stay."""
    await _refuse_lost(router, entry)
    latest = entry
    while True:
        opened = terms_of(latest)
        await router.ledger.open(entry.number, opened)
        read = await asyncio.to_thread(router.catalog.get, entry.campaign.id)
        latest = read or latest
        if terms_of(latest) == opened:
            (balance,) = await router.ledger.balances([entry.number])
            return balance


async def _refuse_lost(router: Router, entry: Entry) -> None:
    """Leave a campaign closed whose figures the ledger lost: see the Controller, which says so in the log.

    Raises:
        LedgerError: it is such a campaign.
    """
    balances = await router.ledger.balances([entry.number])
    if not balances[0].budget and lost([entry], balances, await asyncio.to_thread(router.catalog.spent)):
        raise LedgerError("the ledger lost this campaign's figures: run `python -m pipelines.rebuild_ledger`")


def _errors(app: FastAPI) -> None:
    """What is away answers 503 and says so; nothing answers with a traceback."""

    async def away(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "1"})

    for kind in (LedgerError, CatalogError, RedisError):
        app.add_exception_handler(kind, away)
    for refused, status in _REFUSALS.items():
        app.add_exception_handler(refused, _refusal(status))


_REFUSALS = {CampaignUnknown: 404, CampaignExists: 409, CampaignChanged: 412, CampaignError: 422}


def _refusal(status: int) -> Callable[[Request, Exception], JSONResponse]:
    def refuse(_: Request, error: Exception) -> JSONResponse:
        headers = {"ETag": f'"{error.version}"'} if isinstance(error, CampaignChanged) else None
        return JSONResponse({"detail": str(error)}, status, headers)

    return refuse


def _answer(entry: Entry, balance: Balance | None, status: int = 200) -> JSONResponse:
    """One campaign, its version as the ETag that the next change names."""
    return JSONResponse(_shown(entry, balance), status, {"ETag": f'"{entry.version}"'})


def _shown(entry: Entry, balance: Balance | None) -> dict[str, Any]:
    """A campaign as it is shown; without figures where the ledger is away."""
    record = {"number": entry.number, "version": entry.version}
    figures = None if balance is None else _figures(balance)
    return {**msgspec.to_builtins(entry.campaign), **record, "figures": figures}


def _told(change: Change) -> dict[str, Any]:
    return change._asdict() | {"at": datetime.fromtimestamp(change.at, UTC).isoformat()}


def _figures(balance: Balance) -> dict[str, Any]:
    """A campaign's money (micros) and counts."""
    money = {f"{name}_micros": getattr(balance, name) for name in _SUMMED}
    counts = ("bids", "wins", "bills", "losses", "clicks", "conversions", "unfunded")
    return money | {name: getattr(balance, name) for name in counts}


def _body(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    """What the documentation page says of a body that is read raw."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


def _schema() -> dict[str, Any]:
    """JSON schema of a campaign, whole in one place, for the documentation page."""
    schema, parts = msgspec.json.schema_components([Campaign], ref_template="#/components/schemas/{name}")
    return dict(parts["Campaign"]) if "$ref" in schema[0] else dict(schema[0])


def _document_fast_path(app: FastAPI) -> None:
    """Put the paths that never reach FastAPI, and the campaign's parts, into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document["paths"].update(_FAST_PATHS)
        _, parts = msgspec.json.schema_components([Campaign], ref_template="#/components/schemas/{name}")
        document.setdefault("components", {}).setdefault("schemas", {}).update(parts)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


_FAST_PATHS: dict[str, Any] = {
    "/openrtb2/bid": {
        "post": {
            "summary": "OpenRTB 2.6 bid request",
            "description": "One bid request as JSON. The reason of a 4xx is in the log and the counters (`/stats`).",
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {
                "200": {"description": "a bid response", "content": {"application/json": {}}},
                "204": {"description": "no bid"},
                "400": {"description": "malformed request, no body"},
                "401": {"description": "unknown X-API-Key"},
                "413": {"description": "body too large"},
            },
        }
    },
    "/notice/{kind}/{token}": {
        "get": {
            "summary": "Win, billing, loss, click or conversion notice",
            "description": "URLs of this form are in every bid; exchanges and browsers call them as they are.",
            "parameters": [
                {"name": "kind", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "price", "in": "query", "description": "clearing price, CPM", "schema": {"type": "string"}},
            ],
            "responses": {
                "204": {"description": "taken up, durably; repeating it changes nothing"},
                "302": {"description": "a click, on its way to the landing page"},
                "400": {"description": "no usable price"},
                "403": {"description": "forged token"},
                "404": {"description": "unknown kind or campaign"},
                "410": {"description": "the bid has expired"},
                "503": {"description": "the ledger is away: send it again"},
            },
        }
    },
}
