"""What the slots of one call get: they go through the platform as one batch, and count as so many requests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployments.wiring import logger
from rtb.batch import Answer, Prepared
from rtb.exchanges import number_of
from rtb.flat import FlatAnswer, FlatRequest, answer_of, no_bid, openrtb_of

if TYPE_CHECKING:
    from deployments.router import Router

_TMAX_RESERVE = 0.9  # part of the time we allow ourselves; the rest is the way back


async def answers(router: Router, offered: Sequence[FlatRequest], key: str = "") -> list[FlatAnswer]:
    """What each slot gets, in order; counted as exchanges' requests would be.

    Args:
        router: the replica.
        offered: the slots.
        key: id of the caller's key, or empty.
    """
    started = time.monotonic()
    router.tally.add("requests", len(offered))
    exchange, caller = router.exchanges.of_key(key), number_of(key) if key else 0
    prepared = [
        router.edge.prepare_object(openrtb_of(one, router.settings.currency), exchange, caller) for one in offered
    ]
    asked = [one for one in prepared if one.impressions]
    got = iter(await _asked(router, asked, started) if asked else ())
    found = [_flat(one, next(got) if one.impressions else Answer(None, one.reason)) for one in prepared]
    told = Counter("bid_responses" if answer.bid else f"no_bid.{answer.reason}" for answer in found)
    for name, amount in told.items():
        router.tally.add(name, amount)
    return found


async def _asked(router: Router, requests: Sequence[Prepared], started: float) -> Sequence[Answer | str]:
    """An answer to each request, or why there is none; all in the time of the one that allows the least."""
    default = router.settings.default_tmax_ms
    deadline = started + min(one.tmax_ms or default for one in requests) / 1000 * _TMAX_RESERVE
    left = deadline - time.monotonic()
    if left > 0 and (shed := router.sheds(left, len(requests))):
        return [shed] * len(requests)
    try:
        found = await router.bid_all(requests, deadline)
    except TimeoutError:
        return ["timeout"] * len(requests)
    except Exception as error:  # a stage died under this batch: no bid is the honest answer, never a 5xx
        logger.warning(f"no bid for {len(requests)} flat requests: {type(error).__name__}: {error}")
        return ["stage_failed"] * len(requests)
    is_late = time.monotonic() > deadline  # the event loop was too busy to say so before
    return ["timeout"] * len(requests) if is_late else found


def _flat(request: Prepared, got: Answer | str) -> FlatAnswer:
    if isinstance(got, str):
        return no_bid(request.id, got)
    return no_bid(request.id, got.reason) if got.response is None else answer_of(request.id, got.response)
