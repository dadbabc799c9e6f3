"""The requests replayed: those of a file, or varied ones of the simulated market."""

from __future__ import annotations

from pathlib import Path

import msgspec

from simulation import reference
from simulation.requests import to_openrtb

REQUESTS = Path(__file__).parents[1] / "requests.jsonl"
"""Where simulated requests are kept; git ignores it."""

_COUNT = 5_000


def requests_file(given: str) -> Path:
    """A file with a request a line: the one given, else simulated ones, made if they are not there yet.

    Raises:
        OSError: the file given cannot be read, or none can be written.
    """
    if given:
        path = Path(given)
        if not path.is_file() or not path.stat().st_size:
            raise OSError(f"{path} holds no requests: REQUESTS= names a file with an OpenRTB request a line")
        return path
    if not REQUESTS.exists():
        REQUESTS.write_bytes(b"".join(body + b"\n" for body in simulated(_COUNT)))
    return REQUESTS


def simulated(count: int) -> list[bytes]:
    """So many requests of the reference market."""
    market = reference.market(traffic_seed=1)
    auctions = market.step(count)
    return [msgspec.json.encode(to_openrtb(market, auctions, i)) for i in range(count)]
