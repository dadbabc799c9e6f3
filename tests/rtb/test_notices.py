"""Signed tokens: what is read is what was signed, and nothing else is read."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.notices import BidRef, Kind, Signer, TokenError

SECRET = "sixteen letters!"
REF = BidRef(0xAB, 31, 7, 2, 1_500, 1_800_000_000)

u64, u32, u16 = (st.integers(0, 2**bits - 1) for bits in (64, 32, 16))
refs = st.builds(BidRef, u64, u32, u32, u16, u64, u32)
kinds = st.sampled_from(Kind)
MONEY = {Kind.WIN, Kind.BILL, Kind.LOSS}


@pytest.fixture
def signer() -> Signer:
    return Signer(SECRET)


@given(ref=refs, kind=kinds)
def test_a_token_says_what_was_signed_to_any_replica_with_the_secret(ref: BidRef, kind: Kind):
    token = Signer(SECRET).sign(ref, kind)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert Signer(SECRET).read(token, kind) == ref


@given(ref=refs, kind=kinds, place=st.integers(0, 41), flip=st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(ref: BidRef, kind: Kind, place: int, flip: int):
    blob = bytearray(base64.urlsafe_b64decode(Signer(SECRET).sign(ref, kind)))
    blob[place] ^= flip
    with pytest.raises(TokenError):
        Signer(SECRET).read(base64.urlsafe_b64encode(blob).decode(), kind)


@given(ref=refs, kind=kinds, place=st.integers(0, 55), letter=st.sampled_from("AZaz09-_"))
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
    with pytest.raises(TokenError, match="signature"):
        signer.read(Signer("another secret of ours").sign(REF, kind), kind)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("other", Kind)
def test_only_the_notices_of_money_share_a_token(signer: Signer, kind: Kind, other: Kind):
    token = signer.sign(REF, kind)
    if kind == other or {kind, other} <= MONEY:
        assert signer.read(token, other) == REF
    else:
        with pytest.raises(TokenError, match="signature"):
            signer.read(token, other)


@pytest.mark.parametrize("secret", ["", "short", "fifteen letters"])
def test_a_short_secret_is_refused(secret: str):
    with pytest.raises(ValueError, match="16 characters"):
        Signer(secret)


@given(first=refs, second=refs)
def test_bids_have_the_same_id_only_when_lease_and_sequence_are_the_same(first: BidRef, second: BidRef):
    assert (first.bid_id == second.bid_id) == (first[:2] == second[:2])
