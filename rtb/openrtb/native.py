"""The request inside `imp.native`: OpenRTB Native 1.0 to 1.2, in a string or as an object, wrapped or not."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from rtb.openrtb.bounds import MOST_ASSETS, Codes, Id, Int, Mimes
from rtb.openrtb.codec import coerce
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.repair import read_text


class Title(Struct):
    """Native 4.3: a headline of at most `len` characters."""

    len: Int | None = None


class Img(Struct):
    """Native 4.4: an image."""

    type: Int | None = None
    w: Int | None = None
    wmin: Int | None = None
    h: Int | None = None
    hmin: Int | None = None
    mimes: Mimes | None = None


class NativeVideo(Struct):
    """Native 4.5: a video."""

    mimes: Mimes | None = None
    minduration: Int | None = None
    maxduration: Int | None = None
    protocols: Codes | None = None


class NativeData(Struct):
    """Native 4.6: a text of some type."""

    type: Int | None = None
    len: Int | None = None


class Asset(Struct):
    """Native 4.2: one part of the ad."""

    id: Int | None = None
    required: Int = 0
    title: Title | None = None
    img: Img | None = None
    video: NativeVideo | None = None
    data: NativeData | None = None


class NativeRequest(Struct):
    """Native 4.1: the parts that an ad needs. `assets` are read one by one, see `read_asset`; trackers are kept."""

    ver: Id | None = None
    assets: Annotated[list[Any], Meta(max_length=MOST_ASSETS)] | None = None
    eventtrackers: Any = None


class ReadRequest(Struct, frozen=True):
    """A decoded native request.

    Attributes:
        request: the request itself.
        wrapped: whether it stood under a key `native`, as in 1.0, where the answer must stand too.
    """

    request: NativeRequest
    wrapped: bool


def read_native(sent: Any) -> ReadRequest | None:
    """Return a native request; `None` where it cannot be read, so that nothing can answer it.

    Args:
        sent: JSON in a string, possibly encoded twice, or the object itself.
    """
    try:
        for _ in range(2):
            sent = read_text(sent) if isinstance(sent, str) else sent
        wrapped = isinstance(sent, dict) and isinstance(sent.get("native"), dict)
        return ReadRequest(coerce(sent["native"] if wrapped else sent, NativeRequest), wrapped)
    except (InvalidRequest, msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def read_asset(value: Any) -> Asset | None:
    """Return an asset; `None` where it cannot be read."""
    try:
        return coerce(value, Asset)
    except InvalidRequest:
        return None
