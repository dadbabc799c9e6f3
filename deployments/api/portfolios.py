"""Portfolios over REST: created, shown, changed; what they moved and why; what another strategy would do."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request, Response

from deployments.api import bodies, examples
from deployments.api.access import Admin, Reader
from deployments.api.answers import HistoryLimit, StructResponse, moment, versioned
from deployments.api.bodies import IfMatch
from deployments.api.documents import body, problems, responses
from deployments.api.problems import Problem
from portfolio import live
from portfolio.allocation import Allocation, Move
from portfolio.definition import Portfolio, check_apart, decode_portfolio, encode_portfolio, patch_portfolio
from portfolio.live import MemberAccount, MemberState, PortfolioState
from portfolio.manager import Strategy
from portfolio.metrics import metrics_of
from portfolio.snapshot import Snapshot
from rtb.catalog import Catalog, MoveRecord, PortfolioRecord
from rtb.ledger import Ledger, total_balances


class PortfolioSummary(Portfolio, frozen=True, kw_only=True):
    """A portfolio as its owner describes it, with the version to name in `If-Match`."""

    version: int
    created_at: str


class PortfolioDetails(PortfolioSummary, frozen=True, kw_only=True):
    """A portfolio with its figures.

    Attributes:
        decided_at: when the last decision was made; none: there was none yet.
        price: what the strategy `dual` takes a micro of budget to be worth; none: not known.
        figures: of all campaigns together, see `portfolio.metrics`; money in micros, null where one has no meaning yet.
        campaigns: figures of each by id, the multiplier of its bids, and why that.
    """

    total_micros: int
    decisions: int
    decided_at: str | None
    price: float | None
    figures: dict[str, int | float | None]
    campaigns: dict[str, dict[str, int | float | str | None]]


class BudgetMove(msgspec.Struct, frozen=True):
    """Budget that went from one campaign to another, and why."""

    at: str
    source: str
    target: str
    micros: int
    because: str


class PlannedBudget(msgspec.Struct, frozen=True):
    """The budget of a campaign now, what another strategy would make it, and why."""

    budget_micros: int
    would_have_micros: int
    because: str


class WhatIf(msgspec.Struct, frozen=True):
    """What a strategy would do now.

    Attributes:
        unallocated_micros: what no campaign may take.
    """

    strategy: str
    total_micros: int
    unallocated_micros: int
    campaigns: dict[str, PlannedBudget]
    moves: tuple[Move, ...]


class _Current(NamedTuple):
    """A portfolio and all that is known of it now."""

    record: PortfolioRecord
    portfolio: Portfolio
    state: PortfolioState
    snapshot: Snapshot


def routes(catalog: Catalog, ledger: Ledger) -> APIRouter:
    """Build the calls about portfolios."""
    found = APIRouter(prefix="/portfolio", tags=["portfolios"])
    _write_routes(found, catalog, ledger)
    _read_routes(found, catalog, ledger)
    return found


def _read_routes(found: APIRouter, catalog: Catalog, ledger: Ledger) -> None:
    @found.get("", summary="All portfolios", responses=responses(list[PortfolioSummary]))
    async def portfolios(caller: Reader) -> StructResponse:
        records = await asyncio.to_thread(catalog.portfolios.all)
        return StructResponse([_summary(record, decode_portfolio(record.body)) for record in records])

    @found.get(
        "/{portfolio_id}",
        summary="A portfolio with its campaigns' figures, budgets and prices",
        responses=responses(PortfolioDetails, also=(404,)),
    )
    async def portfolio(portfolio_id: str, caller: Reader) -> Response:
        """Return figures with 95% credible intervals; null where one has no meaning yet."""
        return _shown(await _current(catalog, ledger, portfolio_id))

    @found.get(
        "/{portfolio_id}/history",
        summary="Budgets it moved, and why, oldest first",
        responses=responses(list[BudgetMove], also=(404,)),
    )
    async def history(portfolio_id: str, caller: Reader, limit: HistoryLimit = 100) -> StructResponse:
        """Return the last `limit` moves. One is here a few seconds after it was made, when its event is written."""
        await asyncio.to_thread(catalog.portfolios.get, portfolio_id)
        moves = await asyncio.to_thread(catalog.portfolios.moves, portfolio_id, limit)
        entries = await asyncio.to_thread(catalog.all)
        names = {entry.number: entry.campaign.id for entry in entries}
        return StructResponse([_move(move, names) for move in moves])

    @found.get(
        "/{portfolio_id}/what-if",
        summary="What a strategy would do now; nothing is moved",
        responses=responses(WhatIf, also=(404, 409)),
    )
    async def what_if(portfolio_id: str, strategy: Strategy, caller: Reader) -> StructResponse:
        """Decide by what is known now, the last decision's memories and prices included."""
        current = await _current(catalog, ledger, portfolio_id)
        try:
            allocation, _ = live.allocated(current.portfolio, current.state, current.snapshot, strategy)
        except ValueError as error:
            raise Problem(409, str(error), "portfolio-infeasible") from error
        return StructResponse(_what_if(allocation, current.snapshot))


