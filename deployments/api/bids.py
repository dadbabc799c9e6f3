"""Bids without OpenRTB, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request

from deployments.api import bodies, examples, slots
from deployments.api.access import Caller, Needs
from deployments.api.answers import StructResponse
from deployments.api.documents import body, responses
from deployments.api.problems import Problem
from deployments.api.slots import SlotParts
from deployments.notice_handler import NoticeHandler, Reply
from deployments.tally import Tally
from rtb import simple_api
from rtb.exchanges import GENERIC, Exchanges, number_of
from rtb.runtime.settings import Settings
from rtb.settlement.notice_query import CURRENCY, MIN_TO_WIN, PRICE, QUANTITY
from rtb.settlement.notice_tokens import BidRef, Kind, Signer, TokenError
from rtb.simple_api import FlatAnswer, FlatAnswers, FlatBatch, FlatRequest


class AuctionResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a bid.

    Attributes:
        token: of the bid; or:
        notice_url: one of its notice URLs, filled in or not.
        won: whether it was sold. What is sold this way counts as shown, and is charged.
        price: what it is sold for, CPM; needed when it was won.
        currency: of the price; empty: the bid's. Another one is converted where there is a rate.
        quantity: impressions delivered, where the bid was for several; none: as many as were sold.
        min_to_win: CPM that would have won, where the caller tells.
    """

    won: bool
    token: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,512}$(?!\n)")] = ""
    notice_url: simple_api.Long = ""
    price: simple_api.Cpm | None = None
    currency: simple_api.Name = ""
    min_to_win: simple_api.Cpm | None = None
    quantity: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None


class Settled(msgspec.Struct, frozen=True):
    """What a result came to.

    Attributes:
        bid_id: the bid's.
        outcome: `settled` (charged), `freed` (lost), `counted`; `duplicate` when it was told before; `unfunded` when
            its money is gone.
    """

    bid_id: str
    outcome: str


@dataclass(frozen=True)
class BidParts:
    """What the calls about bids need."""

    settings: Settings
    slots: SlotParts
    signer: Signer
    exchanges: Exchanges
    notices: NoticeHandler
    tally: Tally


def routes(parts: BidParts) -> APIRouter:
    """Build the calls about bids."""
    found = APIRouter(tags=["bids"])
    may_bid = Depends(Needs("exchange", is_optional=not parts.settings.require_exchange_key))
    _bid_routes(found, parts, may_bid)

    @found.post(
        "/auction-result",
        summary="Say what became of a bid; settles it, once",
        openapi_extra=body(AuctionResult, examples.AUCTION_RESULT),
        responses=responses(Settled, also=(403, 404, 408, 410, 413)),
    )
    async def auction_result(request: Request, caller: Caller = may_bid) -> StructResponse:
        """Settle a bid as its notices would; whichever comes first counts, the other one is a `duplicate`."""
        result: AuctionResult = bodies.decode(await bodies.read(request), AuctionResult)
        ref = _named(parts, result)
        if not _may_settle(parts, ref, caller):
            parts.tally.add("notice.result.foreign_bid")
            raise Problem(403, "the bid was made to another exchange, or for another key", "foreign-bid")
        if not parts.notices.can_convert(ref, result.currency):
            raise Problem(422, "the price has to be in the bid's currency, or in one with a rate - at `$.currency`")
        reply = await _settle(parts, ref, result, in_clear=caller.key is not None)
        if reply.status >= 300:
            again = {"Retry-After": "1"} if reply.status == 503 else None
            raise Problem(reply.status, reply.message, reply.outcome.replace("_", "-"), again)
        return StructResponse(Settled(ref.bid_id, reply.outcome))

    return found


def _bid_routes(found: APIRouter, parts: BidParts, may_bid: Caller) -> None:
    @found.post(
        "/bid",
        summary="One slot on offer, without OpenRTB",
        openapi_extra=body(FlatRequest, examples.BID),
        responses=responses(FlatAnswer, also=(408, 413)),
    )
    async def bid(request: Request, caller: Caller = may_bid) -> StructResponse:
        """Return a bid, or the reason why there is none. Settle a bid that is used by `POST /auction-result`."""
        offered: FlatRequest = bodies.decode(await bodies.read(request), FlatRequest)
        (answer,) = await slots.answers(parts.slots, [offered], caller.key_id)
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
        return StructResponse(FlatAnswers(await slots.answers(parts.slots, offered.bids, caller.key_id)))


def _named(parts: BidParts, result: AuctionResult) -> BidRef:
    """Return the bid that a result is about."""
    kind, token = (Kind.BILL, result.token) if result.token else simple_api.parse_notice_url(result.notice_url)
    if not token:
        raise Problem(422, "the bid's `token` or a `notice_url` of it is missing", "body-invalid")
    try:
        return parts.signer.read(token, Kind(kind))
    except TokenError as error:
        parts.tally.add("notice.result.forged")
        raise Problem(403, str(error), "forged") from error


def _may_settle(parts: BidParts, ref: BidRef, caller: Caller) -> bool:
    """Return whether a bid is the caller's: made to the exchange that owns its key, or else for that very key."""
    if caller.key is not None and caller.key.allows("admin"):
        return True
    exchange, asked_by = parts.exchanges.numbered(ref.exchange), parts.exchanges.of_key(caller.key_id)
    if parts.exchanges.is_left_out(ref.exchange):
        return False
    if exchange.keys:
        return asked_by is exchange
    return asked_by is GENERIC and ref.caller in (0, number_of(caller.key_id))


async def _settle(parts: BidParts, ref: BidRef, result: AuctionResult, *, in_clear: bool) -> Reply:
    """Send the bid's notices ourselves; for a sale both, so that it counts as won whichever of them is charged."""
    query = {} if result.min_to_win is None else {MIN_TO_WIN: _decimal(result.min_to_win)}
    if result.currency:
        query[CURRENCY] = result.currency
    if not result.won:
        return await _notice(parts, Kind.LOSS, ref, query)
    if result.price is None:
        raise Problem(422, "the price of what was won is missing - at `$.price`", "body-invalid")
    query[PRICE] = _decimal(result.price)
    if result.quantity is not None:
        query[QUANTITY] = _decimal(result.quantity)
    reply = await _notice(parts, ref.charged_by, ref, query, in_clear=in_clear)
    if reply.status < 300:
        other = await _notice(parts, Kind.BILL if ref.charged_by_win else Kind.WIN, ref, query)
        return other if other.status == 503 else reply
    return reply


async def _notice(parts: BidParts, kind: Kind, ref: BidRef, query: dict[str, str], *, in_clear: bool = False) -> Reply:
    reply = await parts.notices.settle(kind, ref, query, in_clear=in_clear)
    for name in (reply.outcome, *reply.extra_outcomes):
        parts.tally.add(f"notice.{kind}.{name}")
    return reply


def _decimal(cpm: float) -> str:
    return format(cpm, ".12f")
