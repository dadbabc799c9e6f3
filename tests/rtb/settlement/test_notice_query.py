"""Parameters of notice URLs: none of the usual rewriting loses them."""

from __future__ import annotations

import html
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.settlement.notice_query import read_query, split_token, value_of

SAID = {"price": "1.5", "cur": "USD", "qty": "30.3", "min": "1.25"}
PLAIN = urlencode(SAID)


@pytest.mark.parametrize(
    "query",
    [
        PLAIN,
        html.escape(PLAIN),
        html.escape(html.escape(PLAIN)),
        PLAIN.replace("&", "&#38;"),
        PLAIN.replace("&", "&#x26;"),
        PLAIN.replace("&", "%26"),
        PLAIN.replace("&", "%26amp%3B"),
        PLAIN.replace("&", "%2526"),
        PLAIN.replace("&", ";"),
        quote(PLAIN),
        quote(quote(PLAIN)),
        "&" + PLAIN + "&",
        PLAIN + "?cb=123",
        PLAIN + "&price=9&cur=EUR",
        "cb=1&amp;" + PLAIN,
    ],
)
def test_a_rewritten_query_says_the_same(query: str):
    found = read_query(query.encode())
    assert {name: found[name] for name in SAID} == SAID


@pytest.mark.parametrize(("query", "price"), [(b"price=1.5&mi", "1.5"), (b"price=1.", "1."), (b"pri", None)])
def test_what_was_not_cut_is_read(query: bytes, price: str | None):
    assert read_query(query).get("price") == price


@pytest.mark.parametrize(
    ("path", "token", "query"),
    [
        ("tok-en_", "tok-en_", ""),
        ("tok-en_?price=1", "tok-en_", "price=1"),
        ("tok-en_&price=1", "tok-en_", "price=1"),
        ("tok-en_&amp;price=1", "tok-en_", "price=1"),
        ("tok-en_;price=1", "tok-en_", "price=1"),
        ("tok/en?a", "tok/en", "a"),
    ],
)
def test_a_question_mark_in_the_path_ends_the_token(path: str, token: str, query: str):
    assert split_token(path) == (token, query)


def test_a_value_is_none_where_its_macro_was_left_or_emptied():
    query = {"cur": "${AUCTION_CURRENCY}", "qty": " ", "min": " 1.5 "}
    assert [value_of(query, name) for name in ("cur", "qty", "min", "price")] == [None, None, "1.5", None]


@given(st.binary())
def test_any_query_is_read(query: bytes):
    assert all(isinstance(value, str) for value in read_query(query).values())


@given(st.dictionaries(st.text("abc", min_size=1), st.text("0123456789.eE+- USDabc=", min_size=1)))
def test_a_query_is_read_as_it_was_written(said: dict[str, str]):
    assert read_query(urlencode(said).encode()) == said
