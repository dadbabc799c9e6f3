"""Encrypted prices: the published examples, and that nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.settlement.encrypted_prices import EncryptedPriceError, PriceKeys, read_price_keys
from tests.rtb.settlement.prices import encrypted

ENCRYPTION, INTEGRITY = "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=", "arO23ykdNqUQ5LEoQ0FVmPkBd7xB5CO89PDZlSjpFxo="
PUBLISHED = read_price_keys(f"google:{ENCRYPTION}:{INTEGRITY}")["google"]
OTHER = PriceKeys(b"e" * 32, b"i" * 32)
messages = st.builds(encrypted, st.just(PUBLISHED), st.integers(0, 2**64 - 1), st.floats(0, 2**32 - 1))


@pytest.mark.parametrize(
    ("message", "micros"),
    # developers.google.com/authorized-buyers/rtb/response-guide/decrypt-price, "Encrypted price examples"
    [
        ("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCce_6msaw", 100),
        ("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCAWJRxOgA", 1_900),
        ("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemC32prpWWw", 2_700),
    ],
)
def test_the_published_examples_are_read(message: str, micros: int):
    price = PUBLISHED.decrypt(message)
    assert price.micros == micros
    assert price.at == int.from_bytes(b"abc1", "big")  # the examples begin with letters
    with pytest.raises(EncryptedPriceError):
        OTHER.decrypt(message)


@given(micros=st.integers(0, 2**64 - 1), at=st.floats(0, 2**32 - 1))
def test_what_is_read_is_what_was_encrypted(micros: int, at: float):
    price = OTHER.decrypt(encrypted(OTHER, micros, at))
    assert price.micros == micros
    assert price.at == int(at)


@given(message=messages, place=st.integers(0, 36), letter=st.sampled_from("AZaz09-_"))
def test_a_message_with_a_letter_changed_is_refused(message: str, place: int, letter: str):
    changed = message[:place] + letter + message[place + 1 :]
    if changed != message:
        with pytest.raises(EncryptedPriceError):
            PUBLISHED.decrypt(changed)


@pytest.mark.parametrize("change", ["{}=", "{}==", " {}", "{}\n", "{}A", "A{}", "{}\u00e9", "{:.37}", "", "+/{:.36}"])
def test_a_message_is_spelt_in_one_way(change: str):
    with pytest.raises(EncryptedPriceError):
        PUBLISHED.decrypt(change.format("YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCce_6msaw"))


def test_keys_are_read_in_hex_and_base64_with_or_without_padding():
    bare = ENCRYPTION.rstrip("=")
    keys = read_price_keys(f" a:{ENCRYPTION}:{INTEGRITY}, b:{bare}:{PUBLISHED.integrity.hex()} ,")
    assert keys == {"a": PUBLISHED, "b": PUBLISHED}
    assert read_price_keys("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a:b",
        f"a:{ENCRYPTION}",
        f"a:{ENCRYPTION}:short",
        f":{ENCRYPTION}:{INTEGRITY}",
        f"a:{'g' * 64}:{INTEGRITY}",
        f"a:{ENCRYPTION}:{INTEGRITY}:",
        f"a:{ENCRYPTION}:{INTEGRITY},a:{ENCRYPTION}:{INTEGRITY}",
    ],
)
def test_what_is_no_keys_is_refused_and_not_repeated(text: str):
    with pytest.raises(EncryptedPriceError) as refused:
        read_price_keys(text)
    assert ENCRYPTION not in str(refused.value)
