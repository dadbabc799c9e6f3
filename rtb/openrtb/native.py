"""The request inside `imp.native`: OpenRTB Native 1.0 to 1.2, in a string or as an object, wrapped or not."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from rtb.openrtb.codec import fitted
from rtb.openrtb.invalid import InvalidRequest


class Title(Struct):
    """Native 4.3: a headline of at most `len` characters."""

    len: int | None = None


class Img(Struct):
    """Native 4.4: a picture."""

    type: int | None = None
    w: int | None = None
    wmin: int | None = None
    h: int | None = None
    hmin: int | None = None
    mimes: list[str] | None = None


class NativeVideo(Struct):
    """Native 4.5: a video."""

    mimes: list[str] | None = None
    minduration: int | None = None
    maxduration: int | None = None
    protocols: list[int] | None = None


class Data(Struct):
    """Native 4.6: a text of some type."""

    type: int | None = None
    len: int | None = None


class Asset(Struct):
    """Native 4.2: one part of the ad."""

    id: int | None = None
    required: int = 0
    title: Title | None = None
    img: Img | None = None
    video: NativeVideo | None = None
    data: Data | None = None


class NativeRequest(Struct):
    """Native 4.1: what an ad is to be made of. `assets` are read one by one, see `read_asset`."""

    ver: str | None = None
    context: int | None = None
    contextsubtype: int | None = None
    plcmttype: int | None = None
    plcmtcnt: int | None = None
    seq: int | None = None
    assets: list[Any] | None = None
    aurlsupport: int | None = None
    durlsupport: int | None = None
    privacy: int | None = None


class ReadRequest(Struct, frozen=True):
    """A native request that was found.

    Attributes:
        request: what it asks for.
        wrapped: whether it stood under a key `native`, as in 1.0, and the answer is to stand there too.
    """

    request: NativeRequest
    wrapped: bool


def read_native(sent: Any) -> ReadRequest | None:
    """What a native request asks for; none where it cannot be read, so that nothing can answer it.

    Args:
        sent: JSON in a string, twice in one at worst, or the object itself.
    """
    try:
        for _ in range(2):
            sent = msgspec.json.decode(sent) if isinstance(sent, str) else sent
        wrapped = isinstance(sent, dict) and isinstance(sent.get("native"), dict)
        return ReadRequest(fitted(sent["native"] if wrapped else sent, NativeRequest), wrapped)
    except (InvalidRequest, msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def read_asset(value: Any) -> Asset | None:
    """An asset; none where it cannot be read."""
    try:
        return fitted(value, Asset)
    except InvalidRequest:
        return None
