"""Caches filled with values that never repeat: each cache must be bounded in bytes."""

from __future__ import annotations

import gzip
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from verification.attacks import measure
from verification.attacks.bounds import MOST_GROWTH_MB
from verification.attacks.case import Attacks, Finding
from verification.attacks.cases.slow import unfinished
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_REQUESTS = 60
_LONG = 900_000
_BATCHES = 40
_WARM = 8
_IMPS = 40
_RECORDED_SECONDS = 20.0

Make = Callable[[str, int], dict[str, Any]]
"""A function that makes a request with a unique text of about this length."""


def _request(**fields: Any) -> dict[str, Any]:
    imp = {"id": "1", "banner": {"w": 300, "h": 250}}
    return {"id": "m", "at": 2, "imp": [imp], "site": {"domain": "money.example"}, **fields}


def _imps(make: Callable[[int], dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return _request(imp=[{"id": str(i), **make(i)} for i in range(_IMPS)], **fields)


def _native(text: str, number: int) -> dict[str, Any]:
    title = {"id": number, "title": {"len": 90}, "ext": text}
    return {"native": {"request": msgspec.json.encode({"ver": "1.2", "assets": [title]}).decode()}}


_FILLS: dict[str, Make] = {
    "user agents": lambda t, n: _request(device={"ua": t * (n // len(t))}),
    "domains": lambda t, n: _request(site={"domain": t * (n // len(t)) + ".example"}),
    "pages": lambda t, n: _request(site={"page": f"https://{t}.example/" + "p" * n}),
    "tags": lambda t, n: _imps(lambda i: {"banner": {"w": 300, "h": 250}, "tagid": f"{t}{i}" + "t" * (n // _IMPS)}),
    "native requests": lambda t, n: _imps(lambda i: _native(f"{t}{i}" + "n" * (n // _IMPS // 2), i)),
    "bundles": lambda t, n: _request(site=None, app={"bundle": t + "b" * n}),
    "publishers": lambda t, n: _request(site={"domain": "money.example", "publisher": {"id": t + "p" * n}}),
    "regions and cities": lambda t, n: _request(device={"geo": {"country": "USA", "region": t + "r" * n, "city": t}}),
    "segments": lambda t, n: _request(user={"data": [{"segment": [{"id": f"{t}{i}"} for i in range(n // 40)]}]}),
    "blocked categories": lambda t, n: _request(bcat=[f"{t}{i}" for i in range(n // 40)]),
    "blocked advertisers": lambda t, n: _request(badv=[t + "a" * (n // 10) for _ in range(9)]),
    "mime types": lambda t, n: _imps(lambda i: {"video": {"mimes": [f"video/{t}{i}" + "m" * (n // _IMPS)]}}),
    "deals": lambda t, n: _request(
        imp=[{"id": "1", "banner": {"w": 300, "h": 250}, "pmp": {"deals": [{"id": t + "d" * n}]}}]
    ),
    "request ids": lambda t, n: _request(id=t + "i" * n),
    "user ids": lambda t, n: _request(user={"id": t + "u" * n}),
    "languages": lambda t, n: _request(device={"language": t + "l" * n}),
    "operating systems and makes": lambda t, n: _request(device={"os": t + "o" * (n // 2), "make": t + "m" * (n // 2)}),
    "sizes": lambda t, n: _imps(
        lambda i: {"banner": {"format": [{"w": 1 + secrets.randbelow(9_999), "h": 1 + j} for j in range(40)]}}
    ),
}


def warm(target: AttackedPlatform) -> None:
    """Send some of each kind: memory that a process takes for its first large request and reuses is not a leak.

    The same holds for bounded caches until they are full, and for HAProxy's first hundreds of connections.
    """
    unfinished(target)
    for make in _FILLS.values():
        for _ in range(_WARM):
            _send(make, target)
    for _ in range(_BATCHES):
        _batch(target)
    _explain(target)


def _explain(target: AttackedPlatform) -> None:
    """Have a bid explained: the first time loads the models to recompute its price, and they stay."""
    bid, deadline = target.bid("money"), time.monotonic() + _RECORDED_SECONDS
    while target.call("GET", f"/explain/{bid['id']}", "report").status_code == 404 and time.monotonic() < deadline:
        time.sleep(0.5)


def _send(make: Make, target: AttackedPlatform) -> int:
    body = gzip.compress(msgspec.json.encode(make(secrets.token_hex(8), _LONG)), 1)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return target.call("POST", "/openrtb2/alpha", "alpha", content=body, headers=headers).status_code


def _batch(target: AttackedPlatform) -> None:
    long = "u" * 2_000
    slots = [
        {"w": 300, "h": 250, "page": "https://money.example/", "ua": secrets.token_hex(8) + long} for _ in range(300)
    ]
    target.call("POST", "/bid/batch", "alpha", json={"bids": slots})


def _filled(make: Make, target: AttackedPlatform) -> str:
    """Send many compressed requests, cheap for one caller, and check that the platform's memory does not grow."""
    before = measure.held(measure.at_work(target.processes()))
    statuses = {_send(make, target) for _ in range(_REQUESTS)}
    grown = sum(measure.settled(before, target.processes).values())
    wrong = [status for status in statuses if status >= 500]
    if wrong:
        return f"answers {wrong}"
    return f"{grown:.0f} MB more in use" if grown > MOST_GROWTH_MB else ""


for _name, _make in _FILLS.items():
    attacks.add(
        Finding.MEMORY, f"{_REQUESTS} requests of 900 kB with {_name} that no other has", partial(_filled, _make)
    )


@attacks(Finding.MEMORY, "user agents that no other has, over REST")
def rest(target: AttackedPlatform) -> str:
    """Try the other API."""
    before = measure.held(measure.at_work(target.processes()))
    for _ in range(_BATCHES):
        _batch(target)
    grown = sum(measure.settled(before, target.processes).values())
    return f"{grown:.0f} MB more in use" if grown > MOST_GROWTH_MB else ""
