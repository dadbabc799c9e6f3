"""Tokens: what is read is what was written, and nothing else is read."""

from __future__ import annotations

import base64
import re
import string
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.runtime.notice_times import NoticeTimes
from rtb.settlement.notice_tokens import BidRef, Kind, Signer, TokenError, creative_number

SECRET = "sixteen letters!"
REF = BidRef(0xAB, 31, 7, 2, 1_500, 1_800_000_000)

u64, u32, u16 = (st.integers(0, 2**bits - 1) for bits in (64, 32, 16))
rates = st.just(1.0) | st.floats(1e-9, 1e9)
money = (u64, u32, u64, rates, u32, u64, u32, st.booleans(), st.booleans())
later = (st.sampled_from(["", "USD", "EUR"]), u32, rates, st.just(""))
refs = st.builds(BidRef, u64, u32, u32, u64, *money, *later)
kinds = st.sampled_from(Kind)


@pytest.fixture
def signer() -> Signer:
    return Signer(SECRET)


@given(ref=refs, kind=kinds)
def test_a_token_says_what_was_signed_to_any_replica_with_the_secret(ref: BidRef, kind: Kind):
    token = Signer(SECRET).sign(ref, kind)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert Signer(SECRET).read(token, kind) == ref


@given(ref=refs, kind=kinds, landing=st.text(max_size=255))
def test_the_token_of_a_click_alone_holds_the_landing_page(ref: BidRef, kind: Kind, landing: str):
    held = Signer(SECRET).read(Signer(SECRET).sign(ref._replace(landing=landing), kind), kind)
    assert held == ref._replace(landing=landing if kind is Kind.CLICK else "")


FORMER_REF = BidRef(0xAB, 31, 7, 2, 1_500, 1_800_000_000, 77, 1.0, 5, 300, 9, True, True)
FORMER = [
    (Kind.BILL, 1.0, "b5mpvBw7fZNiDacsf58stwnhBa1FogBxVu9DuFgn0qX_4Fww9zZqkOt3j7X6m-BzNKvdSIDQoU9XQ16WF-ulRTwNnZjvxmY"),
    (
        Kind.CLICK,
        1.0,
        "Q_dk5ZgO7_vawOGk4VqkxreBdmZqFq-R3lwRK8AtVUb3vJHuhw8TDr3Wlxyt-TLz3IajEGtr6z6wBQM2bkOkl7B5Gxr42Q4",
    ),
    (
        Kind.BILL,
        0.92,
        "r2xAjBIoE48BXaW2LwnYA3TI92avfjwakBHdjPfuHbgCwyJvSgUu2djqBnduWoH6jLSeQsdur7_FEvbVs2SP4GZSeIrWYHXWI03p1hccKw",
    ),
    (
        Kind.CLICK,
        0.92,
        "9_wauzkFLV8ZZh1GKml-9i5OGSXaGqiePVegrm7uTxtfTmXZUw3Qo7pl8zf2eAVlNj8LANY9WCs6uorrLOOFFMhMRVGk7_hKr3iRLiRkEQ",
    ),
]
"""Tokens of the layout before version 2, as they are still underway after an upgrade."""


@pytest.mark.parametrize(("kind", "rate", "token"), FORMER)
def test_a_token_of_the_former_layout_is_still_read(kind: Kind, rate: float, token: str):
    assert Signer(SECRET).read(token, kind) == FORMER_REF._replace(rate=rate)


@given(names=st.lists(st.text(min_size=1, max_size=64), min_size=2, max_size=64, unique=True))
def test_creatives_have_numbers_of_their_own_that_are_no_index(names: list[str]):
    numbers = {creative_number(name) for name in names}
    assert len(numbers) == len(names)
    assert all(64 <= number < 2**64 for number in numbers)


