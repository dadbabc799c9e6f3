"""Why a bid was what it was."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from deployments.api.access import Caller, Needs
from deployments.api.documents import responses
from deployments.api.problems import Problem
from deployments.decisions import ExplainReply
from deployments.recording import DecisionSender
from deployments.wiring import logger

_SECONDS = 60.0
_PROBLEMS = {404: "bid-not-kept", 409: "bid-not-repeated", 503: "decisions-unreadable"}


def routes(decisions: DecisionSender) -> APIRouter:
    """The call about one bid."""
    found = APIRouter(tags=["bids"])
    reader = Depends(Needs("report"))

    @found.get(
        "/explain/{bid_id}",
        summary="Why this bid: what was offered, who could bid, what each step made of the price, what came of it",
        responses=responses("Explanation", also=(404, 409)),
    )
    async def explain(
        bid_id: Annotated[str, Path(max_length=64, description="`id` of the bid, as it was sent")],
        caller: Caller = reader,
    ) -> Response:
        """The bid is decided again from what was recorded; `equal` says that its price came out to the micro-unit."""
        told = await _asked(decisions, bid_id)
        if told.status != 200:
            again = {"Retry-After": "1"} if told.status == 503 else None
            raise Problem(told.status, told.problem, _PROBLEMS[told.status], again)
        return Response(told.body, media_type="application/json")

    return found


async def _asked(decisions: DecisionSender, bid_id: str) -> ExplainReply:
    """What the Controller says, which is told first what was decided here just now."""
    try:
        await decisions.send()
        told = await asyncio.wait_for(decisions.explain(bid_id), _SECONDS)
    except Exception as error:  # Serve's own, whatever they are
        logger.warning(f"bid {bid_id} cannot be explained now: {type(error).__name__}: {error}")
        raise Problem(
            503,
            "the Controller, which keeps decisions, is away or busy: try again",
            "controller-away",
            {"Retry-After": "5"},
        ) from error
    return told
