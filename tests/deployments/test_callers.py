"""Who calls: the key in any of two headers, and the address behind proxies that are trusted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.callers import UNKNOWN, Callers, key_in


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": None if peer is None else (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({b"x-api-key": b"one"}, "one"),
        ({b"authorization": b"Bearer one"}, "one"),
        ({b"authorization": b"bearer  one"}, "one"),
        ({b"authorization": b"Basic one"}, None),
        ({b"authorization": b"Bearer"}, None),
        ({b"x-api-key": b"one", b"authorization": b"Bearer two"}, "one"),
        ({b"x-api-key": b"", b"authorization": b"Bearer two"}, ""),
        ({b"x-api-key": b"\xff"}, "\xff"),
    ],
)
def test_a_key_is_in_one_of_two_headers(headers: dict[bytes, bytes], key: str | None) -> None:
    assert key_in(headers) == key


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["1.1.1.1, 192.0.2.7"], "192.0.2.7"),  # what stands before is anybody's word
        ("10.0.0.1", ["1.1.1.1", "192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::/64"),
        ("10.0.0.1", ["::ffff:192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("192.0.2.1", ["1.1.1.1"], "192.0.2.1"),  # not trusted
        (None, ["1.1.1.1"], UNKNOWN),
    ],
)
def test_the_address_is_what_a_trusted_proxy_saw(peer: str | None, forwarded: list[str], found: str) -> None:
    assert Callers("10.0.0.0/24, 127.0.0.1").group(scope(peer, *forwarded)) == found


def test_nobody_is_trusted_unless_named() -> None:
    assert Callers("").group(scope("127.0.0.1", "1.1.1.1")) == "127.0.0.1"


@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=30), max_size=4), st.text(max_size=20))
def test_nothing_that_is_sent_is_trouble(forwarded: list[str], peer: str) -> None:
    told = {"client": (peer, 1), "headers": [(b"x-forwarded-for", one.encode("latin-1")) for one in forwarded]}
    assert Callers("0.0.0.0/0, ::/0").group(told)
