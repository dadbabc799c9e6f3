"""Many requests at once, as a single caller can send them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

import uvloop

from simulation.exchange.client import HttpClient, TransportError

Request = tuple[str, str, str, bytes]
"""Method (GET or POST), URL, header lines each ending with a line break, body."""

_AT_ONCE = 32
_PATIENCE_SECONDS = 10.0


def statuses_of(requests: Sequence[Request]) -> Counter[int]:
    """Send requests concurrently; return how often each status came, 0 for no answer."""
    return uvloop.run(_sent(requests))


async def _sent(requests: Iterable[Request]) -> Counter[int]:
    statuses: Counter[int] = Counter()
    left = iter(requests)

    async def work(client: HttpClient) -> None:
        for method, url, headers, body in left:
            try:
                answer = await (client.get(url, headers) if method == "GET" else client.post(url, body, headers))
                statuses[answer.status] += 1
            except TransportError:
                statuses[0] += 1

    async with HttpClient(_PATIENCE_SECONDS) as client:
        await asyncio.gather(*(work(client) for _ in range(_AT_ONCE)))
    return statuses
