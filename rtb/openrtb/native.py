"""The request inside `imp.native`: OpenRTB Native 1.0 to 1.2, in a string or as an object, wrapped or not."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from rtb.openrtb.codec import InvalidRequest, fitted
from rtb.openrtb.types import Native

_LONGEST_REMEMBERED = 1 << 13


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


class EventTracker(Struct):
    """Native 4.7: an event that can be tracked, and how."""

    event: int | None = None
    methods: list[int] | None = None


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


def read_native(native: Native) -> ReadRequest | None:
    """What an imp's native object asks for; none where that cannot be read, so that nothing can answer it."""
    sent = native.request
    if isinstance(sent, str):
        return _remembered(sent) if len(sent) <= _LONGEST_REMEMBERED else _read_text(sent)
    if sent is None and native.assets is not None:  # from before there was a `request`
        sent = {"assets": native.assets}
    return _read(sent)


def read_asset(value: Any) -> Asset | None:
    """An asset; none where it cannot be read."""
    try:
        return fitted(value, Asset)
    except InvalidRequest:
        return None


def _read_text(text: str) -> ReadRequest | None:
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, str):  # encoded twice
            value = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return _read(value)


_remembered = lru_cache(maxsize=1 << 12)(_read_text)
"""A placement asks for the same assets each time."""


def _read(value: Any) -> ReadRequest | None:
    wrapped = isinstance(value, dict) and isinstance(value.get("native"), dict)
    try:
        return ReadRequest(fitted(value["native"] if wrapped else value, NativeRequest), wrapped)
    except InvalidRequest:
        return None
