"""Gzip: what comes out is what went in, and no more than is allowed, however it is packed."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.gzip_coding import BadGzip, GzipTooLarge, accepts_gzip, deflate, inflate

LIMIT = 100_000


@given(st.lists(st.binary(max_size=2_000), min_size=1, max_size=8))
def test_one_member_or_a_few_are_unpacked(parts: list[bytes]) -> None:
    assert inflate(b"".join(gzip.compress(part) for part in parts), LIMIT) == b"".join(parts)


@given(st.binary(max_size=5_000))
def test_what_is_packed_anybody_can_unpack(body: bytes) -> None:
    assert gzip.decompress(deflate(body)) == body


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_as_much_as_is_allowed_is_unpacked(size: int) -> None:
    assert len(inflate(gzip.compress(b"x" * size), LIMIT)) == size


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = gzip.compress(b"x" * 100_000_000, 1)
    tracemalloc.start()
    with pytest.raises(GzipTooLarge):
        inflate(bomb, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * LIMIT + len(bomb)


def test_a_bomb_of_many_members_is_refused() -> None:
    with pytest.raises(GzipTooLarge):
        inflate(gzip.compress(b"x" * 30_000) * 5, LIMIT)
    with pytest.raises(BadGzip, match="members"):
        inflate(gzip.compress(b"") * 40_000, LIMIT)


WHOLE = gzip.compress(b'{"id": "request"}' * 50)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", WHOLE[:-1], WHOLE[:12], WHOLE[:30] + b"\0\0" + WHOLE[32:], WHOLE + b"{}", zlib.compress(b"x")],
    ids=["empty", "plain", "no end", "head only", "damaged", "trailer", "deflate"],
)
def test_what_is_no_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BadGzip):
        inflate(body, LIMIT)


@given(st.binary(max_size=300), st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_damage_is_refused_or_harmless(body: bytes, at: int, put: bytes) -> None:
    packed = gzip.compress(body)
    damaged = packed[:at] + put + packed[at + len(put) :]
    try:
        found = inflate(damaged, LIMIT)
    except (BadGzip, GzipTooLarge):
        return
    assert found == body  # the damage was in what does not count, such as the time in the header


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        (b"gzip", True),
        (b"GZIP", True),
        (b"deflate, gzip;q=1.0, *;q=0.5", True),
        (b"br , gzip ; q=0.001", True),
        (b"*", True),
        (b"", False),
        (b"identity", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"*, gzip;q=0", False),
        (b"br, deflate", False),
        (b"gzipped", False),
        (b";;;,,=q", False),
    ],
)
def test_who_asks_for_gzip_is_understood(header: bytes, asked: bool) -> None:
    assert accepts_gzip(header) is asked
