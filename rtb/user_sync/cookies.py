"""The cookies that keep an id in a browser.

There are two, as a browser that blocks third-party cookies takes a partitioned one, which it keeps by the site of the
page: an id in it holds caps on that site. `__Host-` binds both to our host: no other host of the domain can set them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

SHARED, PARTITIONED = "__Host-raybid-uid", "__Host-raybid-site-uid"

KEPT_SECONDS = 180 * 86_400
"""Seconds that a cookie lives from when its id was made; a later sync does not prolong it."""

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=None"

_BLOCKED = (b"none", b"inactive")
_ALLOWED = b"active"


class SentCookies(NamedTuple):
    """The values of our cookies that a browser sent, in the order of their preference, and their names."""

    values: tuple[str, ...]
    names: frozenset[str]


def sent_cookies(headers: Iterable[bytes]) -> SentCookies:
    """Return what the `Cookie` headers of a request have of ours; other cookies of the host are passed over."""
    pairs = list(_pairs(headers))
    ordered = sorted(pairs, key=lambda pair: pair[0] != SHARED)
    return SentCookies(tuple(value for _, value in ordered), frozenset(name for name, _ in pairs))


def names_for(storage_access: bytes) -> frozenset[str]:
    """Return the names of the cookies to set.

    Args:
        storage_access: header `Sec-Fetch-Storage-Access`, by which a browser says whether it takes third-party
            cookies; empty: it does not say, and keeps what it takes of both.
    """
    if storage_access == _ALLOWED:
        return frozenset({SHARED})
    if storage_access in _BLOCKED:
        return frozenset({PARTITIONED})
    return frozenset({SHARED, PARTITIONED})


def setting(names: Iterable[str], id: str) -> tuple[str, ...]:
    """Return `Set-Cookie` headers that keep an id."""
    return tuple(_header(name, id, KEPT_SECONDS) for name in sorted(names))


def removing(names: Iterable[str]) -> tuple[str, ...]:
    """Return `Set-Cookie` headers that remove cookies."""
    return tuple(_header(name, "", 0) for name in sorted(names))


def _header(name: str, value: str, seconds: int) -> str:
    partitioned = "; Partitioned" if name == PARTITIONED else ""
    return f"{name}={value}; Max-Age={seconds}; {_ATTRIBUTES}{partitioned}"


def _pairs(headers: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for header in headers:
        for part in header.decode("latin-1").split(";"):
            name, _, value = part.strip(" \t").partition("=")
            if name in (SHARED, PARTITIONED):
                yield name, value
