"""Rules for judging an answer, from the raw JSON of the request and the answer alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from simulation.exchange.rules.blocks import block
from simulation.exchange.rules.case import BidCase, Rates, Rule
from simulation.exchange.rules.deals import deal
from simulation.exchange.rules.disclosure import dsa
from simulation.exchange.rules.fields import missing_field
from simulation.exchange.rules.formats import kind
from simulation.exchange.rules.macros import macro
from simulation.exchange.rules.money import DEFAULT_CURRENCY, currency, floor
from simulation.exchange.rules.quantity import qty
from simulation.exchange.rules.raw import Json, integer, obj, objects, text
from simulation.exchange.rules.schema import markup_schema
from simulation.exchange.rules.sellers import schain
from simulation.exchange.rules.sizes import size

__all__ = ["RULES", "Judgement", "Rates", "Violation", "judge"]

OF_A_BID: dict[str, Rule] = {
    "floor": floor,
    "currency": currency,
    "block": block,
    "size": size,
    "format": kind,
    "deal": deal,
    "macro": macro,
    "missing_field": missing_field,
    "markup_schema": markup_schema,
    "qty": qty,
    "dsa": dsa,
    "schain": schain,
}
RULES = (*OF_A_BID, "duplicate_imp", "response")
"""All rules: those for one bid, one offer per imp and deal, and one for an answer as a whole."""


class Violation(NamedTuple):
    """A broken rule, and how it was broken."""

    rule: str
    message: str


class Judgement(NamedTuple):
    """The judgement of an answer: the imps it bids on, its number of bids, and its violations."""

    imps: frozenset[str]
    bids: int
    violations: list[Violation]


def judge(request: Json, body: bytes, rates: Rates) -> Judgement:
    """Judge the body of a 200.

    Args:
        request: request as sent.
        body: body of the answer.
        rates: units of each currency per US dollar.
    """
    try:
        answer = obj(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Judgement(frozenset(), 0, [Violation("response", "the body is not JSON")])
    cases, violations = [], []
    if text(answer.get("id")) != text(request.get("id")):
        violations.append(Violation("response", f"answers {answer.get('id')!r}"))
    imps = {text(imp.get("id")): imp for imp in objects(request.get("imp"))}
    for seatbid in objects(answer.get("seatbid")):
        for bid in objects(seatbid.get("bid")):
            imp = imps.get(text(bid.get("impid")))
            if imp is None:
                violations.append(Violation("response", f"a bid for imp {bid.get('impid')!r}"))
                continue
            its_currency = text(answer.get("cur")).upper() or DEFAULT_CURRENCY
            cases.append(BidCase(request, imp, bid, text(seatbid.get("seat")), its_currency, rates))
    violations += _doubles(cases)
    violations += [Violation(name, what) for case in cases for name, rule in OF_A_BID.items() for what in rule(case)]
    return Judgement(frozenset(text(case.imp.get("id")) for case in cases), len(cases), violations)


def _doubles(cases: list[BidCase]) -> Iterator[Violation]:
    """Report bids that share an id, and more offers for an imp than it takes under one deal."""
    for name, count in Counter(text(case.bid.get("id")) for case in cases).items():
        if count > 1:
            yield Violation("response", f"{count} bids have the id {name!r}")
    offers = Counter((text(case.imp.get("id")), text(case.bid.get("dealid"))) for case in cases)
    room = {text(case.imp.get("id")): _room(case) for case in cases}
    for (imp, _), count in offers.items():
        if count > room[imp]:
            yield Violation("duplicate_imp", f"{count} bids for imp {imp!r}")


def _room(case: BidCase) -> int:
    """Return how many bids can win together: those of a dynamic pod, else one."""
    slot = case.slot
    return max(integer(slot.get("maxseq")) or 1, 1) if slot.get("poddur") else 1
