"""The codec: bytes to requests, and responses to bytes.

A well-formed request takes the fast path: one typed decode. What exchanges really send is often untidy
(`"secure": "1"`, `"bcat": [7]`, `"battr": null`, `"user": {"yob": ""}`, `"regs": []`), so a request that fails the
typed decode is decoded once more without types, tidied by the types' own annotations, and converted. So is JSON that
needs repair first (`repair`).
"""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from rtb.openrtb.bounds import MOST_EXPONENTS, MOST_VALUES, read_json
from rtb.openrtb.field_plans import Field, is_within, plan_of, wanted_of
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.repair import UNREADABLE, repaired
from rtb.openrtb.response import BidResponse
from rtb.openrtb.types import DESCRIPTIVE, VERBATIM, Audio, Banner, BidRequest, Imp, Native, Video
from rtb.openrtb.validity import validate

_decoder = msgspec.json.Decoder(BidRequest, strict=False, float_hook=float)
_encoder = msgspec.json.Encoder()

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_FORMATS: dict[str, type[msgspec.Struct]] = {"banner": Banner, "video": Video, "audio": Audio, "native": Native}

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number in a string: what Python's `float` takes besides, such as `1_000`, no other reader takes."""

_SHORT = 2 * MOST_EXPONENTS
"""Bytes that hold neither as many values nor as many exponents as are too many."""
_SEPARATORS = re.compile(r"[,;|\s]+")
"""What stands between numbers in a string."""

_ABSENT = object()
"""Marker of an absent value: null, or an empty string for a number, a list or an object."""


class _Untidy(Exception):
    """A value that cannot be coerced to the type of its field."""


class _Beyond(_Untidy):
    """A value beyond a bound, which is refused wherever it is."""


