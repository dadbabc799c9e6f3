"""Cells mean the same however a program spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.tables import BadLine, flag, identifier, is_absent, whole


@given(st.integers(-(10**12), 10**12), st.sampled_from(["", ".", ".0", ".00"]), st.sampled_from(["", " ", "\t"]))
def test_whole_numbers_are_read_with_and_without_zeros(number: int, zeros: str, blank: str):
    assert whole(f"{blank}{number}{zeros}{blank}", "x", -(10**12), 10**12) == number


@given(st.text(max_size=12))
def test_any_text_is_a_number_in_its_range_or_refused(text: str):
    try:
        assert 0 <= whole(text, "x", 0, 300) <= 300
    except BadLine as error:
        assert str(error).startswith("x is ")
        assert str(error).isprintable()


@pytest.mark.parametrize(
    "text", ["", "nan", "0.5", "-1", "301", "1e2", "1,000", "1 000", "²", "٣", "0x10", "1_0", "--1", "9" * 5_000, "inf"]
)
def test_what_is_no_whole_number_of_the_range_is_refused(text: str):
    with pytest.raises(BadLine, match="not a whole number from 0 to 300"):
        whole(text, "x", 0, 300)


@pytest.mark.parametrize(
    "text", ["", " ", "null", "Null", "NULL", "NaN", "nan", "None", "Na", "NA", "N/A", "<NA>", r"\N"]
)
def test_absent_values_are_absent_in_every_spelling(text: str):
    assert is_absent(text)
    assert identifier(text) == ""


@pytest.mark.parametrize(
    ("text", "same"),
    [("2997", "2997"), ("2997.0", "2997"), (" a ", "a"), ("1.5", "1.5"), (".0", ".0"), ("v1.0", "v1.0")],
)
def test_an_id_stays_what_it_was(text: str, same: str):
    assert identifier(text) == same


def test_flags():
    assert [flag(text, "x") for text in ("0", "1.0", " True", "FALSE")] == [0, 1, 1, 0]
    for text in ("2", "", "yes", "0.5", "nan"):
        with pytest.raises(BadLine, match="x is"):
            flag(text, "x")
