"""Requests sent to a platform, with every answer judged; `verification.conformance` reports the counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulation.exchange.client import HttpClient, TransportError
from simulation.exchange.rules import RULES, Judgement, Violation, judge
from simulation.exchange.rules.case import FORMATS, offered_formats
from simulation.exchange.rules.possible import BidderCreatives, impossible
from simulation.exchange.rules.raw import Json, obj, objects, text
from simulation.exchange.rules.validity import faults

_BID_PATH = "/openrtb2/bid"
_HEADERS = "Content-Type: application/json\r\nX-OpenRTB-Version: 2.6\r\n"
_KEPT_MESSAGES = 20
_NO_BODY = (204, 400)


@dataclass
class Findings:
    """The counts of an examination.

    Attributes:
        requests: requests sent.
        status: answers by HTTP status; 0: no answer.
        offered: imps of valid requests by format; an imp with several formats counts for each.
        possible: offered imps that a bidder could answer.
        answered: possible imps that were answered.
        impossible: imps that nobody could answer, by reason; an invalid request counts once per imp.
        imps: possible imps in any format, and how many of them were answered.
        violations: violations by rule.
        messages: first violations of each rule, in words.
        silent: request ids of the first possible imps without a bid.
    """

    requests: int = 0
    status: Counter[int] = field(default_factory=Counter)
    offered: Counter[str] = field(default_factory=Counter)
    possible: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    impossible: Counter[str] = field(default_factory=Counter)
    imps: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    @property
    def bid_rate(self) -> float:
        """Share of the possible imps that were answered."""
        return self.imps["answered"] / self.imps["possible"] if self.imps["possible"] else 0.0

    def summary(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        named = {str(code): self.status[code] for code in (200, 204, 400)}
        return {
            "requests": self.requests,
            "by_format": {
                kind: {
                    "imps": self.offered[kind],
                    "possible": self.possible[kind],
                    "answered": self.answered[kind],
                }
                for kind in FORMATS
            },
            "status": {**named, "other": self.status.total() - sum(named.values())},
            "imps": self.imps["possible"],
            "answered": self.imps["answered"],
            "bid_rate": round(self.bid_rate, 6),
            "impossible": dict(sorted(self.impossible.items())),
            "violations": {rule: self.violations[rule] for rule in RULES},
        }


async def examine(
    url: str,
    bodies: Sequence[bytes],
    held: BidderCreatives,
    connections: int,
    on_answer: Callable[[], None],
    *,
    key: str = "",
) -> Findings:
    """Send requests, several at a time, and judge the answers.

    Args:
        url: base URL of the platform.
        bodies: request bodies.
        held: inventory of the bidder: seats, deals, categories, advertisers.
        connections: maximum requests in flight.
        on_answer: called after each answer.
        key: API key of an exchange; empty: none is sent.
    """
    findings = Findings()
    waiting = iter(bodies)
    async with HttpClient() as client:

        async def send() -> None:
            for body in waiting:
                status, answer = await _ask(client, url.rstrip("/") + _BID_PATH, key, body)
                record(findings, body, status, answer, held)
                on_answer()

        await asyncio.gather(*(send() for _ in range(connections)))
    return findings


async def _ask(client: HttpClient, url: str, key: str, body: bytes) -> tuple[int, bytes]:
    try:
        response = await client.post(url, body, _HEADERS + (f"X-API-Key: {key}\r\n" if key else ""))
    except TransportError:
        return 0, b""
    return response.status, response.body


def record(findings: Findings, body: bytes, status: int, answer: bytes, held: BidderCreatives) -> None:
    """Record one request and its answer."""
    request = read(body)
    findings.requests += 1
    findings.status[status] += 1
    judged = Judgement(frozenset(), 0, [])
    if status == 200:
        judged = judge(request, answer, held.rates)
    elif status in _NO_BODY and answer:
        judged.violations.append(Violation("response", f"a body with {status}"))
    elif status not in _NO_BODY:
        judged.violations.append(Violation("response", f"status {status}"))
    for rule, message in judged.violations:
        findings.violations[rule] += 1
        if findings.violations[rule] <= _KEPT_MESSAGES:
            findings.messages.append(f"{rule}: {message} (request {text(request.get('id'))[:60]!r})")
    _count(findings, request, judged.imps, held)


def _count(findings: Findings, request: Json, answered: frozenset[str], held: BidderCreatives) -> None:
    imps = objects(request.get("imp"))
    if any(faults(request)):
        findings.impossible["invalid_request"] += len(imps)
        return
    for imp in imps:
        kinds = offered_formats(imp)
        reason = impossible(request, imp, held)
        is_answered = text(imp.get("id")) in answered
        findings.offered.update(kinds)
        if reason:
            findings.impossible[reason] += 1
            continue
        findings.possible.update(kinds)
        findings.imps["possible"] += 1
        if is_answered:
            findings.answered.update(kinds)
            findings.imps["answered"] += 1
        elif len(findings.silent) < _KEPT_MESSAGES:
            findings.silent.append(f"{text(request.get('id'))[:60]!r}: {msgspec.json.encode(imp)[:400].decode()}")


def read(body: bytes) -> Json:
    """Parse a request's JSON; return an empty object if it is not one."""
    try:
        return obj(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
