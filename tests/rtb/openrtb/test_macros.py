"""Prices that come back in notices."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.money.micros import micros_to_cpm
from rtb.openrtb.macros import AUCTION_PRICE, PriceError, parse_price, read_price, read_quantity


@pytest.mark.parametrize(("text", "micros"), [("1.25", 1_250), ("0", 0), ("0.0", 0), ("3", 3_000), ("1e-1", 100)])
def test_price_is_a_cpm(text: str, micros: int) -> None:
    assert parse_price(text) == micros


@pytest.mark.parametrize(
    "text", ["1.5E+0", "1.5E 0", "1.5e 0", " 1.5", "1.5 ", "+1.5", " 1.5\r\n", "\t1.5", "\u00a01.5", "15E-1", "0.15E+1"]
)
def test_price_is_read_as_programs_write_it(text: str) -> None:
    assert parse_price(text) == 1_500


@pytest.mark.parametrize("text", [" ", "\t", "+"])
def test_blank_price_is_empty(text: str) -> None:
    with pytest.raises(PriceError) as caught:
        parse_price(text)
    assert caught.value.reason == "empty"


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        *(("30.3", 30.3), ("1", 1.0), ("0.5", 0.5), (".5", 0.5), ("7.", 7.0)),
        *((text, 30.3) for text in (" 30.3", "+30.3", "3.03E1", "3.03E+1", "3.03e 1", "30.3\n", "303e-1")),
        *((text, None) for text in ("0", "0.0", "-1", "nan", "inf", "1e9", "", "x", "1_0", "9" * 20)),
    ],
)
def test_quantity_is_a_number_above_nothing(text: str, quantity: float | None) -> None:
    assert read_quantity(text) == quantity


@given(st.integers(0, 10**12))
def test_price_we_bid_comes_back_the_same(micros: int) -> None:
    assert parse_price(str(micros_to_cpm(micros))) == micros


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (None, "unfilled"),
        (AUCTION_PRICE, "unfilled"),
        ("%24%7BAUCTION_PRICE%7D", "unfilled"),
        ("AUDIT", "audit"),
        ("audit", "audit"),
        ("-0.01", "negative"),
        ("-inf", "not_a_price"),
        ("nan", "not_a_price"),
        ("inf", "not_a_price"),
        ("1e400", "not_a_price"),
        ("1e300", "not_a_price"),
        ("free", "not_a_price"),
        ("1,25", "not_a_price"),
        ("1 5", "not_a_price"),
        ("1.5E ", "not_a_price"),
        ("- 1.5", "not_a_price"),
        ("$1.25", "not_a_price"),
        ("9" * 5_000, "not_a_price"),
    ],
)
def test_what_is_no_price_says_why(text: str, reason: str) -> None:
    with pytest.raises(PriceError) as caught:
        parse_price(text)
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 200


@given(st.integers(0, 10**12), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]), st.booleans())
def test_price_in_base64_comes_back_the_same(micros: int, encode: Callable[[bytes], bytes], padded: bool) -> None:
    text = encode(str(micros_to_cpm(micros)).encode()).decode()
    assert read_price(text if padded else text.rstrip("=")) == (micros, True)


@given(st.integers(0, 10**12))
def test_price_in_digits_is_never_taken_for_base64(micros: int) -> None:
    assert read_price(str(micros_to_cpm(micros))) == (micros, False)


@given(st.one_of(st.text(), st.binary().map(lambda blob: base64.b64encode(blob).decode())))
def test_any_text_is_a_price_or_refused(text: str) -> None:
    try:
        assert read_price(text).micros >= 0
    except PriceError as error:
        assert error.reason in {"unfilled", "empty", "audit", "negative", "not_a_price"}
