"""The codec: bytes to requests, and responses to bytes.

A well-formed request takes the fast path: one typed decode. What exchanges really send is often untidy
(`"secure": "1"`, `"bcat": [7]`, `"battr": null`, `"user": {"yob": ""}`), so a request that fails the typed
decode is decoded once more without types, tidied by the types' own annotations, and converted.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from rtb.openrtb.bounds import MOST_EXPONENTS, MOST_VALUES, read_json
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.response import BidResponse
from rtb.openrtb.types import BINDING, DESCRIPTIVE, VERBATIM, BidRequest
from rtb.openrtb.validity import validate

_decoder = msgspec.json.Decoder(BidRequest, strict=False, float_hook=float)
_encoder = msgspec.json.Encoder()

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_ABSENT = object()
"""Marker of an absent value: null, or an empty string for a number or a list."""


class _Untidy(Exception):
    """A value that cannot be coerced to the type of its field."""


def decode_request(body: bytes) -> BidRequest:
    """Return a validated request from JSON.

    Raises:
        InvalidRequest: the body is not JSON, ill-typed beyond coercion, beyond a bound (`bounds`), or breaks a rule of
            the specification (`validity`).
    """
    if body.count(b",") > MOST_VALUES:
        raise InvalidRequest("too_many", f"the request holds more than {MOST_VALUES} values")
    if body.count(b"e-") + body.count(b"E-") > MOST_EXPONENTS:
        raise InvalidRequest("too_many", f"the request holds more than {MOST_EXPONENTS} exponents")
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError:
        request = _decode_untidy(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("not_json", f"the body is not JSON: {error}") from error
    validate(request)
    return request


def coerce(value: Any, struct: type[_Struct]) -> _Struct:
    """Return a decoded JSON value as an object of the specification, coerced to its types.

    Raises:
        InvalidRequest: the value is ill-typed beyond coercion.
    """
    try:
        return msgspec.convert(_tidy_struct(value, struct, "$"), struct, strict=False)
    except (_Untidy, msgspec.ValidationError) as error:
        raise InvalidRequest("wrong_type", str(error)) from error
    except RecursionError as error:
        raise InvalidRequest("not_json", "nested too deeply") from error


def encode_response(response: BidResponse) -> bytes:
    """Return the JSON of a response, without absent fields."""
    return _encoder.encode(response)


def _decode_untidy(body: bytes) -> BidRequest:
    try:
        raw = read_json(body)
        tidy = _tidy_struct(raw, BidRequest, "$")
        return msgspec.convert(tidy, BidRequest, strict=False)
    except (_Untidy, msgspec.ValidationError) as error:
        raise InvalidRequest("wrong_type", str(error)) from error
    except RecursionError as error:
        raise InvalidRequest("not_json", "the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # beyond the place where the typed decode stopped
        raise InvalidRequest("not_json", f"the body is not JSON: {error}") from error


def _tidy(value: Any, field: _Field, path: str) -> Any:
    """Return `value` coerced to a field, or `_ABSENT` for an absent one; raise `_Untidy` where neither applies."""
    if value is None:
        return _ABSENT
    if field.struct is not None:
        return _tidy_struct(value, field.struct, path)
    if field.item is not None:
        return _tidy_list(value, field, path)
    tidied = _SCALARS[field.type](value, path)
    return tidied if tidied is _ABSENT or _is_within(tidied, field) else _refuse(value, _wanted(field), path)


def _tidy_struct(value: Any, struct: type[msgspec.Struct], path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(value, "object", path)
    tidy = {}
    for name, (field, droppable) in _plan(struct).items():
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


def _tidy_list(value: Any, field: _Field, path: str) -> Any:
    """Return a coerced list; one beyond its bound is refused before its items are read."""
    if value == "":
        return _ABSENT
    assert field.item is not None
    items = value if isinstance(value, list) else _split(value, field.item)
    if field.most is not None and len(items) > field.most:
        raise InvalidRequest("too_many", f"more than {field.most} entries - at `{path}`")
    if field.item.type is str and any(isinstance(item, bool) for item in items):
        _refuse(True, "string", path)
    coerce = [_tidy(item, field.item, f"{path}[{number}]") for number, item in enumerate(items)]
    return [item for item in coerce if item is not _ABSENT]


def _split(value: Any, item: _Field) -> list[Any]:
    """Return the entries of a list that came as one value: `"a.org, b.org"`, `"[\\"a.org\\"]"`, or a single entry."""
    if not isinstance(value, str) or item.type is None:
        return [value]
    text = value.strip()
    if text.startswith("["):
        try:
            listed = read_json(text)
        except (msgspec.DecodeError, RecursionError):
            listed = None
        if isinstance(listed, list):
            return listed
    return [part.strip() for part in text.split(",") if part.strip()] if "," in text else [value]


def _tidy_str(value: Any, path: str) -> str:
    if isinstance(value, list):  # keywords and the like come as "a,b" and as ["a", "b"]
        return ",".join(_tidy_str(item, path) for item in value)
    return str(value) if isinstance(value, str | int | float) else _refuse(value, "string", path)


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
        try:
            return float(value)
        except ValueError:
            _refuse(value, "number", path)
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


class _Field(NamedTuple):
    """The type of a field, without `None`.

    Attributes:
        type: type of a scalar.
        struct: struct of an object.
        item: item type of a list.
        most: most entries of a list, most characters of a text.
        low: least number.
        high: greatest number.
    """

    type: Any = None
    struct: type[msgspec.Struct] | None = None
    item: _Field | None = None
    most: int | None = None
    low: float | None = None
    high: float | None = None


def _is_within(value: Any, field: _Field) -> bool:
    if field.type is str:
        return field.most is None or len(value) <= field.most
    return field.low is None or field.high is None or field.low <= value <= field.high


def _wanted(field: _Field) -> str:
    if field.type is str:
        return f"string of at most {field.most} characters"
    return f"integer from {field.low} to {field.high}"


@cache
def _plan(struct: type[msgspec.Struct]) -> dict[str, tuple[_Field, bool]]:
    """Return a mapping of field name to its type and whether it may be dropped when it is unreadable."""
    hints = typing.get_type_hints(struct, include_extras=True)
    required = {f.name for f in msgspec.structs.fields(struct) if f.required}
    plan = {}
    for name, hint in hints.items():
        field = _field(hint)
        describes = (struct in DESCRIPTIVE or field.struct in DESCRIPTIVE) and name not in BINDING
        plan[name] = (field, describes and name not in required)
    return plan


def _field(hint: Any) -> _Field:
    """Return the field of a type annotation: its bounds kept, its `None` removed."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    bounds = msgspec.Meta()
    if typing.get_origin(hint) is Annotated:
        hint, bounds = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        return _Field(item=_field(typing.get_args(hint)[0]), most=bounds.max_length)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _Field(struct=hint)
    return _Field(type=hint, most=bounds.max_length, low=bounds.ge, high=bounds.le)


def _refuse(value: Any, wanted: str, path: str) -> typing.NoReturn:
    raise _Untidy(f"expected {wanted}, got {type(value).__name__} - at `{path}`")
