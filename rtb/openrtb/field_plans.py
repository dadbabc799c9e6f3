"""The types of fields, read from the annotations of their structs."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Annotated, Any, NamedTuple

import msgspec

from rtb.openrtb.types import BINDING, DESCRIPTIVE


class Field(NamedTuple):
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
    item: Field | None = None
    most: int | None = None
    low: float | None = None
    high: float | None = None


def is_within(value: Any, field: Field) -> bool:
    """Return whether a scalar is within the bounds of its field."""
    if field.type is str:
        return field.most is None or len(value) <= field.most
    return field.low is None or field.high is None or field.low <= value <= field.high


def wanted_of(field: Field) -> str:
    """Return what a scalar field takes, for people."""
    if field.type is str:
        return f"string of at most {field.most} characters"
    return f"integer from {field.low} to {field.high}"


@cache
def plan_of(struct: type[msgspec.Struct]) -> dict[str, tuple[Field, bool]]:
    """Return a mapping of field name to its type and whether it may be dropped when it is unreadable."""
    hints = typing.get_type_hints(struct, include_extras=True)
    required = {f.name for f in msgspec.structs.fields(struct) if f.required}
    plan = {}
    for name, hint in hints.items():
        field = field_of(hint)
        inner = field.item.struct if field.item is not None else field.struct
        describes = (struct in DESCRIPTIVE or inner in DESCRIPTIVE) and name not in BINDING
        plan[name] = (field, describes and name not in required)
    return plan


def field_of(hint: Any) -> Field:
    """Return the field of a type annotation: its bounds kept, its `None` removed."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    bounds = msgspec.Meta()
    if typing.get_origin(hint) is Annotated:
        hint, bounds = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        return Field(item=field_of(typing.get_args(hint)[0]), most=bounds.max_length)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return Field(struct=hint)
    return Field(type=hint, most=bounds.max_length, low=bounds.ge, high=bounds.le)
