"""Portfolios over REST: made, shown, changed; what they moved and why; what another strategy would do."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from deployments.api import bodies, examples
from deployments.api.access import Caller, Needs
from deployments.api.campaigns import IfMatch
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from portfolio import live
from portfolio.allocation import Allocation
from portfolio.definition import Portfolio, check_apart, decode_portfolio, encode_portfolio, patch_portfolio
from portfolio.live import MemberState, PortfolioState, Seen
from portfolio.manager import Strategy
from portfolio.metrics import PORTFOLIO, metrics_of
from portfolio.snapshot import Snapshot
from rtb.catalog import Catalog, Moved, PortfolioRecord
from rtb.ledger import Ledger, whole_balances


class _Picture(NamedTuple):
    """A portfolio and all that is known of it now."""

    record: PortfolioRecord
    portfolio: Portfolio
    state: PortfolioState
    snapshot: Snapshot


def routes(catalog: Catalog, ledger: Ledger) -> APIRouter:
    """The calls about portfolios."""
    found = APIRouter(prefix="/portfolio", tags=["portfolios"])
    _write_routes(found, catalog, ledger)
    _read_routes(found, catalog, ledger)
    return found


def _read_routes(found: APIRouter, catalog: Catalog, ledger: Ledger) -> None:
    reader = Depends(Needs("report"))

    @found.get("", summary="All portfolios", responses=responses("Portfolios"))
    async def portfolios(caller: Caller = reader) -> JSONResponse:
        records = await asyncio.to_thread(catalog.portfolios.all)
        return JSONResponse([_described(record, decode_portfolio(record.body)) for record in records])

    @found.get(
        "/{portfolio_id}",
        summary="A portfolio with its campaigns' figures, budgets and prices",
        responses=responses("PortfolioShown", also=(404,)),
    )
    async def portfolio(portfolio_id: str, caller: Caller = reader) -> Response:
        """Figures with 95% credible intervals; null where one has no meaning yet."""
        return _shown(await _picture(catalog, ledger, portfolio_id))

    @found.get(
        "/{portfolio_id}/history",
        summary="Budgets it moved, and why, oldest first",
        responses=responses("Moves", also=(404,)),
    )
    async def history(
        portfolio_id: str, caller: Caller = reader, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    ) -> JSONResponse:
        """The last `limit` moves. One is here a few seconds after it was made, when its event is written."""
        await asyncio.to_thread(catalog.portfolios.get, portfolio_id)
        moves = await asyncio.to_thread(catalog.portfolios.moves, portfolio_id, limit)
        entries = await asyncio.to_thread(catalog.all)
        names = {entry.number: entry.campaign.id for entry in entries}
        return JSONResponse([_told(move, names) for move in moves])

    @found.get(
        "/{portfolio_id}/what-if",
        summary="What a strategy would do now; nothing is moved",
        responses=responses("WhatIf", also=(404, 409)),
    )
    async def what_if(portfolio_id: str, strategy: Strategy, caller: Caller = reader) -> JSONResponse:
        """It decides by what is known now, the last decision's memories and prices included."""
        picture = await _picture(catalog, ledger, portfolio_id)
        try:
            allocation, _ = live.allocated(picture.portfolio, picture.state, picture.snapshot, strategy)
        except ValueError as error:
            raise Problem(409, str(error), "portfolio-infeasible") from error
        return JSONResponse(_allocation(allocation, picture.snapshot))


