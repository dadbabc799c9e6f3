"""What is read of each message: which fields of its struct, and how each becomes a value."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import msgspec
from google.protobuf.descriptor import FieldDescriptor

from rtb.openrtb.content import Content, Data
from rtb.openrtb.field_plans import plan_of
from rtb.openrtb.protobuf.schema import message_type
from rtb.openrtb.supply_chain import Source
from rtb.openrtb.types import App, Audio, Banner, BidRequest, Device, Dooh, Imp, Native, Pmp, Regs, Site, Video

NATIVE_REQUEST = "request_native"
"""Field of a native request that is a message, not JSON in a string."""

REPEATING = frozenset({App, Audio, Banner, Content, Data, Device, Dooh, Imp, Native, Pmp, Regs, Site, Source, Video})
"""Structs that recur between requests, so that the same bytes are read once."""

PASSING = frozenset({Device, Regs, Source})
"""Those of them that are a person's or an auction's, and recur for a while only."""


class Kind(IntEnum):
    """What a field holds."""

    TEXT = 0
    NUMBER = 1
    REAL = 2
    OBJECT = 3
    FREE = 4


class FieldPlan(NamedTuple):
    """How one field is read.

    Attributes:
        name: its name in the struct.
        number: its number on the wire.
        kind: what it holds.
        is_list: whether it is a list.
        most: most entries of a list of objects; none: the struct's own bounds suffice.
        plan: plan of its message, where it is an object.
    """

    name: str
    number: int
    kind: Kind
    is_list: bool
    most: int | None = None
    plan: MessagePlan | None = None


class MessagePlan:
    """What is read of a message.

    Attributes:
        struct: struct that it becomes.
        fields: fields that are read.
    """

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self.struct = struct
        self.fields: list[FieldPlan] = []

    @property
    def recurs(self) -> bool:
        """Whether the same bytes come often."""
        return self.struct in REPEATING


@cache
def request_plan() -> MessagePlan:
    """Return the plan of a bid request."""
    return _plan(BidRequest, message_type("BidRequest").DESCRIPTOR)


@cache
def _plan(struct: type[msgspec.Struct], message: Any) -> MessagePlan:
    plan = MessagePlan(struct)
    for name, (field, _) in plan_of(struct).items():
        declared = message.fields_by_name.get(name)
        if declared is None:
            continue
        item = field.item or field
        inner = _plan(item.struct, declared.message_type) if item.struct is not None else None
        is_list = bool(declared.is_repeated)
        plan.fields.append(FieldPlan(name, declared.number, _KINDS[declared.type], is_list, field.most, inner))
    if struct is Native:
        plan.fields.append(FieldPlan("request", message.fields_by_name[NATIVE_REQUEST].number, Kind.FREE, False))
    return plan


_KINDS = {
    FieldDescriptor.TYPE_STRING: Kind.TEXT,
    FieldDescriptor.TYPE_INT32: Kind.NUMBER,
    FieldDescriptor.TYPE_BOOL: Kind.NUMBER,
    FieldDescriptor.TYPE_DOUBLE: Kind.REAL,
    FieldDescriptor.TYPE_MESSAGE: Kind.OBJECT,
}
