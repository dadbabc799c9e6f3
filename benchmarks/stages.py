"""Cost of each stage of a request, in one process: microseconds per request, by batch size.

How to run:

    python -m benchmarks.stages [--campaigns 200] [--requests 2000]

What to expect: a table on standard error, one JSON line last. Medians over batches; the CTR model is an untrained
network of the real shape, the ledger is in memory. `forms` compares the two forms of a request, in turns, with requests
that were not read before: `decode` is bytes to a validated request, `prepare` is bytes to impressions; `rate` is how
many times as many requests a second are read from protocol buffers as from JSON. Inventory and devices of the market
recur; in `of strangers` every request has an address, a device id and a user of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import count, islice
from typing import Annotated, ParamSpec, TypeVar

import msgspec
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.serving.traffic import simulated
from rtb.auction.batch import Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import AuctionOutcome, BidStage, CTRStage
from rtb.catalog import CatalogEntry
from rtb.explain.recorder import Recorder
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models import policy
from rtb.models.ctr import CTRNetwork, CTRScorer
from rtb.models.scores import Scores
from rtb.openrtb import decode_request
from rtb.openrtb.protobuf import decode_protobuf
from rtb.pacing.pacemaker import Pacemaker
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys
from simulation import reference
from simulation.exchange.protobuf import to_message

_BATCHES = (1, 8, 32, 128)
_ROUNDS = 7
_CHUNK = 500
Given = ParamSpec("Given")
Value = TypeVar("Value")


def main(
    campaigns: Annotated[int, typer.Option(min=1, help="number of active campaigns")] = 200,
    requests: Annotated[int, typer.Option(min=128, help="number of varied requests")] = 2_000,
) -> None:
    """Time the stages."""
    torch.set_num_threads(1)
    bodies = simulated(requests)
    edge, ctr_stage, bid_stage = _stages(campaigns)
    result = {size: _measure(edge, ctr_stage, bid_stage, bodies, size) for size in _BATCHES}
    table = Table("stage", *(f"batch {size}" for size in _BATCHES), title="microseconds per request")
    for stage in result[1]:
        table.add_row(stage, *(f"{result[size][stage]:.3g}" for size in _BATCHES))
    Console(stderr=True).print(table)
    forms = _forms(edge)
    table = Table("work", "JSON", "protocol buffers", "rate", title="microseconds per request, by form")
    for work, cost in forms.items():
        table.add_row(work, *(f"{cost[name]:.3g}" for name in ("json_us", "protobuf_us", "rate")))
    Console(stderr=True).print(table)
    typer.echo(msgspec.json.encode({"campaigns": campaigns, "us_per_request": result, "forms": forms}).decode())


def _forms(edge: Edge) -> dict[str, dict[str, float]]:
    """Return the microseconds per request of reading each form: the best of some rounds in turns, of new requests."""
    works: dict[str, tuple[Callable[[bytes], object], Callable[[bytes], object]]] = {
        "decode": (decode_request, decode_protobuf),
        "prepare": (edge.prepare, partial(edge.prepare, is_protobuf=True)),
    }
    bodies = iter(simulated(2 * len(works) * (_ROUNDS + 1) * _CHUNK))
    found = {}
    for traffic, change in (("", bytes), (" of strangers", _of_stranger)):
        for work, (read_json, read_message) in works.items():
            rounds = []
            for _ in range(_ROUNDS + 1):
                chunk = [change(body) for body in islice(bodies, _CHUNK)]
                messages = [to_message(msgspec.json.decode(body)) for body in chunk]
                rounds.append((_seconds(read_json, chunk), _seconds(read_message, messages)))
            json_us, protobuf_us = (min(times) / _CHUNK * 1e6 for times in zip(*rounds[1:], strict=True))
            found[work + traffic] = {"json_us": json_us, "protobuf_us": protobuf_us, "rate": json_us / protobuf_us}
    return found


def _of_stranger(body: bytes) -> bytes:
    """Return a request with ids and an address that no other has."""
    request = msgspec.json.decode(body)
    number = next(_strangers)
    request["device"] |= {"ip": f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}", "ifa": f"{number:032x}"}
    request["user"]["buyeruid"] = f"buyer-{number}"
    return msgspec.json.encode(request)


_strangers = count(1_000)


def _seconds(read: Callable[[bytes], object], bodies: list[bytes]) -> float:
    """Return the processor's time, as a machine may be busy with others."""
    start = time.thread_time()
    for body in bodies:
        read(body)
    return time.thread_time() - start


def _measure(edge: Edge, ctr_stage: CTRStage, bid_stage: BidStage, bodies: list[bytes], size: int) -> dict[str, float]:
    """Return the median microseconds per request by stage, over the batches after the first."""
    seconds: dict[str, list[float]] = defaultdict(list)
    recorder = Recorder(currency="USD", max_imps=64, max_candidates=16)
    bids = 0

    def timed(stage: str, call: Callable[Given, Value], *of: Given.args, **named: Given.kwargs) -> Value:
        start = time.perf_counter()
        value = call(*of, **named)
        seconds[stage].append(time.perf_counter() - start)
        return value

    def prepare(chunk: list[bytes]) -> list[Prepared]:
        return [edge.prepare(body) for body in chunk]

    def decide(batch: Batch, scores: Scores) -> AuctionOutcome:
        return bid_stage.decide(batch.auction(scores.probability))

    for start in range(0, len(bodies) - size + 1, size):
        chunk = bodies[start : start + size]
        prepared = timed("prepare", prepare, chunk)
        batch = timed("assemble", edge.assemble, prepared)
        scores = timed("score", ctr_stage.score, batch.rows)
        outcome = timed("decide", decide, batch, scores)
        timed("render", edge.render, batch, scores.probability, outcome)
        timed("record", recorder.note, batch, scores, outcome)
        bids += len(outcome.candidate)
    medians = {stage: statistics.median(values[1:]) / size * 1e6 for stage, values in seconds.items()}
    without = sum(medians.values()) - medians["record"]
    medians["pack records"] = _packed(recorder) / len(bodies) * 1e6
    total = sum(medians.values())
    return {**medians, "all": total, "all / without records": total / without, "bids a request": bids / len(bodies)}


def _packed(recorder: Recorder) -> float:
    """Return the seconds to pack the notes, which a thread does twice per second."""
    start = time.perf_counter()
    while (batches := recorder.take()) is not None:
        recorder.pack("of a benchmark", batches)
    return time.perf_counter() - start


def _stages(count: int) -> tuple[Edge, CTRStage, BidStage]:
    entries = [
        CatalogEntry(number + 1, campaign, time.time()) for number, campaign in enumerate(reference.campaigns(count))
    ]
    edge = Edge(
        signer=Signer("a secret for timing only"),
        users=UserKeys("a secret for timing only"),
        base_url="http://127.0.0.1:8000",
        currency="USD",
        max_imps=64,
        max_candidates=16,
    )
    edge.set_catalog([Listing(entry.number, entry.campaign) for entry in entries])
    ledger = MemoryLedger()
    book = LeaseBook(ledger, seconds=3_600, share=1.0, notice_ttl=60)
    bid_stage = BidStage(policy.neutral(), book)

    async def fund() -> None:
        for entry in entries:
            await ledger.open(entry.number, entry.campaign.budget.total_micros)
        balances = await ledger.balances([entry.number for entry in entries])
        bid_stage.set_pacing_table(Pacemaker().tick(entries, balances, time.time()))
        await book.maintain()

    asyncio.run(fund())
    return edge, CTRStage(CTRScorer(CTRNetwork(), "untrained")), bid_stage


if __name__ == "__main__":
    typer.run(main)
