"""Validity of the request inside `imp.native` by OpenRTB Native 1.2 (section 4)."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from rtb.openrtb.bounds import MOST_ASSETS, MOST_NATIVE_CHARACTERS
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.repair import read_text
from rtb.openrtb.types import Native
from rtb.runtime.caches import memoized

_KINDS = ("title", "img", "video", "data")
_PLACE = "$.imp[...].native.request"


def check_native(native: Native) -> None:
    """Raise `InvalidRequest` for the first rule that a native request breaks.

    The request is JSON in a string, JSON in JSON, an object, or (before 1.0) the slot itself, and may be wrapped in
    `native`. Where no asset has an id they are numbered by position, as Prebid Server does; where only some have
    one, an answer would be ambiguous.
    """
    if isinstance(native.request, str):
        fault = _fault_of(native.request)
    else:
        fault = _fault(native.request if native.request is not None else {"assets": native.assets})
    if fault:
        raise InvalidRequest("bad_native", f"{fault} - at `{_PLACE}`")


@memoized("faults of native requests", 1 << 19)  # placements repeat their requests
def _fault_of(text: str) -> str:
    if len(text) > MOST_NATIVE_CHARACTERS:
        return f"a native request of more than {MOST_NATIVE_CHARACTERS} characters"
    try:
        asked = read_text(text)
        return _fault(read_text(asked) if isinstance(asked, str) else asked)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "a native request that is not JSON"


def _fault(asked: Any) -> str:
    """Return what is wrong with a native request; empty where nothing is."""
    try:
        whole = _object(asked, "a native request that is not an object")
        inner = whole.get("native")
        _check(inner if isinstance(inner, dict) else whole)
    except _Fault as fault:
        return str(fault)
    return ""


class _Fault(Exception):
    """A broken rule; the message says which."""


def _check(asked: dict[str, Any]) -> None:
    assets = _list(asked.get("assets"))
    if not assets:
        _fail("no assets are asked for")
    for asset in assets:
        _check_asset(_object(asset, "an asset that is not an object"))
    ids = [asset["id"] for asset in assets if "id" in asset]
    if not all(isinstance(one, int | float | str) for one in ids):
        _fail("an asset whose id is not a number")
    if ids and (len(ids) < len(assets) or len({str(one) for one in ids}) < len(ids)):
        _fail("assets that share an id or lack one")
    for tracker in _list(asked.get("eventtrackers")):
        said = _object(tracker, "an event tracker that is not an object")
        if _whole(said.get("event")) is None or not _list(said.get("methods")):
            _fail("an event tracker without event or methods")


def _check_asset(asset: dict[str, Any]) -> None:
    kinds = [kind for kind in _KINDS if asset.get(kind) is not None]
    if len(kinds) != 1:
        _fail("an asset of no kind, or of several")
    (kind,) = kinds
    _CHECKS[kind](_object(asset[kind], f"`{kind}` that is not an object"))


def _check_title(title: dict[str, Any]) -> None:
    if not _whole(title.get("len")):  # a negative one, as some write it, means no limit
        _fail("a title without len")


def _check_image(image: dict[str, Any]) -> None:
    for name in ("w", "h", "wmin", "hmin"):
        if (_whole(image.get(name)) or 0) < 0:
            _fail(f"an image of negative {name}")


def _check_data(data: dict[str, Any]) -> None:
    if _whole(data.get("type")) is None:
        _fail("data without type")


def _check_video(video: dict[str, Any]) -> None:
    for name in ("mimes", "protocols"):
        if not _list(video.get(name)):
            _fail(f"a video without {name}")
    for name in ("minduration", "maxduration"):
        seconds = _whole(video.get(name))
        if seconds is None or seconds < 0:
            _fail(f"a video without {name}, or with a negative one")


_CHECKS = {"title": _check_title, "img": _check_image, "data": _check_data, "video": _check_video}


def _object(value: Any, otherwise: str) -> dict[str, Any]:
    return value if isinstance(value, dict) else _fail(otherwise)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [] if value in (None, "") else [value]
    return value if len(value) <= MOST_ASSETS else _fail(f"a list of more than {MOST_ASSETS} entries")


def _whole(value: Any) -> float | None:
    """Return a number, also from a string; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _fail(message: str) -> NoReturn:
    raise _Fault(message)
