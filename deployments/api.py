"""The REST side of the Router, for people and programs: campaigns, figures, health, and its documentation."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from fastapi_offline import FastAPIOffline
from redis.exceptions import RedisError

from rtb.campaign import Campaign, CampaignError, decode_campaign
from rtb.catalog import CampaignExists, CatalogError, Entry
from rtb.ledger import Balance, LedgerError

if TYPE_CHECKING:
    from deployments.router import Router

_SUMMED = ("budget", "available", "leased", "reserved", "spent")
_MAX_CAMPAIGN_BYTES = 256_000
_key_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def build(router: Router) -> FastAPI:
    """The FastAPI application of one replica."""
    app = FastAPIOffline(
        title="Raybid",
        version="0.1.0",
        description="A self-hosted real-time bidder. Exchanges POST OpenRTB to `/openrtb2/bid`; see the notes there.",
    )
    admin_key = router.settings.resolve_secret("admin_key")

    def admin(key: Annotated[str | None, Depends(_key_header)]) -> None:
        if key is None or not hmac.compare_digest(key.encode(), admin_key.encode()):
            raise HTTPException(
                401, "X-API-Key is missing or unknown; the first run keeps one in var/secrets/admin_key"
            )

    _health_routes(app, router)
    _campaign_routes(app, router, admin)
    _errors(app)
    _document_fast_path(app)
    return app


def _health_routes(app: FastAPI, router: Router) -> None:
    @app.get("/health", summary="Whether this replica can bid, and the state of each part")
    async def health() -> JSONResponse:
        try:
            await asyncio.wait_for(router.ledger.balances([]), 1.0)
            await router.tally.flush()
            ledger = "ok"
        except (LedgerError, RedisError, OSError, TimeoutError) as error:
            ledger = f"away: {error}"
        state = {"status": "ok" if ledger == "ok" else "degraded", "ledger": ledger, "campaigns": router.edge.campaigns}
        return JSONResponse(state, 200 if ledger == "ok" else 503)

    @app.get("/stats", summary="Money by campaign as the ledger has it, and counters over all replicas")
    async def stats() -> dict[str, Any]:
        entries = await asyncio.to_thread(router.catalog.all)
        balances = await router.ledger.balances([entry.number for entry in entries])
        campaigns = {e.campaign.id: _figures(b) for e, b in zip(entries, balances, strict=True)}
        totals = {f"{name}_micros": sum(getattr(b, name) for b in balances) for name in _SUMMED}
        events = (await router.events.backlog())._asdict()
        return {"ledger": totals, "campaigns": campaigns, "counters": await router.tally.totals(), "events": events}


def _campaign_routes(app: FastAPI, router: Router, admin: Any) -> None:
    @app.post(
        "/campaign/create",
        status_code=201,
        summary="Create a campaign; it bids within a pacing interval",
        dependencies=[Depends(admin)],
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _schema()}}}},
    )
    async def create(request: Request) -> dict[str, Any]:
        body = await request.body()
        if len(body) > _MAX_CAMPAIGN_BYTES:
            raise HTTPException(413, f"a campaign is at most {_MAX_CAMPAIGN_BYTES} bytes")
        try:
            entry = await asyncio.to_thread(router.catalog.add, decode_campaign(body))
        except CampaignError as error:
            raise HTTPException(422, str(error)) from error
        except CampaignExists as error:
            raise HTTPException(409, str(error)) from error
        await router.ledger.open(entry.number, entry.campaign.budget.total_micros)
        return _shown(entry, Balance(budget=entry.campaign.budget.total_micros))

    @app.get("/campaigns", summary="All campaigns with their money", dependencies=[Depends(admin)])
    async def campaigns() -> list[dict[str, Any]]:
        entries = await asyncio.to_thread(router.catalog.all)
        balances = await router.ledger.balances([entry.number for entry in entries])
        return [_shown(entry, balance) for entry, balance in zip(entries, balances, strict=True)]

    @app.get("/campaign/{campaign_id}", summary="One campaign with its money", dependencies=[Depends(admin)])
    async def campaign(campaign_id: str) -> dict[str, Any]:
        entry = await asyncio.to_thread(router.catalog.get, campaign_id)
        if entry is None:
            raise HTTPException(404, f"there is no campaign {campaign_id!r}")
        (balance,) = await router.ledger.balances([entry.number])
        return _shown(entry, balance)


def _errors(app: FastAPI) -> None:
    """What is away answers 503 and says so; nothing answers with a traceback."""

    async def away(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "1"})

    for kind in (LedgerError, CatalogError, RedisError):
        app.add_exception_handler(kind, away)


def _shown(entry: Entry, balance: Balance) -> dict[str, Any]:
    return {**msgspec.to_builtins(entry.campaign), "number": entry.number, "figures": _figures(balance)}


def _figures(balance: Balance) -> dict[str, Any]:
    """A campaign's money (micros) and counts."""
    money = {f"{name}_micros": getattr(balance, name) for name in _SUMMED}
    counts = ("bids", "wins", "bills", "losses", "clicks", "conversions", "unfunded")
    return money | {name: getattr(balance, name) for name in counts}


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
