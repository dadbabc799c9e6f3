"""Bids without OpenRTB, and what became of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from deployments.api import bodies, examples
from deployments.api.access import Caller, needs
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.notice_desk import Reply
from deployments.wiring import logger
from rtb import flat
from rtb.flat import FlatAnswer, FlatAnswers, FlatBatch, FlatRequest
from rtb.notices import Kind
from rtb.openrtb import InvalidRequest

if TYPE_CHECKING:
    from deployments.router import Router

_TMAX_RESERVE = 0.9  # part of the time we allow ourselves; the rest is the way back


class AuctionResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a bid.

    Attributes:
        token: of the bid; or:
        notice_url: one of its notice URLs, filled in or not.
        won: whether it was sold. What is sold this way counts as shown, and is charged.
        price: what it is sold for, CPM; needed when it was won.
        currency: of the price; empty: the bid's.
        min_to_win: CPM that would have won, where the caller tells.
    """

    won: bool
    token: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{0,512}$")] = ""
    notice_url: flat.Long = ""
    price: flat.Cpm | None = None
    currency: flat.Currency | str = ""
    min_to_win: flat.Cpm | None = None


class Settled(msgspec.Struct, frozen=True):
    """What a result came to.

    Attributes:
        bid_id: the bid's.
        outcome: `settled` (charged), `freed` (lost), `counted`; `duplicate` when it was told before; `unfunded` when
            its money is gone.
    """

    bid_id: str
    outcome: str


def routes(router: Router) -> APIRouter:
    """The calls about bids."""
    found = APIRouter(tags=["bids"])
    may_bid = Depends(needs(router, "exchange", optional=not router.settings.require_exchange_key))
    _bid_routes(found, router, may_bid)

    @found.post(
        "/auction-result",
        summary="Say what became of a bid; settles it, once",
        openapi_extra=body("AuctionResult", examples.AUCTION_RESULT),
        responses=responses("Settled", also=(403, 404, 410, 413)),
    )
    async def auction_result(request: Request, caller: Caller = may_bid) -> Response:
        """Does what the bid's notices do: of both ways each bid takes the first, the second is a `duplicate`."""
        result: AuctionResult = bodies.decode(await bodies.read(request), AuctionResult)
        token = result.token or flat.token_in(result.notice_url)
        if not token:
            raise Problem(422, "the bid's `token` or a `notice_url` of it is missing", "body-invalid")
        if result.currency not in ("", router.settings.currency):
            raise Problem(422, f"the price is in {router.settings.currency}, as the bid was - at `$.currency`")
        reply = await _settle(router, token, result)
        if reply.status >= 300:
            again = {"Retry-After": "1"} if reply.status == 503 else None
            raise Problem(reply.status, reply.message, reply.outcome.replace("_", "-"), again)
        return _json(Settled(router.signer.read(token, Kind.BILL).bid_id, reply.outcome))

    return found


def _bid_routes(found: APIRouter, router: Router, may_bid: Caller) -> None:
    @found.post(
        "/bid",
        summary="One slot on offer, without OpenRTB",
        openapi_extra=body("FlatRequest", examples.BID),
        responses=responses("FlatAnswer", also=(413,)),
    )
    async def bid(request: Request, caller: Caller = may_bid) -> Response:
        """A bid, or the reason why there is none. A bid that is used is settled by `POST /auction-result`."""
        offered: FlatRequest = bodies.decode(await bodies.read(request), FlatRequest)
        return _json(await _ask(router, offered))

    @found.post(
        "/bid/batch",
        summary="Up to 500 slots at once",
        openapi_extra=body("FlatBatch", examples.BID_BATCH),
        responses=responses("FlatAnswers", also=(413,)),
    )
    async def batch(request: Request, caller: Caller = may_bid) -> Response:
        """The answers are in the order of the slots. All go through the platform together."""
        offered: FlatBatch = bodies.decode(await bodies.read(request, bodies.MAX_BATCH_BYTES), FlatBatch)
        return _json(FlatAnswers(await asyncio.gather(*(_ask(router, one) for one in offered.bids))))


async def _ask(router: Router, offered: FlatRequest) -> FlatAnswer:
    """What a slot gets, counted as an exchange's request would be."""
    router.tally.add("requests")
    name, openrtb = flat.to_openrtb(offered, router.settings.currency)
    answer = await _answered(router, name, openrtb)
    router.tally.add("bid_responses" if answer.bid else f"no_bid.{answer.reason}")
    return answer


async def _answered(router: Router, name: str, openrtb: bytes) -> FlatAnswer:
    try:
        prepared = router.edge.prepare(openrtb)
    except InvalidRequest as error:
        raise Problem(422, str(error), "body-invalid") from error
    if not prepared.impressions:
        return flat.no_bid(name, prepared.reason)
    seconds = (prepared.tmax_ms or router.settings.default_tmax_ms) / 1000 * _TMAX_RESERVE
    if shed := router.sheds(seconds):
        return flat.no_bid(name, shed)
    try:
        answer = await asyncio.wait_for(router.bid(prepared, time.monotonic() + seconds), seconds)
    except TimeoutError:
        return flat.no_bid(name, "timeout")
    except Exception as error:  # a stage died under this batch: no bid is the honest answer, never a 5xx
        logger.warning(f"no bid for a flat request: {type(error).__name__}: {error}")
        return flat.no_bid(name, "stage_failed")
    return flat.no_bid(name, answer.reason) if answer.body is None else flat.from_openrtb(name, answer.body)


async def _settle(router: Router, token: str, result: AuctionResult) -> Reply:
    """Send the bid's notices ourselves: of a sale both, so that it counts as won whichever of them is charged."""
    query = {} if result.min_to_win is None else {"min": _decimal(result.min_to_win)}
    if not result.won:
        return await _notice(router, Kind.LOSS, token, query)
    if result.price is None:
        raise Problem(422, "the price of what was won is missing - at `$.price`", "body-invalid")
    query["price"] = _decimal(result.price)
    charged = Kind(router.settings.charge_on)
    reply = await _notice(router, charged, token, query)
    if reply.status < 300:
        other = await _notice(router, Kind.WIN if charged is Kind.BILL else Kind.BILL, token, query)
        return other if other.status == 503 else reply
    return reply


async def _notice(router: Router, kind: Kind, token: str, query: dict[str, str]) -> Reply:
    reply = await router.desk.handle(f"/notice/{kind}/{token}", urlencode(query).encode())
    for name in (reply.outcome, *reply.besides):
        router.tally.add(f"notice.{kind}.{name}")
    return reply


def _decimal(cpm: float) -> str:
    return format(cpm, ".12f")


def _json(told: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(told), media_type="application/json")
