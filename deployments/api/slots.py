"""Answers to the slots of one call, which pass through the platform a few at a time, each counted as a request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.api.problems import Problem
from deployments.auction_runner import AuctionRunner
from deployments.stage_call import StageUnavailable
from deployments.tally import Tally
from deployments.wiring import logger
from rtb.auction.batch import Answer, Prepared
from rtb.auction.edge import Edge
from rtb.exchanges import Exchanges, number_of
from rtb.openrtb import InvalidRequest
from rtb.runtime.settings import Settings
from rtb.simple_api import FlatAnswer, FlatRequest, answer_of, no_bid, to_bid_request

_AT_ONCE = 16
"""Slots in one pass: other callers' requests get their turn after each, within milliseconds."""

_TMAX_RESERVE = 0.9  # part of the time we allow ourselves; the rest is the way back


@dataclass(frozen=True)
class SlotParts:
    """What answers slots."""

    settings: Settings
    exchanges: Exchanges
    edge: Edge
    runner: AuctionRunner
    tally: Tally


async def answers(parts: SlotParts, offered: Sequence[FlatRequest], key: str = "") -> list[FlatAnswer]:
    """Answer each slot, in order; count them as exchanges' requests would be.

    Args:
        parts: what answers them.
        offered: the slots.
        key: id of the caller's key, or empty.
    """
    started = time.monotonic()
    parts.tally.add("requests", len(offered))
    exchange, caller = parts.exchanges.of_key(key), number_of(key) if key else 0
    if exchange is None:
        raise Problem(403, "the profile of this key's exchange cannot be used: /health names it", "exchange-left-out")
    deadline = started + _seconds(parts, offered)
    found: list[FlatAnswer] = []
    for some in (offered[start : start + _AT_ONCE] for start in range(0, len(offered), _AT_ONCE)):
        if found:
            await asyncio.sleep(0)
        read = [to_bid_request(one, parts.settings.currency) for one in some]
        try:
            prepared = [parts.edge.prepare_object(one, exchange, caller) for one in read]
        except InvalidRequest as error:  # a block that cannot be read, and so not be kept
            raise Problem(422, str(error), "body-invalid") from error
        asked = [one for one in prepared if one.impressions]
        got = iter(await _asked(parts, asked, deadline) if asked else ())
        found += [_flat(one, next(got) if one.impressions else Answer(None, one.reason)) for one in prepared]
    told = Counter("bid_responses" if answer.bid else f"no_bid.{answer.reason}" for answer in found)
    for name, amount in told.items():
        parts.tally.add(name, amount)
    return found


def _seconds(parts: SlotParts, offered: Sequence[FlatRequest]) -> float:
    """Return the seconds left for the slot with the shortest `tmax`."""
    default = parts.settings.default_tmax_ms
    return min((one.tmax_ms or default for one in offered), default=default) / 1000 * _TMAX_RESERVE


async def _asked(parts: SlotParts, requests: Sequence[Prepared], deadline: float) -> Sequence[Answer | str]:
    """Return an answer to each request, or why there is none."""
    left = deadline - time.monotonic()
    if left > 0 and (shed := parts.runner.sheds(left, len(requests))):
        return [shed] * len(requests)
    try:
        found = await parts.runner.bid_all(requests, deadline)
    except TimeoutError:
        return ["timeout"] * len(requests)
    except StageUnavailable:
        return ["no_bidder"] * len(requests)
    except Exception as error:  # a stage died under this batch: no bid is the honest answer, never a 5xx
        logger.warning(f"no bid for {len(requests)} flat requests: {type(error).__name__}: {error}")
        return ["stage_failed"] * len(requests)
    is_late = time.monotonic() > deadline  # the event loop was too busy to say so before
    return ["timeout"] * len(requests) if is_late else found


def _flat(request: Prepared, got: Answer | str) -> FlatAnswer:
    if isinstance(got, str):
        return no_bid(request.id, got)
    return no_bid(request.id, got.reason) if got.response is None else answer_of(request.id, got.response)
