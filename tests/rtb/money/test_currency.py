"""Prices in other currencies: floors are met, ceilings are kept, and a table of rates can change under way."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rtb.money.currency import NO_RATES, Quote, Rates, RatesFile, micros_at, read_rates
from rtb.money.micros import MoneyError, floors_to_micros
from rtb.openrtb.macros import read_price

RATES = Rates(rates={"EUR": 0.92, "JPY": 150.1, "KWD": 0.307})
_CODES = ["USD", "EUR", "JPY", "KWD"]
_worth = st.floats(1e-4, 1e5)


@pytest.mark.parametrize(
    ("allowed", "quote"),
    [
        ([], Quote("USD")),
        (["USD"], Quote("USD")),
        (["EUR", "USD"], Quote("USD")),
        (["eur"], Quote("EUR", 0.92)),
        (["XXX", "JPY", "EUR"], Quote("JPY", 150.1)),
        (["XXX"], None),
    ],
)
def test_a_bid_is_in_our_currency_or_the_first_with_a_rate(allowed: list[str], quote: Quote | None) -> None:
    assert RATES.quote("USD", allowed) == quote


def test_rates_cross_over_the_base() -> None:
    assert RATES.rate("EUR", "JPY") == pytest.approx(150.1 / 0.92)
    assert RATES.rate("EUR", "EUR") == NO_RATES.rate("XXX", "XXX") == 1.0
    assert RATES.rate("EUR", "XXX") is None
    assert NO_RATES.quote("USD", ["EUR"]) is None
    assert NO_RATES.floor(1.0, "EUR", "USD", Quote("USD")) is None


@given(
    cpm=st.floats(1e-6, 1e4),
    above=st.integers(0, 10**6),
    worth=st.fixed_dictionaries(dict.fromkeys(_CODES[1:], _worth)),
    codes=st.tuples(*[st.sampled_from(_CODES)] * 3),
)
def test_a_bid_that_reaches_a_floor_reaches_it_as_it_is_sent(
    cpm: float, above: int, worth: dict[str, float], codes: tuple[str, str, str]
) -> None:
    ours, sent, floored = codes
    rates = Rates(rates=worth)
    quote = rates.quote(ours, [sent])
    assert quote is not None
    floor = rates.floor(cpm, floored, ours, quote)
    assert floor is not None
    micros = int(floors_to_micros(np.array([floor]))[0]) + above
    assume(micros < 2**52)
    across = rates.rate(floored, sent)
    assert across is not None
    assert Fraction(quote.price(micros)) >= Fraction(cpm) * Fraction(across) * (1 - Fraction(1, 10**14))
    if floored == sent:
        assert quote.price(micros) >= cpm


@given(st.integers(1, 2**40), _worth)
def test_what_clears_at_the_bid_costs_at_most_its_ceiling_and_hardly_less(ceiling: int, rate: float) -> None:
    quote = Quote("EUR", rate)
    price = quote.price(ceiling)
    assume(price < 1e9)  # above, a float has no room for the steps
    charged = read_price(repr(price), rate).micros
    assert charged <= ceiling
    assert charged >= ceiling - math.ceil(0.001 / rate)  # what is lost to the steps of prices


@given(st.decimals(0, 10**6, places=6), _worth)
def test_a_charge_is_rounded_up(cpm: object, rate: float) -> None:
    micros = micros_at(str(cpm), rate)
    assert 0 <= micros - Fraction(str(cpm)) * 1000 / Fraction(rate) < 1 or rate == 1.0


@pytest.mark.parametrize("text", ["1e400", "9" * 30, "1e300"])
def test_a_price_beyond_all_money_is_none(text: str) -> None:
    with pytest.raises(MoneyError):
        micros_at(text, 0.5)


@pytest.mark.parametrize("text", ["0", "0e999999999", "1e-999999999", "0." + "0" * 500])
def test_a_price_of_nothing_is_nothing(text: str) -> None:
    assert micros_at(text, 0.5) == 0


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"rates": {"eur": 1}}',
        '{"rates": {"EUR": 0}}',
        '{"rates": {"EUR": -1}}',
        '{"rates": {"EUR": .nan}}',
        '{"rates": {"EUR": "1"}}',
        '{"base": "dollar"}',
        '{"quotes": {}}',
    ],
)
def test_a_table_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_rates(text.encode())


def test_a_table_is_json_or_yaml() -> None:
    table = Rates(base="EUR", rates={"USD": 1.09}, at="2026-11-23")
    assert read_rates(b'{"base": "EUR", "at": "2026-11-23", "rates": {"USD": 1.09}}') == table
    assert read_rates(b"base: EUR\nat: '2026-11-23'\nrates:\n  USD: 1.09\n") == table


def test_a_file_is_read_again_when_it_changes_and_a_damaged_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    file = RatesFile(path)
    assert not file.refresh()
    assert file.rates == NO_RATES
    path.write_text('{"rates": {"EUR": 0.9}}')
    assert file.refresh()
    assert not file.refresh()
    path.write_text('{"rates": {"EUR": 0.9')
    assert not file.refresh()
    assert file.rates.rates == {"EUR": 0.9}
    path.write_text('{"rates": {"EUR": 0.95}}')
    assert file.refresh()
    path.unlink()
    assert not file.refresh()
    assert file.rates.rates == {"EUR": 0.95}
    assert not RatesFile(None).refresh()
