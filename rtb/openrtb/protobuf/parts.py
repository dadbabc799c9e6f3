"""Reads parts of a request by messages that declare only what is read: their parser, which is native, skips the rest.

A part that recurs (a site, a banner) is declared as bytes, which are looked up before they are read: the same bytes
become the same object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.message import DecodeError

from rtb.openrtb.bounds import MOST_ID, MOST_VALUES
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.protobuf.plans import NATIVE_REQUEST, PASSING, FieldPlan, Kind, MessagePlan, request_plan
from rtb.openrtb.protobuf.schema import message_type, pool
from rtb.openrtb.types import BidRequest, Imp
from rtb.openrtb.validity import validate_imp
from rtb.runtime.caches import BoundedCache

_CACHE_BYTES = 1 << 20
_OBJECT_BYTES, _FIELD_BYTES, _TEXT_BYTES = 600, 200, 4
"""Most bytes in memory of a message, of each field in it, and of each byte of its texts."""

_PACKAGE = "raybid"
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {Kind.TEXT: _Field.TYPE_STRING, Kind.NUMBER: _Field.TYPE_INT32, Kind.REAL: _Field.TYPE_DOUBLE}
"""Types of scalars; a bool is a number, as it is in JSON."""

_FIRST = frozenset({"id", "imp"})
"""Fields that no rest of a message has, where its fields are in order."""

Read = tuple[Any, int]
"""A value, and how many fields were read for it."""


class Untidy(Exception):
    """A message that has to be read in full, such as one with a part in several pieces."""


UNUSUAL = (Untidy, DecodeError, UnicodeDecodeError, msgspec.ValidationError, IndexError)
"""What is raised for a message that has to be read in full."""


def check_number(fields: int) -> None:
    """Raise `InvalidRequest` where a request has so many fields."""
    if fields > MOST_VALUES:
        raise InvalidRequest("too_many", f"the request holds more than {MOST_VALUES} fields")


class PartReader:
    """The reader of one kind of message.

    Args:
        plan: what is read of it.
        message: its class.

    Attributes:
        plan: what is read of it.
    """

    def __init__(self, plan: MessagePlan, message: Any) -> None:
        self.plan = plan
        self._struct = plan.struct
        self._parse: Callable[[bytes], Any] = message.FromString
        self._declared = message.DESCRIPTOR.fields_by_number
        self._cache = _passing if plan.struct in PASSING else _lasting
        self._required: dict[str, Any] = {"id": "", "imp": []} if plan.struct is BidRequest else {}
        self._takes: dict[Any, tuple[str, Callable[[Any], Read] | None]] = {}

    def take(self, field: FieldPlan, take: Callable[[Any], Read] | None) -> None:
        """Set how the value of a field is taken; none: as it is."""
        self._takes[self._declared[field.number]] = field.name, take

    def cached(self, part: bytes) -> Read:
        """Return the struct of a part, which is shared: never change it."""
        return self._cache.get(self.read, (part, self._struct))

    def read(self, part: bytes, _struct: Any = None) -> Read:
        """Return the struct of a part.

        Raises:
            InvalidRequest: it has too many fields, or is an imp that breaks a rule.
            Exception: it must be read in full, one of `UNUSUAL`.
        """
        return self.struct_of(self._parse(part))

    def struct_of(self, message: Any) -> Read:
        """Return the struct of a message: see `read`."""
        values, fields = self.values_of(message)
        made = msgspec.convert(values, self._struct)
        if type(made) is Imp:
            validate_imp(made)
        return made, fields

    def values_of(self, message: Any) -> tuple[dict[str, Any], int]:
        """Return the fields of a message by name, and how many were read for it: see `read`."""
        listed = message.ListFields()
        fields = len(listed)
        values: dict[str, Any] = {}
        for field, value in listed:
            name, take = self._takes[field]
            if take is None:
                values[name] = value
                continue
            values[name], more = take(value)
            fields += more
            check_number(fields)
        return values, fields

    def rest(self, part: bytes) -> tuple[dict[str, Any], int]:
        """Return the fields of a part of a message by name, and how many were read for them: see `read`."""
        values, fields = self.values_of(self._parse(part))
        if not _FIRST.isdisjoint(values):
            raise Untidy
        msgspec.convert(values | self._required, self._struct)  # for its bounds
        return values, fields

    def cached_rest(self, part: bytes) -> tuple[dict[str, Any], int]:
        """Return the same, which is shared: never change it."""
        return _passing.get(self.rest, (part,))


@cache
def part_readers() -> dict[type[msgspec.Struct], PartReader]:
    """Return the reader of each kind of message, by its struct."""
    plans: dict[str, MessagePlan] = {}
    _collect(request_plan(), plans)
    pool().Add(_described(plans))
    readers = {
        name: PartReader(plan, message_factory.GetMessageClass(pool().FindMessageTypeByName(f"{_PACKAGE}.{name}")))
        for name, plan in plans.items()
    }
    for name, plan in plans.items():
        for field in plan.fields:
            readers[name].take(field, _take_of(field, readers))
    return {plan.struct: readers[name] for name, plan in plans.items()}


def _collect(plan: MessagePlan, plans: dict[str, MessagePlan]) -> None:
    """Add a plan and those inside it, by the name of the struct."""
    if plan.struct.__name__ in plans:
        return
    plans[plan.struct.__name__] = plan
    for field in plan.fields:
        if field.plan is not None:
            _collect(field.plan, plans)


def _described(plans: dict[str, MessagePlan]) -> descriptor_pb2.FileDescriptorProto:
    """Return the description of messages with the fields that are read."""
    file = descriptor_pb2.FileDescriptorProto(name="parts.proto", package=_PACKAGE, syntax="editions")
    file.edition = descriptor_pb2.EDITION_2023
    file.dependency.append("openrtb.proto")
    for name, plan in plans.items():
        message = file.message_type.add(name=name)
        for field in plan.fields:
            _declare(message, field)
    return file


def _declare(message: descriptor_pb2.DescriptorProto, field: FieldPlan) -> None:
    label = _Field.LABEL_REPEATED if field.is_list else _Field.LABEL_OPTIONAL
    declared = message.field.add(name=field.name, number=field.number, label=label)
    if field.kind is Kind.FREE:
        declared.name, declared.type = NATIVE_REQUEST, _Field.TYPE_MESSAGE
        declared.type_name = f".{message_type('NativeRequest').DESCRIPTOR.full_name}"
        message.oneof_decl.add(name="request_oneof")
        for one in message.field:
            if one.name in ("request", NATIVE_REQUEST):
                one.oneof_index = 0
    elif field.plan is None:
        declared.type = _TYPES[field.kind]
    elif field.plan.recurs:  # a list also of what is none: its pieces would be one message
        declared.type, declared.label = _Field.TYPE_BYTES, _Field.LABEL_REPEATED
    else:
        declared.type, declared.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{field.plan.struct.__name__}"


def _take_of(field: FieldPlan, readers: dict[str, PartReader]) -> Callable[[Any], Read] | None:
    """Return how the value of a field is taken; `None`: as it is."""
    if field.kind is Kind.FREE:
        return _free
    if field.plan is None:
        return _items if field.is_list else None
    reader = readers[field.plan.struct.__name__]
    if field.plan.recurs:
        return partial(_parts, reader.cached, field.most) if field.is_list else partial(_part, reader.cached)
    if field.is_list and [inner.kind for inner in field.plan.fields] == [Kind.TEXT]:
        return partial(_texts, field.plan.struct, field.plan.fields[0].name, field.most)
    return partial(_messages, reader.struct_of, field.most) if field.is_list else reader.struct_of


def _texts(struct: type[msgspec.Struct], name: str, most: int | None, value: Any) -> Read:
    """Return structs of one text each, such as segments: of many small messages most time would go into the rest."""
    if most is not None and len(value) > most:
        raise Untidy
    made = []
    for one in value[:]:
        text = getattr(one, name)
        if len(text) > MOST_ID:
            raise Untidy
        made.append(struct(text) if text or one.HasField(name) else struct())
    return made, 2 * len(made)


def _items(value: Any) -> Read:
    items = value[:]
    return items, len(items)


def _part(read: Callable[[bytes], Read], value: Any) -> Read:
    pieces = value[:]
    if len(pieces) != 1:
        raise Untidy
    return read(pieces[0])


def _parts(read: Callable[[bytes], Read], most: int | None, value: Any) -> Read:
    return _messages(read, most, value[:])


def _messages(read: Callable[[Any], Read], most: int | None, value: Any) -> Read:
    if most is not None and len(value) > most:
        raise Untidy
    made, fields = [], 0
    for one in value[:]:
        struct, more = read(one)
        made.append(struct)
        fields += more
        check_number(fields)
    return made, fields


def _free(value: Any) -> Read:
    """Return a native request as the object that JSON would have."""
    return json_format.MessageToDict(value, preserving_proto_field_name=True), 0


def _size(thing: Any) -> int:
    """Return a bound on the bytes of a key, a part and its kind, or of a value, a struct and its number of fields.

    Looking at every part of a struct would take longer than reading it.
    """
    first = thing[0]
    if isinstance(first, bytes):
        return (1 + _TEXT_BYTES) * len(first)
    return _OBJECT_BYTES + _FIELD_BYTES * int(thing[1])


_lasting: BoundedCache[Read] = BoundedCache("messages", _CACHE_BYTES, size=_size)
_passing: BoundedCache[Read] = BoundedCache("passing messages", _CACHE_BYTES, size=_size)
"""Two, so that what varies by person evicts no inventory."""
