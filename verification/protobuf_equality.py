"""The same requests as JSON and as protocol buffers: both must be read alike and get the same bids.

How to run:

    python -m verification.protobuf_equality [--requests 100000] [--seed 1]

What to expect: progress on standard error; last one JSON line, `requests`, `bids`, `different`, the requests that were
read or answered differently, and `seconds`; exit code 1 if there are any. It runs in one process, without a platform:
some minutes for 100,000 requests.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from rich.console import Console

from rtb.auction.batch import Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import BidStage
from rtb.campaigns.campaign import Campaign
from rtb.catalog import CatalogEntry
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models import policy
from rtb.money.currency import Rates
from rtb.openrtb import decode_request
from rtb.openrtb.protobuf import decode_protobuf
from rtb.pacing.pacemaker import Pacemaker
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from simulation.exchange.generous import RATES, campaigns_for, wishes_of
from simulation.exchange.protobuf import from_message, to_message
from simulation.exchange.rules.raw import Json
from simulation.exchange.varied import varied_requests

_BATCH = 64
_SAID = 5_000
"""Requests between two lines of progress."""

_SAMPLE = 500
"""Requests whose wishes the campaigns meet."""

_TOKEN = re.compile(r"/notice/([a-z]+)/[A-Za-z0-9_-]+")
_OWN = ("id", "nurl", "burl", "lurl")
"""Fields that differ between two bids of the same kind: each has tokens of its own."""

_SECRET = "a secret for comparing only"


def main(
    requests: Annotated[int, typer.Option(min=1, help="number of generated requests")] = 100_000,
    seed: Annotated[int, typer.Option(help="seed of the generated requests")] = 1,
) -> None:
    """Answer both and compare."""
    console = Console(stderr=True)
    bidder = _Bidder(campaigns_for(wishes_of(varied_requests(seed, _SAMPLE))))
    different = bids = 0
    started, compared = time.monotonic(), 0
    for batch in _batches(varied_requests(seed, requests)):
        for request, told, found in zip(batch, *bidder.answer(batch), strict=True):
            bids += len(found)
            if told != found or not _is_read_alike(request):
                different += 1
                console.print(f"{request['id']}: {told} as JSON, {found} as protocol buffers", soft_wrap=True)
        compared += len(batch)
        if compared % _SAID < len(batch):
            console.print(f"{compared} of {requests} requests, {bids} bids, {different} different", highlight=False)
    seconds = round(time.monotonic() - started, 1)
    summary = {"requests": requests, "bids": bids, "different": different, "seconds": seconds}
    typer.echo(msgspec.json.encode(summary).decode())
    if different:
        raise typer.Exit(1)


class _Bidder:
    """A bidder in this process, whose campaigns have money for all requests."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        entries = [CatalogEntry(number + 1, one, time.time()) for number, one in enumerate(campaigns)]
        self._edge = Edge(
            signer=Signer(_SECRET),
            users=UserKeys(_SECRET),
            base_url="https://bid.example",
            currency="USD",
            max_imps=64,
            max_candidates=16,
        )
        self._edge.set_catalog([Listing(entry.number, entry.campaign) for entry in entries])
        self._edge.set_rates(Rates(base="USD", rates=RATES))
        ledger = MemoryLedger()
        book = LeaseBook(ledger, seconds=86_400, share=1.0, notice_ttl=60)
        self._stage = BidStage(policy.neutral(), book)
        asyncio.run(_fund(entries, ledger, book, self._stage))

    def answer(self, requests: Sequence[Json]) -> tuple[list[list[Json]], list[list[Json]]]:
        """Return the bids on each request as JSON and on each as protocol buffers, without what is a bid's own."""
        plain = [self._edge.prepare(msgspec.json.encode(one)) for one in requests]
        packed = [self._edge.prepare(to_message(one), is_protobuf=True) for one in requests]
        told = [msgspec.json.decode(body) if body else {} for body in self._bodies(plain)]
        return [_bids(one) for one in told], [_bids(from_message(body or b"")) for body in self._bodies(packed)]

    def _bodies(self, prepared: Sequence[Prepared]) -> list[bytes | None]:
        batch = self._edge.assemble(prepared)
        probability = np.full((len(batch.candidates), 2), 0.01, np.float32)
        outcome = self._stage.decide(batch.auction(probability))
        return [answer.body for answer in self._edge.render(batch, probability, outcome)[0]]


async def _fund(entries: Sequence[CatalogEntry], ledger: MemoryLedger, book: LeaseBook, stage: BidStage) -> None:
    for entry in entries:
        await ledger.open(entry.number, entry.campaign.budget.total_micros)
    balances = await ledger.balances([entry.number for entry in entries])
    stage.set_pacing_table(Pacemaker().tick(entries, balances, time.time()))
    await book.maintain()


def _batches(requests: Iterator[Json]) -> Iterator[list[Json]]:
    while batch := list(islice(requests, _BATCH)):
        yield batch


def _is_read_alike(request: Json) -> bool:
    plain = msgspec.to_builtins(decode_request(msgspec.json.encode(request)))
    return bool(_comparable(plain) == _comparable(msgspec.to_builtins(decode_protobuf(to_message(request)))))


def _comparable(request: Json) -> Any:
    """Return a read request with native requests as objects, as protocol buffers may have them."""
    for imp in request["imp"]:
        asked = imp.get("native", {}).get("request")
        if isinstance(asked, dict):
            imp["native"]["request"] = msgspec.json.encode(asked, order="sorted").replace(b":true", b":1")
    return request


def _bids(answer: Json) -> list[Json]:
    return [
        {name: _TOKEN.sub(r"\1", str(value)) for name, value in bid.items() if name not in _OWN}
        | {"seat": seat["seat"]}
        for seat in answer.get("seatbid", [])
        for bid in seat["bid"]
    ]


if __name__ == "__main__":
    typer.run(main)