def _write_routes(found: APIRouter, catalog: Catalog, ledger: Ledger) -> None:
    admin = Depends(Needs("admin"))

    @found.post(
        "/create",
        status_code=201,
        summary="Let campaigns share their budgets",
        openapi_extra=body("Portfolio", examples.PORTFOLIO),
        responses=responses("PortfolioShown", status=201, also=(400, 404, 408, 409, 413)),
    )
    async def create(request: Request, caller: Caller = admin) -> Response:
        """The first decision comes two intervals later, when there is something to judge by."""
        portfolio = decode_portfolio(await bodies.read(request))
        await _known(catalog, portfolio)

        def check(others: Sequence[PortfolioRecord]) -> None:
            check_apart([portfolio, *_decoded(others)])

        told = (portfolio.id, encode_portfolio(portfolio), check)
        await asyncio.to_thread(catalog.portfolios.create, *told)
        return _shown(await _picture(catalog, ledger, portfolio.id), 201)

    @found.patch(
        "/{portfolio_id}",
        summary="Change a portfolio: its strategy, limits, members",
        openapi_extra=body(None, examples.PORTFOLIO_PATCH, "application/merge-patch+json"),
        responses=responses("PortfolioShown", also=(400, 404, 408, 409, 412, 413, 428)),
    )
    async def change(portfolio_id: str, request: Request, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        """Fields are replaced, `members` as a whole; null takes the default. It holds from the next decision on."""
        version = bodies.needed_versions(if_match)
        patch = bodies.decode(await bodies.read(request), Any)
        record = await asyncio.to_thread(catalog.portfolios.get, portfolio_id)
        await _known(catalog, patch_portfolio(decode_portfolio(record.body), patch))

        def edit(before: str) -> str:
            return encode_portfolio(patch_portfolio(decode_portfolio(before), patch))

        def check(all_of_them: Sequence[PortfolioRecord]) -> None:
            check_apart(_decoded(all_of_them))

        await asyncio.to_thread(catalog.portfolios.change, portfolio_id, version, edit, check)
        return _shown(await _picture(catalog, ledger, portfolio_id))

    @found.delete(
        "/{portfolio_id}",
        status_code=204,
        summary="Share budgets no more; what was moved stays where it is",
        responses={204: {"description": "done"}, **_problems(responses(None, also=(400, 404, 412, 428)))},
    )
    async def delete(portfolio_id: str, caller: Caller = admin, if_match: IfMatch = None) -> Response:
        version = bodies.needed_versions(if_match)
        await asyncio.to_thread(catalog.portfolios.delete, portfolio_id, version)
        return Response(status_code=204)


def _problems(said: dict[int | str, Any]) -> dict[int | str, Any]:
    return {status: one for status, one in said.items() if status != 200}


def _decoded(records: Sequence[PortfolioRecord]) -> list[Portfolio]:
    return [decode_portfolio(one.body) for one in records]


async def _known(catalog: Catalog, portfolio: Portfolio) -> None:
    """See that there are campaigns of these ids.

    Raises:
        Problem: 404, naming those that are not there.
    """
    entries = await asyncio.to_thread(catalog.all)
    known = {entry.campaign.id for entry in entries}
    missing = [member.campaign for member in portfolio.members if member.campaign not in known]
    if missing:
        named = ", ".join(map(repr, missing[:5]))
        raise Problem(404, f"there is no campaign {named}: create it first", "campaign-unknown")


async def _picture(catalog: Catalog, ledger: Ledger, portfolio_id: str) -> _Picture:
    record = await asyncio.to_thread(catalog.portfolios.get, portfolio_id)
    portfolio, state = decode_portfolio(record.body), live.decode_state(record.state)
    wanted = {member.campaign for member in portfolio.members}
    entries = [entry for entry in await asyncio.to_thread(catalog.all) if entry.campaign.id in wanted]
    balances = await whole_balances(ledger, [entry.number for entry in entries])
    campaigns = live.named([*map(Seen, entries, balances)])
    return _Picture(record, portfolio, state, live.snapshot_of(portfolio, state, campaigns, time.time()))


def _shown(picture: _Picture, status: int = 200) -> JSONResponse:
    record, portfolio, state, snapshot = picture
    rows = {row["id"]: _plain(row) for row in metrics_of(snapshot).to_dict("records")}
    together = rows.pop(PORTFOLIO)
    shown = {
        **_described(record, portfolio),
        "total_micros": snapshot.total,
        "decisions": state.decisions,
        "decided_at": _moment(state.at) if state.at else None,
        "price": None if state.log_price is None else math.exp(state.log_price),
        "figures": together,
        "campaigns": {one.id: rows[one.id] | _steered(state, one.id) for one in snapshot.campaigns},
    }
    return JSONResponse(shown, status, {"ETag": f'"{record.version}"'})


def _steered(state: PortfolioState, name: str) -> dict[str, Any]:
    """How a campaign's bids are steered to its targets."""
    known = state.members.get(name, MemberState())
    return {"multiplier": known.multiplier, "steering": known.because}


def _described(record: PortfolioRecord, portfolio: Portfolio) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(portfolio)
    return described | {"version": record.version, "created_at": _moment(record.created)}


def _allocation(allocation: Allocation, snapshot: Snapshot) -> dict[str, Any]:
    budgets = {one.id: one.budget for one in snapshot.campaigns}
    return {
        "strategy": allocation.strategy,
        "total_micros": snapshot.total,
        "unallocated_micros": allocation.unallocated,
        "campaigns": {
            name: {"budget_micros": budgets[name], "would_have_micros": micros, "because": allocation.reasons[name]}
            for name, micros in allocation.micros.items()
        },
        "moves": [
            {"source": one.source, "target": one.target, "micros": one.micros, "because": one.because}
            for one in allocation.moves
        ],
    }


def _told(move: Moved, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "at": _moment(move.at),
        "source": names.get(move.source, str(move.source)),
        "target": names.get(move.target, str(move.target)),
        "micros": move.micros,
        "because": move.because,
    }


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Figures as JSON has them: what is no number is null."""
    return {
        str(name): None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
        if name not in ("id", "scope")
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