def decode_request(body: bytes) -> BidRequest:
    """Return a validated request from JSON.

    Raises:
        InvalidRequest: the body is not JSON, ill-typed beyond coercion, beyond a bound (`bounds`), or breaks a rule of
            the specification (`validity`).
    """
    if len(body) > _SHORT:
        _check_values(body)
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError:
        request = _decode_untidy(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        mended = None if isinstance(error, RecursionError) else repaired(body)
        if mended is None:
            raise InvalidRequest("not_json", f"the body is not JSON: {error}") from error
        request = _decode_untidy(mended)
    validate(request)
    return request


def _check_values(body: bytes) -> None:
    if body.count(b",") > MOST_VALUES:
        raise InvalidRequest("too_many", f"the request holds more than {MOST_VALUES} values")
    if body.count(b"e-") + body.count(b"E-") > MOST_EXPONENTS:
        raise InvalidRequest("too_many", f"the request holds more than {MOST_EXPONENTS} exponents")


def coerce(value: Any, struct: type[_Struct]) -> _Struct:
    """Return a decoded JSON value as an object of the specification, coerced to its types.

    Raises:
        InvalidRequest: the value is ill-typed beyond coercion.
    """
    try:
        return _converted(value, struct)
    except (_Untidy, msgspec.ValidationError) as error:
        raise InvalidRequest("wrong_type", str(error)) from error
    except RecursionError as error:
        raise InvalidRequest("not_json", "nested too deeply") from error


def coerce_request(raw: Any) -> BidRequest:
    """Return a decoded JSON value as a request, coerced to its types, with imps and formats emptied that cannot be.

    Raises:
        InvalidRequest: the value is ill-typed beyond coercion elsewhere, beyond a bound, or no imp is left.
    """
    try:
        try:
            return _converted(raw, BidRequest)
        except (_Untidy, msgspec.ValidationError) as error:
            kept = None if isinstance(error, _Beyond) else _without_bad_imps(raw)
            if kept is None:
                raise
        return _converted(kept, BidRequest)
    except (_Untidy, msgspec.ValidationError) as error:
        raise InvalidRequest("wrong_type", str(error)) from error
    except RecursionError as error:
        raise InvalidRequest("not_json", "nested too deeply") from error


def encode_response(response: BidResponse) -> bytes:
    """Return the JSON of a response, without absent fields."""
    return _encoder.encode(response)


def _decode_untidy(body: bytes) -> BidRequest:
    try:
        raw = _read_untyped(body)
    except RecursionError as error:
        raise InvalidRequest("not_json", "the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest("not_json", f"the body is not JSON: {error}") from error
    return coerce_request(raw)


def _converted(value: Any, struct: type[_Struct]) -> _Struct:
    return msgspec.convert(_tidy_struct(value, struct, "$"), struct, strict=False)


def _without_bad_imps(raw: Any) -> dict[str, Any] | None:
    """Return a request whose imps and formats that cannot be coerced are emptied; `None` where no other is left.

    As `rtb.openrtb.validity` does with those that break a rule.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("imp"), list):
        return None
    imps = [_coercible(imp) for imp in raw["imp"] if isinstance(imp, dict) and _can_be({"id": imp.get("id")}, Imp)]
    return {**raw, "imp": imps} if any(imp.keys() & _FORMATS.keys() for imp in imps) else None


def _coercible(imp: dict[str, Any]) -> dict[str, Any]:
    """Return an imp with formats emptied that cannot be coerced; without any where it cannot be itself."""
    if _can_be(imp, Imp):
        return imp
    offered = {name: struct for name, struct in _FORMATS.items() if imp.get(name) is not None}
    bad = [name for name, struct in offered.items() if not _can_be(imp[name], struct)]
    kept = {**imp, **{name: {} for name in bad}}
    return kept if len(bad) < len(offered) and _can_be(kept, Imp) else {"id": imp["id"]}


def _can_be(value: Any, struct: type[msgspec.Struct]) -> bool:
    try:
        _converted(value, struct)
    except _Beyond:
        raise
    except (_Untidy, msgspec.ValidationError):
        return False
    return True


def _read_untyped(body: bytes) -> Any:
    try:
        return read_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # beyond the place where the typed decode stopped
        mended = repaired(body)
        if mended is None:
            raise
        return read_json(mended)


def _tidy(value: Any, field: Field, path: str) -> Any:
    """Return `value` coerced to a field, or `_ABSENT` for an absent one; raise `_Untidy` where neither applies."""
    if value is None:
        return _ABSENT
    if field.struct is not None:
        return _ABSENT if value == "" else _tidy_struct(value, field.struct, path)
    if field.item is not None:
        return _tidy_list(value, field, path)
    tidied = _SCALARS[field.type](value, path)
    if tidied is _ABSENT or is_within(tidied, field):
        return tidied
    raise _Beyond(_said(value, wanted_of(field), path))


def _tidy_struct(value: Any, struct: type[msgspec.Struct], path: str) -> dict[str, Any]:
    """Return a coerced object; an empty list is an empty one, as PHP writes both alike."""
    if value == []:
        return {}
    if not isinstance(value, dict):
        _refuse(value, "object", path)
    tidy = {}
    for name, (field, droppable) in plan_of(struct).items():
        if name not in value:
            continue
        if name in VERBATIM and not isinstance(value[name], str | None):
            raise InvalidRequest("wrong_type", f"expected string - at `{path}.{name}`")
        try:
            coerce = _tidy(value[name], field, f"{path}.{name}")
        except _Untidy:
            if not droppable:
                raise
            continue
        if coerce is not _ABSENT:
            tidy[name] = coerce
    return tidy


def _tidy_list(value: Any, field: Field, path: str) -> Any:
    """Return a coerced list; one beyond its bound is refused before its items are read."""
    if value in ("", {}):
        return _ABSENT
    assert field.item is not None
    items = _checked(value if isinstance(value, list) else _split(value, field.item), field, path)
    if field.item.type is not None:
        items = _checked(_flat(items, field.item), field, path)
        if any(isinstance(item, bool) for item in items):
            _refuse(True, wanted_of(field.item), path)
    kept = []
    for number, item in enumerate(items):
        try:
            kept.append(_tidy(item, field.item, f"{path}[{number}]"))
        except _Untidy:
            if field.item.struct not in DESCRIPTIVE:
                raise
    return [item for item in kept if item is not _ABSENT]


def _checked(items: list[Any], field: Field, path: str) -> list[Any]:
    if field.most is not None and len(items) > field.most:
        raise InvalidRequest("too_many", f"more than {field.most} entries - at `{path}`")
    return items


def _split(value: Any, item: Field) -> list[Any]:
    """Return the entries of a list that came as one value.

    It may be several in a string (`"a.org, b.org"`), a list in a string, numbered entries as PHP writes a list with
    gaps (`{"1": "a.org"}`), or a single entry.
    """
    if isinstance(value, dict) and all(name.isdecimal() for name in value):
        return [*value.values()]
    if not isinstance(value, str) or item.type is None:
        return [value]
    text = value.strip()
    listed = _listed(text)
    if listed is not None:
        return listed
    return [part.strip() for part in text.split(",") if part.strip()] if "," in text else [value]


def _listed(text: str) -> list[Any] | None:
    """Return the list in a string; `None` where it holds none."""
    if not text.startswith("["):
        return None
    try:
        listed = read_json(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def _flat(items: list[Any], item: Field) -> list[Any]:
    """Return entries of which some hold several: `[["a.org"], ["b.org"]]`, and of numbers `["1, 2"]`."""
    found: list[Any] = []
    for one in items:
        if isinstance(one, list):
            found += _flat(one, item)
        elif isinstance(one, str) and item.type is not str:
            found += filter(None, _SEPARATORS.split(one))
        else:
            found.append(one)
    return found


def _tidy_str(value: Any, path: str) -> str:
    if isinstance(value, list):  # keywords and the like come as "a,b" and as ["a", "b"]
        return ",".join(_tidy_str(item, path) for item in value)
    if isinstance(value, str):
        return value if UNREADABLE not in value else _refuse(value, "text", path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(value, "string", path)
    if isinstance(value, float):
        if not math.isfinite(value):
            _refuse(value, "string", path)
        return f"{value:.0f}" if value.is_integer() else repr(value)
    return str(value)


def _tidy_int(value: Any, path: str) -> Any:
    if isinstance(value, int):
        return int(value)
    number = _tidy_float(value, path)
    if number is _ABSENT:
        return _ABSENT
    return int(number) if float(number).is_integer() else _refuse(value, "integer", path)


def _tidy_float(value: Any, path: str) -> Any:
    if isinstance(value, str):
        if not value.strip():
            return _ABSENT
        return float(value) if _NUMBER.fullmatch(value.strip()) else _refuse(value, "number", path)
    try:
        return float(value) if isinstance(value, int | float) else _refuse(value, "number", path)
    except OverflowError:
        _refuse(value, "number", path)


def _as_it_is(value: Any, path: str) -> Any:
    return value


_SCALARS: dict[Any, Callable[[Any, str], Any]] = {
    str: _tidy_str,
    int: _tidy_int,
    float: _tidy_float,
    Any: _as_it_is,
}


def _refuse(value: Any, wanted: str, path: str) -> typing.NoReturn:
    raise _Untidy(_said(value, wanted, path))


def _said(value: Any, wanted: str, path: str) -> str:
    return f"expected {wanted}, got {type(value).__name__} - at `{path}`"
