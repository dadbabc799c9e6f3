"""Floods of guessed keys, probes and forged notices: they must be limited, without harm to others."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial

from verification.attacks.case import Attacks, Finding
from verification.attacks.flood import Request, statuses_of
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_MANY = 1_000
_LIMITED = 0.3
"""Minimum share of guesses that must be rejected unread."""

Make = Callable[[AttackedPlatform], list[Request]]


def _guesses(path: str, method: str, target: AttackedPlatform, header: str = "X-API-Key: ") -> list[Request]:
    url = target.settings.base_url + path
    return [(method, url, f"{header}{secrets.token_hex(16)}\r\n", b"{}") for _ in range(_MANY)]


def _bystanders(target: AttackedPlatform) -> str:
    """Call as others do, from the same address, right after a flood: `/health` has its own limit, probes have none."""
    calls = (
        ("GET", "/health/live", ""),
        ("GET", "/health/ready", ""),
        ("GET", "/metrics", "report"),
        ("GET", "/stats", "report"),
        ("GET", "/campaigns", "admin"),
    )
    found = [
        f"{path}: {status}"
        for method, path, key in calls
        if (status := target.call(method, path, key).status_code) != 200
    ]
    bid = target.call("POST", "/openrtb2/alpha", "alpha", json=target.request("money")).status_code
    return ", ".join([*found, *([f"a bid: {bid}"] if bid not in (200, 204) else [])])


def _guessed(path: str, method: str, target: AttackedPlatform) -> str:
    """Guess keys: most guesses must be rejected as too many, and bystanders must not notice."""
    told = statuses_of(_guesses(path, method, target))
    return _slowed(told) or _bystanders(target)


def _slowed(told: Counter[int]) -> str:
    good = {status: count for status, count in told.items() if status not in (401, 403, 429, 503)}
    if good:
        return f"answers {dict(told)}"
    return "" if told[429] + told[503] >= _LIMITED * told.total() else f"only {dict(told)}: guessing is not limited"


for _path, _method in (
    ("/openrtb2/alpha", "POST"),
    ("/openrtb2/bid", "POST"),
    ("/bid", "POST"),
    ("/stats", "GET"),
    ("/admin/keys", "GET"),
    ("/auction-result", "POST"),
):
    attacks.add(Finding.LIMITS, f"{_MANY} keys guessed at {_path}", partial(_guessed, _path, _method))


@attacks(Finding.LIMITS, "keys guessed behind made-up addresses in X-Forwarded-For")
def guessed_from_everywhere(target: AttackedPlatform) -> str:
    """Check that a caller cannot choose the address it is limited by."""
    url = f"{target.settings.base_url}/openrtb2/alpha"
    guesses = [
        (
            "POST",
            url,
            f"X-API-Key: {secrets.token_hex(16)}\r\nX-Forwarded-For: 203.0.113.{i % 256}, 10.{i % 251}.0.1\r\n",
            b"{}",
        )
        for i in range(_MANY)
    ]
    return _slowed(statuses_of(guesses)) or _bystanders(target)


@attacks(Finding.LIMITS, "keys guessed as bearer tokens")
def guessed_bearers(target: AttackedPlatform) -> str:
    """Try the other header."""
    return _slowed(statuses_of(_guesses("/stats", "GET", target, "Authorization: Bearer "))) or _bystanders(target)


def _flooded(make: Make, target: AttackedPlatform) -> str:
    told = statuses_of(make(target))
    wrong = {status: count for status, count in told.items() if status >= 500 and status != 503}
    return f"answers {wrong}" if wrong else _bystanders(target)


def _gets(path: str) -> Make:
    return lambda target: [("GET", target.settings.base_url + path, "", b"")] * _MANY


for _name, _make in {
    "calls of /health": _gets("/health"),
    "calls of /stats without a key": _gets("/stats"),
    "forged notices": _gets("/notice/bill/" + "A" * 80 + "?price=1"),
    "paths that are not there": _gets("/nowhere"),
    "bids without a key": lambda t: [("POST", f"{t.settings.base_url}/openrtb2/alpha", "", b"{}")] * _MANY,
}.items():
    attacks.add(Finding.LIMITS, f"a flood: {_MANY} {_name}", partial(_flooded, _make))


@attacks(Finding.LIMITS, "a flood of 1,000 calls for the API's document and pages")
def documents(target: AttackedPlatform) -> str:
    """Check that they are limited: they are large, and served without a key."""
    urls = [target.settings.base_url + path for path in ("/openapi.json", "/docs", "/redoc")]
    told = statuses_of([("GET", urls[i % 3], "", b"") for i in range(1_000)])
    return f"answers {dict(told)}" if any(status >= 500 for status in told) else _bystanders(target)
