"""What is read of each message: which fields of its struct, by their tags on the wire."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import msgspec
from google.protobuf.descriptor import FieldDescriptor

from rtb.openrtb.content import Content, Data
from rtb.openrtb.field_plans import Field, plan_of
from rtb.openrtb.protobuf.schema import message_type
from rtb.openrtb.supply_chain import Source
from rtb.openrtb.types import App, Audio, Banner, BidRequest, Device, Dooh, Imp, Native, Pmp, Regs, Site, Video

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
"""Wire types."""

NATIVE_REQUEST = "request_native"
"""Field of a native request that is a message, not JSON in a string."""

REPEATING = frozenset({App, Audio, Banner, Content, Data, Device, Dooh, Imp, Native, Pmp, Regs, Site, Source, Video})
"""Structs that recur between requests, so that the same bytes are read once: placements and inventory above all."""


class Kind(IntEnum):
    """How a field is read."""

    TEXT = 0
    NUMBER = 1
    REAL = 2
    OBJECT = 3
    PACKED = 4
    FREE = 5


class Step(NamedTuple):
    """How one field is read.

    Attributes:
        name: its name in the struct.
        kind: how it is read.
        path: its name for people.
        is_list: whether it may recur.
        field: its type in the struct.
        is_droppable: whether an unreadable value is dropped, not refused.
        plan: plan of its message, where it is one.
        rivals: names of the fields that it replaces.
    """

    name: str
    kind: Kind
    path: str
    is_list: bool
    field: Field
    is_droppable: bool
    plan: MessagePlan | None = None
    rivals: tuple[str, ...] = ()


class MessagePlan:
    """What is read of a message.

    Attributes:
        struct: struct that it becomes.
        steps: how fields are read, by tag.
        entries: the same, as the reader has compiled them.
        recurs: whether the same bytes come often.
    """

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self.struct = struct
        self.steps: dict[int, Step] = {}
        self.entries: dict[int, tuple[Any, ...]] = {}
        self.recurs = struct in REPEATING


@cache
def request_plan() -> MessagePlan:
    """Return the plan of a bid request."""
    return _plan(BidRequest, message_type("BidRequest").DESCRIPTOR, "$")


def _plan(struct: type[msgspec.Struct], message: Any, path: str) -> MessagePlan:
    plan = MessagePlan(struct)
    for name, (field, is_droppable) in plan_of(struct).items():
        declared = message.fields_by_name.get(name)
        if declared is not None:
            _add(plan, declared, field, is_droppable, f"{path}.{name}")
    if struct is Native:
        free = message.fields_by_name[NATIVE_REQUEST]
        plan.steps[free.number << 3 | BYTES] = Step("request", Kind.FREE, f"{path}.request", False, Field(), False)
    return plan


def _add(plan: MessagePlan, declared: Any, field: Field, is_droppable: bool, path: str) -> None:
    item = field.item or field
    inner = _plan(item.struct, declared.message_type, path) if item.struct is not None else None
    rivals = (
        ()
        if declared.containing_oneof is None
        else tuple(one.name for one in declared.containing_oneof.fields if one.name != declared.name)
    )
    kind, wire = _KINDS[declared.type]
    step = Step(declared.name, kind, path, bool(declared.is_repeated), field, is_droppable, inner, rivals)
    plan.steps[declared.number << 3 | wire] = step
    if step.is_list and kind is Kind.NUMBER:
        plan.steps[declared.number << 3 | BYTES] = step._replace(kind=Kind.PACKED)


_KINDS = {
    FieldDescriptor.TYPE_STRING: (Kind.TEXT, BYTES),
    FieldDescriptor.TYPE_INT32: (Kind.NUMBER, VARINT),
    FieldDescriptor.TYPE_BOOL: (Kind.NUMBER, VARINT),
    FieldDescriptor.TYPE_DOUBLE: (Kind.REAL, FIXED_64),
    FieldDescriptor.TYPE_MESSAGE: (Kind.OBJECT, BYTES),
}
