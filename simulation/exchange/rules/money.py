"""Prices: at least the floor that applies, in a currency the request allows."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import Case, Rates
from simulation.exchange.rules.markup import duration_of
from simulation.exchange.rules.raw import Json, number, objects, text, texts

DEFAULT_CURRENCY = "USD"
_ROUNDING = 1e-6  # of a price that went through a currency and micros
_MAX_CPM = 1e9  # a price above is a mistake, whatever the currency


def currency(case: Case) -> Iterator[str]:
    """The response's currency is one of `cur`; dollars where the request names none."""
    allowed = allowed_currencies(case.request)
    if case.currency not in allowed:
        yield f"bids in {case.currency}, allowed: {', '.join(sorted(allowed))}"


def floor(case: Case) -> Iterator[str]:
    """The price is positive, and no less than the floor of the deal, of the duration, or of the imp."""
    price = number(case.bid.get("price"))
    if price is None or not (0 < price < _MAX_CPM or (price == 0 and case.deal is not None)):
        yield f"price {case.bid.get('price')!r}"
        return
    least, its_currency = floor_of(case)
    converted = convert(least, its_currency, case.currency, case.rates)
    if converted is None:
        yield f"bids {price} {case.currency} against a floor in {its_currency}, for which there is no rate"
    elif price < converted * (1 - _ROUNDING):
        yield f"bids {price} {case.currency} below a floor of {least} {its_currency}"


def allowed_currencies(request: Json) -> set[str]:
    """Currencies a bid may be in."""
    return {name.upper() for name in texts(request.get("cur"))} or {DEFAULT_CURRENCY}


def floor_of(case: Case) -> tuple[float, str]:
    """The floor that applies (CPM), and its currency. A deal's currency does not come from its imp."""
    terms = case.deal if case.deal is not None else case.imp
    its_currency = text(terms.get("bidfloorcur")).upper() or DEFAULT_CURRENCY
    by_duration = _floor_by_duration(case, terms)
    return (number(terms.get("bidfloor")) or 0.0) if by_duration is None else by_duration, its_currency


def convert(amount: float, source: str, target: str, rates: Rates) -> float | None:
    """An amount in another currency; None where a rate is missing. Nothing is nothing in every currency."""
    if source == target or amount == 0:
        return amount
    if source not in rates or target not in rates:
        return None
    return amount / rates[source] * rates[target]


def _floor_by_duration(case: Case, terms: Json) -> float | None:
    """What a deal or a slot asks for the advertisement's seconds: `durfloors`, or `mincpmpersec` of a pod."""
    seconds = duration_of(case)
    if seconds is None:
        return None
    for entry in objects(terms.get("durfloors") or (case.slot.get("durfloors") if case.deal is None else None)):
        most = number(entry.get("maxdur"))
        if (number(entry.get("mindur")) or 0.0) <= seconds and (most is None or seconds <= most):
            return number(entry.get("bidfloor")) or 0.0
    per_second = number((terms if case.deal is not None else case.slot).get("mincpmpersec"))
    return per_second * seconds if per_second else None
