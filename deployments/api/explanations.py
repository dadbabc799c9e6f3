"""Why a bid was what it was."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path

from deployments.api.access import Reader
from deployments.api.answers import StructResponse
from deployments.api.documents import responses
from deployments.api.problems import Problem
from deployments.explain import ExplainReply
from deployments.recording import DecisionSender
from deployments.wiring import logger

_SECONDS = 60.0
_PROBLEMS = {404: "bid-not-kept", 409: "bid-not-repeated", 503: "decisions-unreadable"}


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A bid that was decided again, step by step; amounts in micro-units, prices as sent in CPM.

    Attributes:
        equal: whether its price came out to the micro-unit.
        experiment: number of the experiment it was made in; none: in none.
        imp: what was on offer. Who saw it is not told.
        features: what the model was asked, by field.
        price: from the value of a click to the price that was sent.
        candidates: all that could have been shown, those that came furthest first.
        dropped: campaigns that were no candidates, by what kept them out.
        made_by: versions of all that decided it.
        outcome: its notices so far.
    """

    bid_id: str
    price_micros: int
    recomputed_micros: int
    equal: bool
    at: str
    campaign: str
    creative: str
    experiment: int | None
    request: dict[str, Any]
    imp: dict[str, Any]
    features: list[dict[str, Any]]
    price: dict[str, Any]
    candidates: list[dict[str, Any]]
    dropped: dict[str, Any]
    lease: dict[str, Any]
    made_by: dict[str, Any]
    outcome: list[dict[str, Any]]


def routes(decisions: DecisionSender) -> APIRouter:
    """Build the call that explains a bid."""
    found = APIRouter(tags=["bids"])

    @found.get(
        "/explain/{bid_id}",
        summary="Why this bid: what was offered, who could bid, what each step made of the price, what came of it",
        responses=responses(Explanation, also=(404, 409)),
    )
    async def explain(
        bid_id: Annotated[str, Path(max_length=64, description="`id` of the bid, as it was sent")],
        caller: Reader,
    ) -> StructResponse:
        """Decide the bid again from what was recorded; `equal` says that its price came out to the micro-unit."""
        told = await _asked(decisions, bid_id)
        if told.status != 200:
            again = {"Retry-After": "1"} if told.status == 503 else None
            raise Problem(told.status, told.problem, _PROBLEMS[told.status], again)
        return StructResponse(msgspec.json.decode(told.body, type=Explanation))

    return found


async def _asked(decisions: DecisionSender, bid_id: str) -> ExplainReply:
    """Ask the Controller, after sending it what was decided here just now."""
    try:
        await decisions.send()
        told = await asyncio.wait_for(decisions.explain(bid_id), _SECONDS)
    except Exception as error:  # Serve's own, whatever they are
        logger.warning(f"bid {bid_id} cannot be explained now: {type(error).__name__}: {error}")
        raise Problem(
            503,
            "the Controller, which keeps decisions, is unavailable or busy: try again",
            "controller-unavailable",
            {"Retry-After": "5"},
        ) from error
    return told
