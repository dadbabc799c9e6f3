"""Requests to replay: from a file, or from the simulated market."""

from __future__ import annotations

from pathlib import Path

import msgspec

from simulation import reference
from simulation.requests import to_openrtb

REQUESTS = Path(__file__).parents[1] / "requests.jsonl"
"""File of simulated requests; git ignores it."""

_COUNT = 5_000


def requests_file(given: str) -> Path:
    """Return a file with a request per line: the given one, else simulated requests, generated if missing.

    Raises:
        OSError: the given file cannot be read, or the generated one cannot be written.
    """
    if given:
        path = Path(given)
        if not path.is_file() or not path.stat().st_size:
            raise OSError(f"{path} holds no requests: REQUESTS= must name a file with an OpenRTB request per line")
        return path
    if not REQUESTS.exists():
        REQUESTS.write_bytes(b"".join(body + b"\n" for body in simulated(_COUNT)))
    return REQUESTS


def simulated(count: int) -> list[bytes]:
    """Return this many requests of the reference market."""
    market = reference.market(traffic_seed=1)
    auctions = market.step(count)
    return [msgspec.json.encode(to_openrtb(market, auctions, i)) for i in range(count)]
