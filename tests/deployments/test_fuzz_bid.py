"""Fifty thousand damaged requests through the whole bid path: never a 5xx, never an exception, no more memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rtb.auction.batch import Answer, Prepared
from rtb.runtime.micro_batcher import MicroBatcher
from rtb.targeting.listing import Listing
from tests.deployments.replica import Replica, Response
from tests.rtb.auction_cases import RATES, read_cases
from tests.rtb.bidder import Bidder

_INPUTS = 50_000
_TOGETHER = 250
_WARM = 20_000  # inputs until caches of a fixed size are full
_GROWTH_KILOBYTES = 48_000
_ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, -(10**30), 2**63, 1e308, "", " ", "1e9", "nan", "é\u0000\U0001f600", "A" * 500),
    *([], {}, [None], [[]], ["a", 1], {"id": {}}, {"": ""}, [{}], "${AUCTION_PRICE}", "]]>", "<VAST>", "{}"),
)
_TOKENS = (
    b"null",
    b"-1",
    b"1e999",
    b'""',
    b"[]",
    b"{}",
    b"[[[[",
    b"\\u0000",
    b"\xff\xfe",
    b",",
    b'":',
    b"\x00",
    b"NaN",
)


@pytest.mark.timeout(600)
def test_whatever_comes_is_answered(tmp_path: Path) -> None:
    cases = list(read_cases())
    campaigns = {listing.campaign.id: listing.campaign for case in cases for listing in case.listings}
    listings = [Listing(number, one) for number, one in enumerate(campaigns.values(), 1)]
    bidder = Bidder(listings, rates=RATES, max_imps=64, max_candidates=16)
    replica = Replica(tmp_path, default_tmax_ms=60_000)
    replica.edge = bidder.edge
    statuses = asyncio.run(_run(replica, bidder, [case.body for case in cases]))
    assert statuses.total() == _INPUTS
    assert set(statuses) <= {200, 204, 400}
    assert all(statuses[status] > _INPUTS // 50 for status in (200, 204, 400))  # each is well exercised
    assert replica.counters["no_bid.stage_failed"] == 0


async def _run(replica: Replica, bidder: Bidder, bodies: Sequence[bytes]) -> Counter[int]:
    async def process(requests: Sequence[Prepared]) -> list[Answer]:
        return bidder.answer_prepared(requests)

    batcher: MicroBatcher[Prepared, Answer] = MicroBatcher(process, _TOGETHER, 1)
    replica.answer = batcher.submit
    statuses: Counter[int] = Counter()
    inputs = _inputs(random.Random(1), bodies)
    before = 0
    for start in range(0, _INPUTS, _TOGETHER):
        if start == _WARM:
            before = _peak_kilobytes()
        sent = [next(inputs) for _ in range(_TOGETHER)]
        for response in await asyncio.gather(*(_send(replica, body) for body in sent)):
            statuses[response.status] += 1
            if response.status == 200:
                assert json.loads(response.body)["seatbid"]
            else:
                assert response.body == b""
        await bidder.book.maintain()
        bidder.events.clear()
        replica.prepared.clear()
        replica.asked.clear()
    assert _peak_kilobytes() - before < _GROWTH_KILOBYTES
    return statuses


async def _send(replica: Replica, body: bytes) -> Response:
    if body.startswith(b"\x1f\x8b"):
        return await replica.send(body, content_encoding="gzip")
    return await replica.send(body)


def _inputs(luck: random.Random, bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Endless requests: values changed in JSON that stays JSON, bytes changed, both packed and damaged now and then."""
    while True:
        body = luck.choice(bodies)
        kind = luck.random()
        body = _with_odd_values(luck, body) if kind < 0.6 else _with_odd_bytes(luck, body, luck.choice(bodies))
        if kind < 0.02:
            packed = gzip.compress(body, 1)
            body = packed if kind < 0.01 else packed[: luck.randrange(3, len(packed))]
        yield body


def _with_odd_values(luck: random.Random, body: bytes) -> bytes:
    request = json.loads(body)
    for _ in range(luck.randint(0, 3)):
        parent = luck.choice(list(_containers(request)))
        key = luck.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        parent[key] = json.loads(json.dumps(luck.choice(_ODD)))
        if not isinstance(request, dict) or not request:
            break
    return json.dumps(request).encode()


def _containers(value: Any) -> Iterator[Any]:
    """Objects and lists with something in them, the outermost first."""
    if value and isinstance(value, dict | list):
        yield value
        for inner in list(value.values() if isinstance(value, dict) else value):
            yield from _containers(inner)


def _with_odd_bytes(luck: random.Random, body: bytes, other: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(luck.randint(1, 4)):
        place = luck.randrange(len(changed) + 1)
        match luck.randrange(5):
            case 0:
                changed[place : place + 1] = bytes([luck.randrange(256)])
            case 1:
                del changed[place : place + luck.randrange(1, 20)]
            case 2:
                changed[place:place] = luck.choice(_TOKENS)
            case 3:
                changed[place:place] = changed[place : place + luck.randrange(1, 60)]
            case _:
                changed[place:] = other[min(place, len(other)) :]
    return bytes(changed)


def _peak_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
