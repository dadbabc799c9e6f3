"""What a bid is charged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.exchanges import ExchangeError, Exchanges, Profile, number_of
from rtb.money.currency import Quote, Rates
from rtb.money.micros import micros_of
from rtb.openrtb.macros import PriceError
from rtb.settlement.charging import Charge, Charging
from rtb.settlement.encrypted_prices import PriceKeys
from rtb.settlement.notice_tokens import BidRef
from tests.rtb.settlement.prices import encrypted

NOW, KEYS = 1_800_000_000, PriceKeys(b"e" * 32, b"i" * 32)
EXCHANGES = Exchanges(
    [Profile(name="plain"), Profile(name="discounts", discounts=True), Profile(name="encrypts", price_keys="keys")]
)
RATES = Rates("USD", {"EUR": 0.8, "JPY": 150.0})
CHARGING = Charging(EXCHANGES, {"keys": KEYS}, 1_800.0, lambda: RATES)


def ref(
    exchange: str = "plain",
    *,
    first: bool = False,
    floor: int = 0,
    ceiling: int = 2_000,
    rate: float = 1.0,
    currency: str = "",
    quantity: float = 1.0,
    made: int = 0,
) -> BidRef:
    return BidRef(
        7,
        1,
        1,
        0,
        ceiling,
        NOW + 60,
        rate=rate,
        exchange=number_of(exchange),
        floor_micros=floor,
        first_price=first,
        currency=currency,
        quantity=quantity,
        made=made,
    )


def charge(bid: BidRef, price: str | None, *, in_clear: bool = False, **query: str) -> Charge:
    said = query if price is None else query | {"price": price}
    return CHARGING.charge(bid, said, in_clear=in_clear)


prices = st.none() | st.text(max_size=30) | st.floats(0, 1e6).map(lambda cpm: f"{cpm:.9f}") | st.just("AUDIT")


@given(
    bid=st.builds(
        ref,
        st.sampled_from(["plain", "discounts", "encrypts", "unknown"]),
        first=st.booleans(),
        floor=st.integers(0, 2**40),
        ceiling=st.integers(1, 2**40),
        rate=st.sampled_from([1.0, 0.92, 150.0]),
        currency=st.sampled_from(["", "USD", "EUR"]),
        quantity=st.just(1.0) | st.floats(1e-3, 1e4),
    ),
    currency=st.sampled_from(["", "USD", "EUR", "jpy", "XXX", "${AUCTION_CURRENCY}", "dollars"]),
    delivered=st.sampled_from(["", "0", "1", "30.3", "1e3", "-1", "x", "${AUCTION_MULTIPLIER}"])
    | st.floats(1e-3, 1e4).map(str),
    text=prices | st.builds(encrypted, st.just(KEYS), st.integers(0, 2**50), st.integers(NOW - 4_000, NOW + 4_000)),
)
def test_whatever_is_said_a_charge_lies_between_floor_and_bid(
    bid: BidRef, currency: str, delivered: str, text: str | None
):
    try:
        micros = charge(bid, text, cur=currency, qty=delivered).micros
    except PriceError:
        return
    assert 0 <= micros <= bid.ceiling_micros
    if bid.quantity == 1.0:
        assert min(bid.floor_micros, bid.ceiling_micros) <= micros
        if bid.first_price and bid.exchange != number_of("discounts"):
            assert micros == bid.ceiling_micros


@pytest.mark.parametrize(
    ("said", "micros"), [(0, 500), (499, 500), (500, 500), (1_234, 1_234), (2_000, 2_000), (9_999, 2_000)]
)
@pytest.mark.parametrize("exchange", ["plain", "encrypts"])
def test_a_second_price_is_what_the_notice_says_within_bounds(exchange: str, said: int, micros: int):
    text = f"{said / 1_000}" if exchange == "plain" else encrypted(KEYS, said, NOW)
    assert charge(ref(exchange, floor=500), text).micros == micros


def test_an_encrypted_price_is_of_one_impression_in_the_bids_currency():
    assert charge(ref("encrypts", rate=0.5), encrypted(KEYS, 700, NOW)).micros == 1_400
    assert charge(ref("encrypts", rate=0.5), f" {encrypted(KEYS, 700, NOW)}\n").micros == 1_400


@pytest.mark.parametrize(("at", "made"), [(NOW - 1_900, 0), (NOW + 200, 0), (NOW - 100, NOW), (NOW + 200, NOW)])
def test_an_encrypted_price_of_another_time_is_refused(at: int, made: int):
    with pytest.raises(PriceError) as refused:
        charge(ref("encrypts", made=made), encrypted(KEYS, 700, at))
    assert refused.value.reason == "stale_price"


def test_a_price_in_the_clear_is_believed_where_it_was_told_with_a_key():
    assert charge(ref("encrypts"), "1.5", in_clear=True).micros == 1_500


@pytest.mark.parametrize(
    ("bid", "said", "price", "micros", "remarks"),
    [
        (ref(currency="USD"), "USD", "1.5", 1_500, ()),
        (ref(currency="USD"), " usd ", "1.5", 1_500, ()),
        (ref(currency="USD"), "", "1.5", 1_500, ()),
        (ref(currency="USD"), "${AUCTION_CURRENCY}", "1.5", 1_500, ()),
        (ref(currency="USD"), "EUR", "1.2", 1_500, ("other_currency",)),
        (ref(currency="USD"), "JPY", "225", 1_500, ("other_currency",)),
        (ref(currency="EUR", rate=0.8), "EUR", "1.2", 1_500, ()),
        (ref(currency="EUR", rate=0.8), "USD", "1.5", 1_500, ("other_currency",)),
        (ref(currency="USD"), "JPY", "450", 2_000, ("above_bid", "other_currency")),
        (ref(currency="USD"), "840", "1.5", 1_500, ("unknown_currency",)),
        (ref(currency="USD", first=True), "EUR", "1.6", 2_000, ("other_currency",)),
        (ref(currency="USD", first=True), "XXX", "999", 2_000, ("other_currency",)),
        (ref(currency="USD", first=True), "XXX", "", 2_000, ("without_price", "other_currency")),
        (ref(), "EUR", "1.5", 1_500, ()),
    ],
)
def test_a_price_in_another_currency_is_converted(
    bid: BidRef, said: str, price: str, micros: int, remarks: tuple[str, ...]
):
    assert charge(bid, price, cur=said) == Charge(micros, remarks)


def test_a_price_in_a_currency_without_a_rate_is_refused():
    with pytest.raises(PriceError) as refused:
        charge(ref(currency="USD"), "1.5", cur="XXX")
    assert refused.value.reason == "no_rate"


@pytest.mark.parametrize(("currency", "can"), [("", True), ("EUR", True), ("USD", True), ("XXX", False), ("$", False)])
def test_what_can_be_converted_is_known_before(currency: str, can: bool):
    assert CHARGING.can_convert(ref(currency="USD"), currency) is can


SCREEN = ref(currency="USD", ceiling=7_684_504, floor=100_000, quantity=30.3)


@pytest.mark.parametrize(
    ("bid", "price", "delivered", "micros", "remarks"),
    [
        (SCREEN, "253.614", None, 7_684_504, ()),
        (SCREEN, "253.614", "30.3", 7_684_504, ()),
        (SCREEN, "253.614", "${AUCTION_MULTIPLIER}", 7_684_504, ()),
        (SCREEN, "253.614", "", 7_684_504, ()),
        (SCREEN, "253.614", "20.1", 5_097_641, ("below_quantity",)),
        (SCREEN, "253.614", "99", 7_684_504, ("above_quantity",)),
        (SCREEN, "253.614", "-1", 7_684_504, ("unknown_quantity",)),
        (SCREEN, "253.614", "many", 7_684_504, ("unknown_quantity",)),
        (SCREEN, "200.5", "30.3", 6_075_150, ()),
        (SCREEN, "1", "10", 1_000_000, ("below_floor", "below_quantity")),
        (SCREEN, "999", "10", 2_536_140, ("above_bid", "below_quantity")),
        (SCREEN._replace(first_price=True), "1", "10", 2_536_140, ("below_bid", "below_quantity")),
        (SCREEN._replace(first_price=True), "", "30.3", 7_684_504, ("without_price",)),
        (SCREEN, "202.8912", None, 6_147_603, ()),
        (ref(ceiling=500, quantity=0.25), "2", None, 500, ()),
        (ref(ceiling=500, quantity=0.25), "2", "0.125", 250, ("below_quantity",)),
        (ref(ceiling=500, quantity=0.25), "1.5", "0.25", 375, ()),
        (ref(ceiling=500, quantity=0.25), "2", "1", 500, ("above_quantity",)),
        (ref(), "1.5", "0.5", 1_500, ()),
        (ref(), "1.5", "10", 1_500, ()),
    ],
)
def test_a_sale_of_several_impressions_costs_the_price_of_those_delivered(
    bid: BidRef, price: str, delivered: str | None, micros: int, remarks: tuple[str, ...]
):
    query: dict[str, str] = {"price": price} | ({} if delivered is None else {"qty": delivered})
    assert CHARGING.charge(bid, query) == Charge(micros, remarks)


@given(price=st.integers(1, 2**30), quantity=st.floats(1e-3, 1e4), rate=st.sampled_from([1.0, 0.8, 150.0]))
def test_a_bid_that_clears_at_its_own_price_costs_what_was_reserved(price: int, quantity: float, rate: float):
    reserved = micros_of(price, quantity)
    bid = ref(ceiling=reserved, quantity=quantity, rate=rate)
    sent = Quote("EUR", rate).price(price)
    micros = charge(bid, f"{sent:.9f}").micros
    assert micros <= reserved
    if rate == 1.0:
        assert reserved in (micros, 1)


def test_keys_that_a_profile_names_have_to_be_there():
    with pytest.raises(ExchangeError, match="RAYBID_PRICE_KEYS has no keys named keys"):
        Charging(EXCHANGES, {}, 1_800.0)


@given(
    price=prices,
    cur=st.sampled_from(["", "USD", "EUR", "XXX", "${AUCTION_CURRENCY}", "no code"]),
    quantity=st.none() | st.sampled_from(["0.5", "2", "many"]),
    ceiling=st.integers(0, 10**9),
    exchange=st.sampled_from(["plain", "discounts", "encrypts"]),
)
def test_a_signed_price_is_charged_whatever_a_notice_says(
    price: str | None, cur: str, quantity: str | None, ceiling: int, exchange: str
) -> None:
    bid = ref(exchange, ceiling=ceiling, quantity=3.0, currency="USD")
    said = {name: value for name, value in (("price", price), ("cur", cur), ("qty", quantity)) if value is not None}
    assert CHARGING.charge(bid._replace(signed_price=True), said) == Charge(ceiling)
