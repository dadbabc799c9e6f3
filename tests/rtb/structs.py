"""JSON of any struct that callers send: valid documents of which some fields are anything that their type allows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from functools import singledispatch
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as types

Json = Any

_TEXTS = [
    "",
    " ",
    "a",
    "é",
    "\u202e",
    "\x1b[31m",
    "=1+1",
    "[/b]",
    "\n",
    "x\n",
    ".",
    "..",
    "a/b",
    "\ud800",
    "😀" * 9,
    "null",
]
_ZONES = [-23, -5, 0, 1, 14, 23]
_YEARS = [1, 2, 1969, 1970, 2026, 2038, 9998, 9999]


def moments() -> st.SearchStrategy[str]:
    """Moments as people write them, at the ends of what there is too, in zones far from Greenwich."""

    def written(year: int, is_last: bool, hours: int) -> str:
        day = datetime(year, 12, 31, 23, 59, 59) if is_last else datetime(year, 1, 1)
        return day.replace(tzinfo=timezone(timedelta(hours=hours)) if hours else UTC).isoformat().replace("+00:00", "Z")

    edges = st.builds(written, st.sampled_from(_YEARS), st.booleans(), st.sampled_from(_ZONES))
    return edges | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)


def documents(kind: types.Type, depth: int = 0) -> st.SearchStrategy[Json]:
    """JSON of a type as msgspec describes it, within its limits or just beyond.

    Args:
        kind: the type.
        depth: how deep it lies; nothing is made without end.
    """
    return _made(kind, depth)


@singledispatch
def _made(kind: types.Type, depth: int) -> st.SearchStrategy[Json]:
    return st.none() | st.integers() | st.text(max_size=3)


@_made.register
def _(kind: types.Metadata, depth: int) -> st.SearchStrategy[Json]:
    return _made(kind.type, depth)


@_made.register
def _(kind: types.IntType, depth: int) -> st.SearchStrategy[Json]:
    low, high = -(2**53) if kind.ge is None else kind.ge, 2**63 if kind.le is None else kind.le
    return st.sampled_from([low - 1, low, low + 1, high - 1, high, high + 1, 0, 1]) | st.integers(low, high)


@_made.register
def _(kind: types.FloatType, depth: int) -> st.SearchStrategy[Json]:
    edges = [0, -0.0, 1e-320, 0.1, 1, 1e15, 2.0**53, 1e300, kind.ge, kind.le, kind.gt, kind.lt]
    return st.sampled_from([edge for edge in edges if edge is not None]) | st.floats(0, 1e9)


@_made.register
def _(kind: types.StrType, depth: int) -> st.SearchStrategy[Json]:
    plain = st.sampled_from(_TEXTS) | st.text(max_size=8)
    return plain | st.from_regex(kind.pattern) if kind.pattern else plain


@_made.register
def _(kind: types.BoolType, depth: int) -> st.SearchStrategy[Json]:
    return st.booleans()


@_made.register
def _(kind: types.NoneType, depth: int) -> st.SearchStrategy[Json]:
    return st.none()


@_made.register
def _(kind: types.DateTimeType, depth: int) -> st.SearchStrategy[Json]:
    return moments()


@_made.register
def _(kind: types.LiteralType, depth: int) -> st.SearchStrategy[Json]:
    return st.sampled_from([*kind.values, "other"])


@_made.register
def _(kind: types.UnionType, depth: int) -> st.SearchStrategy[Json]:
    return st.one_of([_made(one, depth) for one in kind.types])


@_made.register(types.ListType)
@_made.register(types.VarTupleType)
@_made.register(types.FrozenSetType)
def _(kind: Any, depth: int) -> st.SearchStrategy[Json]:
    return st.lists(_made(kind.item_type, depth + 1), max_size=3 if depth < 3 else 1)


@_made.register
def _(kind: types.TupleType, depth: int) -> st.SearchStrategy[Json]:
    return st.tuples(*[_made(one, depth + 1) for one in kind.item_types]).map(list)


@_made.register
def _(kind: types.DictType, depth: int) -> st.SearchStrategy[Json]:
    return st.dictionaries(_made(kind.key_type, depth), _made(kind.value_type, depth + 1), max_size=2)


@_made.register
def _(kind: types.StructType, depth: int) -> st.SearchStrategy[Json]:
    needed = {one.encode_name: _made(one.type, depth + 1) for one in kind.fields if one.required}
    others = [one for one in kind.fields if not one.required] if depth < 3 else []
    return st.fixed_dictionaries(needed, optional={one.encode_name: _made(one.type, depth + 1) for one in others})


def changed(valid: Json, kind: type) -> st.SearchStrategy[Json]:
    """Draw a valid document with up to three fields, however deep, of another value of their type."""
    described = types.type_info(kind)

    @st.composite
    def made(draw: st.DrawFn) -> Json:
        document = valid
        for _ in range(draw(st.integers(0, 3))):
            document = _with_one_changed(draw, document, described)
        return document

    return made()


def _with_one_changed(draw: st.DrawFn, document: Json, kind: types.Type) -> Json:
    kind = kind.type if isinstance(kind, types.Metadata) else kind
    inner = _inner(kind, document)
    if isinstance(inner, types.StructType) and isinstance(document, dict):
        field = draw(st.sampled_from(inner.fields))
        name, before = field.encode_name, document.get(field.encode_name)
        if before in (None, [], {}) or draw(st.booleans()):
            return {**document, name: draw(documents(field.type, 1))}
        return {**document, name: _with_one_changed(draw, before, field.type)}
    if isinstance(inner, types.VarTupleType | types.ListType) and isinstance(document, list) and document:
        place = draw(st.integers(0, len(document) - 1))
        new = _with_one_changed(draw, document[place], inner.item_type)
        return [*document[:place], new, *document[place + 1 :]]
    return draw(documents(kind, 1))


def _inner(kind: types.Type, document: Json) -> types.Type:
    """Of a union, the part that a document is of."""
    if not isinstance(kind, types.UnionType):
        return kind
    wanted = types.StructType if isinstance(document, dict) else types.VarTupleType
    parts = [one.type if isinstance(one, types.Metadata) else one for one in kind.types]
    return next((one for one in parts if isinstance(one, wanted)), kind)


def sent(document: Json) -> bytes:
    """Encode a document as JSON, escaping what UTF-8 cannot represent."""
    return json.dumps(document).encode()


def plain(value: Any) -> Json:
    """Return a struct as JSON represents it."""
    return msgspec.json.decode(msgspec.json.encode(value))