def _write_routes(found: APIRouter, catalog: Catalog, ledger: Ledger) -> None:
    @found.post(
        "/create",
        status_code=201,
        summary="Let campaigns share their budgets",
        openapi_extra=body(Portfolio, examples.PORTFOLIO),
        responses=responses(PortfolioDetails, status=201, also=(400, 404, 408, 409, 413)),
    )
    async def create(request: Request, caller: Admin) -> Response:
        """Make the first decision two intervals later, when there is something to judge by."""
        portfolio = decode_portfolio(await bodies.read(request))
        await _known(catalog, portfolio)
        told = portfolio.id, encode_portfolio(portfolio), lambda others: check_apart([portfolio, *_decoded(others)])
        await asyncio.to_thread(catalog.portfolios.create, *told)
        return _shown(await _current(catalog, ledger, portfolio.id), 201)

    @found.patch(
        "/{portfolio_id}",
        summary="Change a portfolio: its strategy, limits, members",
        openapi_extra=body(dict, examples.PORTFOLIO_PATCH, "application/merge-patch+json"),
        responses=responses(PortfolioDetails, also=(400, 404, 408, 409, 412, 413, 428)),
    )
    async def change(portfolio_id: str, request: Request, caller: Admin, if_match: IfMatch = None) -> Response:
        """Replace fields, `members` as a whole; null resets to the default. It holds from the next decision on."""
        version = bodies.needed_versions(if_match)
        patch = bodies.decode(await bodies.read(request), Any)
        record = await asyncio.to_thread(catalog.portfolios.get, portfolio_id)
        await _known(catalog, patch_portfolio(decode_portfolio(record.body), patch))

        def edit(before: str) -> str:
            return encode_portfolio(patch_portfolio(decode_portfolio(before), patch))

        told = portfolio_id, version, edit, lambda records: check_apart(_decoded(records))
        await asyncio.to_thread(catalog.portfolios.change, *told)
        return _shown(await _current(catalog, ledger, portfolio_id))

    @found.delete(
        "/{portfolio_id}",
        status_code=204,
        summary="Share budgets no more; what was moved stays where it is",
        responses={204: {"description": "done"}, **problems(400, 404, 412, 428)},
    )
    async def delete(portfolio_id: str, caller: Admin, if_match: IfMatch = None) -> Response:
        version = bodies.needed_versions(if_match)
        await asyncio.to_thread(catalog.portfolios.delete, portfolio_id, version)
        return Response(status_code=204)


def _decoded(records: Sequence[PortfolioRecord]) -> list[Portfolio]:
    return [decode_portfolio(one.body) for one in records]


async def _known(catalog: Catalog, portfolio: Portfolio) -> None:
    """Check that there are campaigns of these ids.

    Raises:
        Problem: 404, naming those that are not there.
    """
    entries = await asyncio.to_thread(catalog.all)
    known = {entry.campaign.id for entry in entries}
    missing = [member.campaign for member in portfolio.members if member.campaign not in known]
    if missing:
        named = ", ".join(map(repr, missing[:5]))
        raise Problem(404, f"there is no campaign {named}: create it first", "campaign-unknown")


async def _current(catalog: Catalog, ledger: Ledger, portfolio_id: str) -> _Current:
    record = await asyncio.to_thread(catalog.portfolios.get, portfolio_id)
    portfolio, state = decode_portfolio(record.body), live.decode_state(record.state)
    wanted = {member.campaign for member in portfolio.members}
    entries = [entry for entry in await asyncio.to_thread(catalog.all) if entry.campaign.id in wanted]
    balances = await total_balances(ledger, [entry.number for entry in entries])
    campaigns = live.named([*map(MemberAccount, entries, balances)])
    return _Current(record, portfolio, state, live.snapshot_of(portfolio, state, campaigns, time.time()))


def _shown(current: _Current, status: int = 200) -> StructResponse:
    record, portfolio, state, snapshot = current
    *members, together = metrics_of(snapshot).drop(columns=["id", "scope"]).to_dict("records")
    shown = PortfolioDetails(
        **msgspec.structs.asdict(_summary(record, portfolio)),
        total_micros=snapshot.total,
        decisions=state.decisions,
        decided_at=moment(state.at) if state.at else None,
        price=None if state.log_price is None else math.exp(state.log_price),
        figures=together,
        campaigns={
            one.id: row | _steered(state.members.get(one.id, MemberState()))
            for one, row in zip(snapshot.campaigns, members, strict=True)
        },
    )
    return versioned(shown, record.version, status)


def _steered(state: MemberState) -> dict[str, Any]:
    """Return how a campaign's bids are steered to its targets."""
    return {"multiplier": state.multiplier, "steering": state.because}


def _summary(record: PortfolioRecord, portfolio: Portfolio) -> PortfolioSummary:
    fields = msgspec.structs.asdict(portfolio)
    return PortfolioSummary(**fields, version=record.version, created_at=moment(record.created))


def _what_if(allocation: Allocation, snapshot: Snapshot) -> WhatIf:
    budgets = {one.id: one.budget for one in snapshot.campaigns}
    planned = {
        name: PlannedBudget(budgets[name], micros, allocation.reasons[name])
        for name, micros in allocation.micros.items()
    }
    return WhatIf(allocation.strategy, snapshot.total, allocation.unallocated, planned, allocation.moves)


def _move(move: MoveRecord, names: Mapping[int, str]) -> BudgetMove:
    source, target = (names.get(number, str(number)) for number in (move.source, move.target))
    return BudgetMove(moment(move.at), source, target, move.micros, move.because)
