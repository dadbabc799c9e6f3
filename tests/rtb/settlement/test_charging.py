"""What a bid is charged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.exchanges import ExchangeError, Exchanges, Profile, number_of
from rtb.openrtb.macros import PriceError
from rtb.settlement.charging import Charging
from rtb.settlement.encrypted_prices import PriceKeys
from rtb.settlement.notice_tokens import BidRef
from tests.rtb.settlement.prices import encrypted

NOW, KEYS = 1_800_000_000, PriceKeys(b"e" * 32, b"i" * 32)
EXCHANGES = Exchanges(
    [Profile(name="plain"), Profile(name="discounts", discounts=True), Profile(name="encrypts", price_keys="keys")]
)
CHARGING = Charging(EXCHANGES, {"keys": KEYS}, 1_800.0)


def ref(
    exchange: str = "plain", *, first: bool = False, floor: int = 0, ceiling: int = 2_000, rate: float = 1.0
) -> BidRef:
    return BidRef(
        7, 1, 1, 0, ceiling, NOW + 60, rate=rate, exchange=number_of(exchange), floor_micros=floor, first_price=first
    )


prices = st.none() | st.text(max_size=30) | st.floats(0, 1e6).map(lambda cpm: f"{cpm:.9f}") | st.just("AUDIT")


@given(
    bid=st.builds(
        ref,
        st.sampled_from(["plain", "discounts", "encrypts", "unknown"]),
        first=st.booleans(),
        floor=st.integers(0, 2**40),
        ceiling=st.integers(1, 2**40),
        rate=st.sampled_from([1.0, 0.92, 150.0]),
    ),
    text=prices | st.builds(encrypted, st.just(KEYS), st.integers(0, 2**50), st.integers(NOW - 4_000, NOW + 4_000)),
)
def test_whatever_is_said_a_charge_lies_between_floor_and_bid(bid: BidRef, text: str | None):
    try:
        micros = CHARGING.charge(bid, text).micros
    except PriceError:
        return
    assert min(bid.floor_micros, bid.ceiling_micros) <= micros <= bid.ceiling_micros
    if bid.first_price and bid.exchange != number_of("discounts"):
        assert micros == bid.ceiling_micros


@pytest.mark.parametrize(
    ("said", "micros"), [(0, 500), (499, 500), (500, 500), (1_234, 1_234), (2_000, 2_000), (9_999, 2_000)]
)
@pytest.mark.parametrize("exchange", ["plain", "encrypts"])
def test_a_second_price_is_what_the_notice_says_within_bounds(exchange: str, said: int, micros: int):
    text = f"{said / 1_000}" if exchange == "plain" else encrypted(KEYS, said, NOW)
    assert CHARGING.charge(ref(exchange, floor=500), text).micros == micros


def test_an_encrypted_price_is_of_one_impression_in_the_bids_currency():
    assert CHARGING.charge(ref("encrypts", rate=0.5), encrypted(KEYS, 700, NOW)).micros == 1_400


@pytest.mark.parametrize("at", [NOW - 1_900, NOW + 200])
def test_an_encrypted_price_of_another_time_is_refused(at: int):
    with pytest.raises(PriceError) as refused:
        CHARGING.charge(ref("encrypts"), encrypted(KEYS, 700, at))
    assert refused.value.reason == "stale_price"


def test_a_price_in_the_clear_is_believed_where_it_was_told_with_a_key():
    assert CHARGING.charge(ref("encrypts"), "1.5", in_clear=True).micros == 1_500


def test_keys_that_a_profile_names_have_to_be_there():
    with pytest.raises(ExchangeError, match="RAYBID_PRICE_KEYS has no keys named keys"):
        Charging(EXCHANGES, {}, 1_800.0)