@given(ref=refs, kind=kinds, place=st.integers(0, 70), flip=st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(ref: BidRef, kind: Kind, place: int, flip: int):
    token = Signer(SECRET).sign(ref, kind)
    blob = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    blob[place] ^= flip
    with pytest.raises(TokenError):
        Signer(SECRET).read(base64.urlsafe_b64encode(blob).decode(), kind)


@given(ref=refs, kind=kinds, place=st.integers(0, 94), letter=st.sampled_from("AZaz09-_"))
def test_a_token_with_any_letter_changed_is_refused(ref: BidRef, kind: Kind, place: int, letter: str):
    token = Signer(SECRET).sign(ref, kind)
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(TokenError):
            Signer(SECRET).read(changed, kind)


@given(token=st.text(max_size=80), kind=kinds)
def test_what_is_no_token_is_refused(token: str, kind: Kind):
    with pytest.raises(TokenError):
        Signer(SECRET).read(token, kind)


@given(ref=refs, kind=kinds)
def test_a_cut_or_lengthened_token_is_refused(ref: BidRef, kind: Kind):
    token = Signer(SECRET).sign(ref, kind)
    for other in (token[:-1], token[:-4], token[4:], token + "AAAA", token * 2):
        with pytest.raises(TokenError):
            Signer(SECRET).read(other, kind)


@pytest.mark.parametrize("kind", Kind)
def test_a_token_of_another_secret_is_refused(signer: Signer, kind: Kind):
    with pytest.raises(TokenError, match="made here"):
        signer.read(Signer("another secret of ours").sign(REF, kind), kind)


@pytest.mark.parametrize(("kind", "other"), list(permutations(Kind, 2)))
def test_each_kind_of_notice_has_a_token_of_its_own(signer: Signer, kind: Kind, other: Kind):
    token = signer.sign(REF, kind)
    assert token != signer.sign(REF, other)
    with pytest.raises(TokenError):
        signer.read(token, other)


@given(ref=refs)
def test_tokens_made_together_are_those_made_one_by_one(ref: BidRef):
    signer = Signer(SECRET)
    assert signer.sign_all(ref, Kind) == [signer.sign(ref, kind) for kind in Kind]


@given(ref=refs, other=refs)
def test_who_sees_a_token_sees_nothing_of_the_bid(ref: BidRef, other: BidRef):
    signer = Signer(SECRET)
    blobs = [base64.urlsafe_b64decode(signer.sign(one, Kind.CLICK) + "==") for one in (ref, other)]
    for number in (ref.ceiling_micros, ref.user):
        assert number < 2**24 or number.to_bytes(8, "big") not in blobs[0]
    assert (blobs[0][:16] == blobs[1][:16]) == (ref == other)


@given(
    ref=refs,
    kind=kinds,
    place=st.integers(0, 94),
    junk=st.sampled_from([" ", "\n", "\t", "=", ".", "%", "+", "/", "\0"]),
)
def test_a_token_is_spelt_in_one_way(ref: BidRef, kind: Kind, place: int, junk: str):
    token = Signer(SECRET).sign(ref, kind)
    others = [
        token[:place] + junk + token[place:],
        token + "=",
        token + "==",
        token.replace("-", "+").replace("_", "/"),
    ]
    others += [token[:-1] + letter for letter in string.ascii_letters]  # bits of the last letter may mean nothing
    for other in set(others) - {token}:
        with pytest.raises(TokenError):
            Signer(SECRET).read(other, kind)


@given(ref=refs, kind=kinds, secrets=st.lists(st.integers(0, 99), min_size=2, max_size=6, unique=True))
def test_a_changed_secret_reads_the_tokens_of_those_before_it(ref: BidRef, kind: Kind, secrets: list[int]):
    first, *others = (f"a secret with number {number}" for number in secrets)
    signer = Signer(first, *others)
    assert signer.sign(ref, kind) == Signer(first).sign(ref, kind)
    for other in others:
        assert signer.read(Signer(other).sign(ref, kind), kind) == ref
    with pytest.raises(TokenError):
        signer.read(Signer("one that it was not given").sign(ref, kind), kind)


@pytest.mark.parametrize(
    ("inventory", "form", "seconds"),
    [("site", {}, 60), ("", {}, 60), ("app", {}, 300), ("site", {"native": True}, 600)]
    + [(inventory, {"interstitial": True, "native": True}, 1_800) for inventory in ("site", "app", "dooh")]
    + [
        ("dooh", {"shown_in": 14_400.0}, 14_700),
        ("dooh", {"shown_in": -5.0}, 300),
        ("app", {"shown_in": 14_400.0}, 300),
    ]
    + [("dooh", {"shown_in": 1e9}, 86_700), ("dooh", {"shown_in": 60.0, "interstitial": True}, 1_860)],
)
def test_notices_are_honoured_as_long_as_what_is_sold_may_take(inventory: str, form: dict[str, Any], seconds: int):
    assert NoticeTimes().of(inventory, **form) == seconds <= NoticeTimes().longest


@pytest.mark.parametrize("secret", ["", "short", "fifteen letters"])
def test_a_short_secret_is_refused(secret: str):
    with pytest.raises(ValueError, match="16 characters"):
        Signer(secret)
    with pytest.raises(ValueError, match="16 characters"):
        Signer(SECRET, secret)


@given(first=refs, second=refs)
def test_bids_have_the_same_id_only_when_lease_and_sequence_are_the_same(first: BidRef, second: BidRef):
    assert (first.bid_id == second.bid_id) == (first[:2] == second[:2])


@pytest.mark.parametrize("kind", Kind)
def test_whether_the_price_is_signed_travels_in_the_token(kind: Kind) -> None:
    signer = Signer("a secret of the tests, and long")
    bid = BidRef(7, 1, 3, 4, 2_000, 1_800_000_000, rate=0.5, currency="EUR", made=1_799_999_000, quantity=2.5)
    for signed in (False, True):
        assert signer.read(signer.sign(bid._replace(signed_price=signed), kind), kind).signed_price is signed
