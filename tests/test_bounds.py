"""Whatever a caller can send has a bound: every list a length, every integer a range, every text a length."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest

from deployments.api.admin import NewKey
from deployments.api.bids import AuctionResult
from deployments.api.models import Candidate, Rollback
from portfolio.definition import Portfolio
from rtb.campaigns.campaign import Campaign
from rtb.openrtb import BidRequest
from rtb.openrtb.native import Asset, NativeRequest
from rtb.simple_api import FlatBatch, FlatRequest

_BODIES: list[type[msgspec.Struct]] = [
    BidRequest,
    NativeRequest,
    Asset,
    FlatRequest,
    FlatBatch,
    AuctionResult,
    Campaign,
    Portfolio,
    NewKey,
    Candidate,
    Rollback,
]
_HINTS = ("$.device.sua", "$.device.ext.sua")
_FLAGS = {
    *("$.device.ext.atts", "$.device.ext.gpc", "$.regs.gpc", "$.regs.ext.gpc", "$.regs.ext.s22580"),
    *(f"{hints}{place}.gpc" for hints in _HINTS for place in ("", ".ext")),
}
_NATIVE = {"$.imp[].native.request", "$.imp[].native.assets", "$.assets[]"}
_CHECKED_LATER = {*_NATIVE, "$.eventtrackers", *_FLAGS}
"""What is of any type: natives, read as `NativeRequest` and its assets as `Asset`; what is compared to constants."""


def _args(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint)


def _unbounded(hint: Any, path: str, meta: msgspec.Meta | None = None) -> Iterator[str]:
    """Places in a type that take a list, an integer or a text of any size."""
    origin, bounds = typing.get_origin(hint), meta or msgspec.Meta()
    if origin is typing.Annotated:
        inner, *metas = _args(hint)
        yield from _unbounded(inner, path, next(one for one in metas if isinstance(one, msgspec.Meta)))
    elif origin in (types.UnionType, typing.Union):
        for arg in _args(hint):
            yield from _unbounded(arg, path, meta)
    elif origin in (list, tuple):
        fixed = origin is tuple and _args(hint)[-1] is not Ellipsis
        if not fixed and bounds.max_length is None:
            yield f"{path}: a list of any length"
        for arg in _args(hint):
            if arg is not Ellipsis:
                yield from _unbounded(arg, f"{path}[]")
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for name, field in typing.get_type_hints(hint, include_extras=True).items():
            yield from _unbounded(field, f"{path}.{name}")
    else:
        yield from _unbounded_scalar(hint, path, bounds)


def _unbounded_scalar(hint: Any, path: str, bounds: msgspec.Meta) -> Iterator[str]:
    if typing.get_origin(hint) is typing.Literal or hint in (bool, type(None), datetime):
        return
    if hint is int:
        low = bounds.ge if bounds.ge is not None else bounds.gt
        high = bounds.le if bounds.le is not None else bounds.lt
        if low is None or high is None or max(abs(low), abs(high)) >= 2**61 - 1:
            yield f"{path}: an integer of any size"
    elif hint is str:
        pattern = (bounds.pattern or "*").removesuffix(r"(?!\n)")
        if bounds.max_length is None and ("*" in pattern or "+" in pattern or not pattern.endswith(("$", r"\Z"))):
            yield f"{path}: a text of any length"
    elif hint is not float and not (hint is Any and path in _CHECKED_LATER):
        yield f"{path}: {hint} is not known here"


@pytest.mark.parametrize("body", _BODIES, ids=lambda body: body.__name__)
def test_every_list_integer_and_text_of_a_body_has_a_bound(body: type[msgspec.Struct]) -> None:
    assert [*_unbounded(body, "$")] == []


class _Loose(msgspec.Struct):
    numbers: typing.Annotated[list[int], msgspec.Meta(max_length=3)]
    words: list[typing.Annotated[str, msgspec.Meta(max_length=3)]]
    wide: typing.Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    table: dict[str, str] | None = None
    bounded: typing.Annotated[int, msgspec.Meta(ge=0, lt=9)] = 0


def test_what_has_none_is_seen() -> None:
    places = [found.split(":")[0] for found in _unbounded(_Loose, "$")]
    assert places == ["$.numbers[]", "$.words", "$.wide", "$.table"]
