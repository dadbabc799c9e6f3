"""Prices: at least the applicable floor, in an allowed currency."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exchange.rules.case import BidCase, Rates
from simulation.exchange.rules.markup import duration_of
from simulation.exchange.rules.raw import Json, number, objects, text, texts

DEFAULT_CURRENCY = "USD"
_ROUNDING = 1e-6  # of a price converted through a currency and micros
_MAX_CPM = 1e9  # a higher price is a mistake in any currency


def currency(case: BidCase) -> Iterator[str]:
    """Check that the response's currency is in `cur`; US dollars if the request names none."""
    allowed = allowed_currencies(case.request)
    if case.currency not in allowed:
        yield f"bids in {case.currency}, allowed: {', '.join(sorted(allowed))}"


def floor(case: BidCase) -> Iterator[str]:
    """Check that the price is positive and at least the floor of the deal, of the duration, or of the imp."""
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
    """Return the currencies that a bid may use."""
    return {name.upper() for name in texts(request.get("cur"))} or {DEFAULT_CURRENCY}


def floor_of(case: BidCase) -> tuple[float, str]:
    """Return the floor that applies (CPM), and its currency. A deal does not inherit the imp's currency."""
    terms = case.deal if case.deal is not None else case.imp
    its_currency = text(terms.get("bidfloorcur")).upper() or DEFAULT_CURRENCY
    by_duration = _floor_by_duration(case, terms)
    return (number(terms.get("bidfloor")) or 0.0) if by_duration is None else by_duration, its_currency


def convert(amount: float, source: str, target: str, rates: Rates) -> float | None:
    """Convert an amount; None if a rate is missing. Zero is zero in every currency."""
    if source == target or amount == 0:
        return amount
    if source not in rates or target not in rates:
        return None
    return amount / rates[source] * rates[target]


def _floor_by_duration(case: BidCase, terms: Json) -> float | None:
    """Return the floor for the ad's duration: `durfloors` of a deal or slot, or `mincpmpersec` of a pod."""
    seconds = duration_of(case)
    if seconds is None:
        return None
    for entry in objects(terms.get("durfloors") or (case.slot.get("durfloors") if case.deal is None else None)):
        most = number(entry.get("maxdur"))
        if (number(entry.get("mindur")) or 0.0) <= seconds and (most is None or seconds <= most):
            return number(entry.get("bidfloor")) or 0.0
    per_second = number((terms if case.deal is not None else case.slot).get("mincpmpersec"))
    return per_second * seconds if per_second else None
