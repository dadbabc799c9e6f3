"""Where lists of sellers are read: the operator's table of them, and one file or URL of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from rtb.runtime import calls
from rtb.sellers.ads_txt import SellersError

_MOST_BYTES = 64 << 20
"""Largest list that is read: those of the largest systems have some ten megabytes."""

_SECONDS = 30.0
_MOST_REDIRECTS = 3
_CHUNK = 1 << 16

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
_Location = Annotated[str, msgspec.Meta(min_length=1, max_length=2_048)]
Locations = dict[_Name, _Location]


class Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The operator's table of lists; each value is the path of a file, or an http or https URL.

    Attributes:
        ads_txt: locations by domain of the site.
        app_ads_txt: locations by id of the app in its store.
        sellers_json: locations by domain of the advertising system.
        refresh_hours: how old a copy of a URL may be.
    """

    ads_txt: Locations = {}
    app_ads_txt: Locations = {}
    sellers_json: Locations = {}
    refresh_hours: Annotated[float, msgspec.Meta(ge=0.1, le=8_760)] = 24.0


def read_sources(text: bytes) -> Sources:
    """Return the table from JSON or YAML.

    Raises:
        SellersError: it is not a valid table; the message says where.
    """
    try:
        return msgspec.yaml.decode(text, type=Sources)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SellersError(" ".join(str(error).split())) from error


def is_url(location: str) -> bool:
    """Return whether a location is a URL, not a file."""
    return location.startswith(("http://", "https://"))


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        OSError: it cannot be read.
        SellersError: it is too large.
    """
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise SellersError(f"it has more than {_MOST_BYTES} bytes")
    return text


def fetch(url: str) -> bytes:
    """Return what a URL that the operator named answers. It may redirect within its own host only.

    So that a publisher's server cannot make this one call another, such as one that only this network reaches.

    Raises:
        SellersError: there is no usable answer.
    """
    until = time.monotonic() + _SECONDS
    for _ in range(1 + _MOST_REDIRECTS):
        try:
            with calls.client(url, timeout=_SECONDS) as client, client.stream("GET", url) as answer:
                if not answer.has_redirect_location:
                    return _body(answer, until)
                target = urljoin(url, answer.headers["location"])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SellersError(f"{type(error).__name__}: {error}") from error
        if not is_url(target) or _host(target) != _host(url):
            raise SellersError(f"it redirects to {target[:200]}, another host")
        url = target
    raise SellersError(f"it redirects more than {_MOST_REDIRECTS} times")


def _body(answer: httpx.Response, until: float) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise SellersError(f"HTTP status {answer.status_code}")
    found = bytearray()
    for chunk in answer.iter_bytes(_CHUNK):
        found += chunk
        if len(found) > _MOST_BYTES:
            raise SellersError(f"it has more than {_MOST_BYTES} bytes")
        if time.monotonic() > until:
            raise SellersError(f"it takes more than {_SECONDS:.0f} s")
    return bytes(found)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower().rstrip(".").removeprefix("www.")
