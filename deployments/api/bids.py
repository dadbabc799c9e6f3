"""Bids without OpenRTB, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Request

from deployments.api import bodies, examples, slots
from deployments.api.access import Caller, Needs
from deployments.api.answers import StructResponse
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.notice_desk import Reply
from rtb import simple_api
from rtb.exchanges import GENERIC, number_of
from rtb.settlement.notice_tokens import BidRef, Kind, TokenError
from rtb.simple_api import FlatAnswer, FlatAnswers, FlatBatch, FlatRequest

if TYPE_CHECKING:
    from deployments.router import Router


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
    token: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,512}$(?!\n)")] = ""
    notice_url: simple_api.Long = ""
    price: simple_api.Cpm | None = None
    currency: simple_api.Name = ""
    min_to_win: simple_api.Cpm | None = None


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
    """Build the calls about bids."""
    found = APIRouter(tags=["bids"])
    may_bid = Depends(Needs("exchange", is_optional=not router.settings.require_exchange_key))
    _bid_routes(found, router, may_bid)

    @found.post(
        "/auction-result",
        summary="Say what became of a bid; settles it, once",
        openapi_extra=body(AuctionResult, examples.AUCTION_RESULT),
        responses=responses(Settled, also=(403, 404, 408, 410, 413)),
    )
    async def auction_result(request: Request, caller: Caller = may_bid) -> StructResponse:
        """Settle a bid as its notices would; whichever comes first counts, the other one is a `duplicate`."""
        result: AuctionResult = bodies.decode(await bodies.read(request), AuctionResult)
        ref = _named(router, result)
        if not _may_settle(router, ref, caller):
            router.tally.add("notice.result.foreign_bid")
            raise Problem(403, "the bid was made to another exchange, or for another key", "foreign-bid")
        if result.currency and (result.currency != router.settings.currency or ref.rate != 1.0):
            raise Problem(422, "the price has to be in the bid's currency - at `$.currency`")
        reply = await _settle(router, ref, result, in_clear=caller.key is not None)
        if reply.status >= 300:
            again = {"Retry-After": "1"} if reply.status == 503 else None
            raise Problem(reply.status, reply.message, reply.outcome.replace("_", "-"), again)
        return StructResponse(Settled(ref.bid_id, reply.outcome))

    return found


def _bid_routes(found: APIRouter, router: Router, may_bid: Caller) -> None:
    @found.post(
        "/bid",
        summary="One slot on offer, without OpenRTB",
        openapi_extra=body(FlatRequest, examples.BID),
        responses=responses(FlatAnswer, also=(408, 413)),
    )
    async def bid(request: Request, caller: Caller = may_bid) -> StructResponse:
        """Return a bid, or the reason why there is none. Settle a bid that is used by `POST /auction-result`."""
        offered: FlatRequest = bodies.decode(await bodies.read(request), FlatRequest)
        (answer,) = await slots.answers(router, [offered], caller.key_id)
        return StructResponse(answer)

    @found.post(
        "/bid/batch",
        summary="Up to 500 slots at once",
        openapi_extra=body(FlatBatch, examples.BID_BATCH),
        responses=responses(FlatAnswers, also=(408, 413)),
    )
    async def batch(request: Request, caller: Caller = may_bid) -> StructResponse:
        """Answer in the order of the slots.

        All answers come together, within the shortest time that one of the slots allows. When it is over, slots that
        would have been bid on are answered with `timeout`.
        """
        offered: FlatBatch = bodies.decode(await bodies.read(request, bodies.MAX_BATCH_BYTES), FlatBatch)
        return StructResponse(FlatAnswers(await slots.answers(router, offered.bids, caller.key_id)))


def _named(router: Router, result: AuctionResult) -> BidRef:
    """Return the bid that a result is about."""
    kind, token = (Kind.BILL, result.token) if result.token else simple_api.notice_in(result.notice_url)
    if not token:
        raise Problem(422, "the bid's `token` or a `notice_url` of it is missing", "body-invalid")
    try:
        return router.signer.read(token, Kind(kind))
    except TokenError as error:
        router.tally.add("notice.result.forged")
        raise Problem(403, str(error), "forged") from error


def _may_settle(router: Router, ref: BidRef, caller: Caller) -> bool:
    """Return whether a bid is the caller's: made to the exchange that owns its key, or else for that very key."""
    if caller.key is not None and caller.key.allows("admin"):
        return True
    exchange, asked_by = router.exchanges.numbered(ref.exchange), router.exchanges.of_key(caller.key_id)
    if router.exchanges.is_left_out(ref.exchange):
        return False
    if exchange.keys:
        return asked_by is exchange
    return asked_by is GENERIC and ref.caller in (0, number_of(caller.key_id))


async def _settle(router: Router, ref: BidRef, result: AuctionResult, *, in_clear: bool) -> Reply:
    """Send the bid's notices ourselves; for a sale both, so that it counts as won whichever of them is charged."""
    query = {} if result.min_to_win is None else {"min": [_decimal(result.min_to_win)]}
    if not result.won:
        return await _notice(router, Kind.LOSS, ref, query)
    if result.price is None:
        raise Problem(422, "the price of what was won is missing - at `$.price`", "body-invalid")
    query["price"] = [_decimal(result.price)]
    reply = await _notice(router, ref.charged_by, ref, query, in_clear=in_clear)
    if reply.status < 300:
        other = await _notice(router, Kind.BILL if ref.charged_by_win else Kind.WIN, ref, query)
        return other if other.status == 503 else reply
    return reply


async def _notice(
    router: Router, kind: Kind, ref: BidRef, query: dict[str, list[str]], *, in_clear: bool = False
) -> Reply:
    reply = await router.desk.settle(kind, ref, query, in_clear=in_clear)
    for name in (reply.outcome, *reply.besides):
        router.tally.add(f"notice.{kind}.{name}")
    return reply


def _decimal(cpm: float) -> str:
    return format(cpm, ".12f")
