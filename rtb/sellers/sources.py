"""Where lists of sellers are read: the operator's table of them, and one file or URL of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from rtb.runtime import downloads
from rtb.sellers.ads_txt import SellersError

_MOST_BYTES = 64 << 20
"""Largest list that is read: those of the largest systems have some ten megabytes."""

_SECONDS = 30.0

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
    """Return what a URL that the operator named answers: see `rtb.runtime.downloads.fetch`.

    Raises:
        SellersError: there is no usable answer.
    """
    try:
        return downloads.fetch(url, most_bytes=_MOST_BYTES, seconds=_SECONDS)
    except downloads.DownloadError as error:
        raise SellersError(str(error)) from error
