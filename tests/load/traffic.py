"""What users send: requests of the simulated market, as OpenRTB and as flat slots."""

from __future__ import annotations

import random
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from rtb import simple_api
from simulation.exchange.sources import from_market

SLOTS = 20
"""In one call of `POST /bid/batch`."""

_COUNT = 2_000
_DEVICES = {number: name for name, number in simple_api.DEVICES.items()}


class Traffic:
    """Draws from a stock of requests that all users of a process have in common.

    Args:
        seed: of what is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._bodies = _stock()
        self._slots = _slots()
        self._random = random.Random(seed)

    def openrtb(self) -> bytes:
        """One bid request."""
        return self._random.choice(self._bodies)

    def batch(self) -> bytes:
        """`SLOTS` slots."""
        return msgspec.json.encode({"bids": self._random.choices(self._slots, k=SLOTS)})


@cache
def _stock() -> list[bytes]:
    """Build requests of the simulated market: seconds of work, so once a process."""
    return [offer.body for offer in islice(from_market(1, "second"), _COUNT)]


@cache
def _slots() -> list[dict[str, Any]]:
    return [flat_of(body) for body in _stock()]


def flat_of(body: bytes) -> dict[str, Any]:
    """Return the first imp of an OpenRTB request of the simulated market as `POST /bid` takes it."""
    request = msgspec.json.decode(body)
    imp, device, geo = request["imp"][0], request["device"], request["device"]["geo"]
    where = "app" if "app" in request else "site"
    place = {"app": request["app"]["bundle"]} if where == "app" else {"page": f"https://{request['site']['domain']}/"}
    return {
        **place,
        "w": imp["banner"]["w"],
        "h": imp["banner"]["h"],
        "floor": imp["bidfloor"],
        "device": _DEVICES[device["devicetype"]],
        "os": device["os"],
        "geo": f"{geo['country']}/{geo['region']}",
        "user": request["user"]["id"],
    }
