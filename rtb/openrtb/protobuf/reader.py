"""Reads requests in binary form into the structs that JSON is read into.

The messages of the `protobuf` package would have to be turned into structs field by field, which takes longer than
reading JSON. So the wire format is read here, as far as the structs go, and what recurs is read once: a banner or a
site that has come before, byte by byte the same, is the same object.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, NoReturn

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from rtb.openrtb.field_plans import wanted_of
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.protobuf.plans import BYTES, FIXED_32, FIXED_64, VARINT, Kind, MessagePlan, Step, request_plan
from rtb.openrtb.protobuf.schema import message_type
from rtb.openrtb.types import BidRequest, Imp
from rtb.openrtb.validity import validate, validate_imp, validate_request
from rtb.runtime.caches import BoundedCache

_MOST_FIELDS = 20_000
"""Most fields in one request, as of values in JSON."""

_CACHE_BYTES = 6 << 20
_LEAST_CACHED = 8
_OBJECT_BYTES, _FIELD_BYTES, _TEXT_BYTES = 600, 200, 4
"""Most bytes in memory of a message, of each field in it, and of each byte of its texts."""

_read_double = struct.Struct("<d").unpack_from


class _Malformed(Exception):
    """Bytes that are no message."""


class _Split(Exception):
    """A message of which a part came in several pieces."""


def decode_protobuf(body: bytes) -> BidRequest:
    """Return a validated request from a `BidRequest` message.

    Raises:
        InvalidRequest: the body is no such message, beyond a bound (`bounds`), or breaks a rule of the specification
            (`validity`).
    """
    try:
        request = _request(body, _Budget())
        validate_request(request)
    except InvalidRequest:  # of one imp, maybe: read once more, to keep the others
        request = _request(body, _Budget(is_lenient=True))
        validate(request)
    return request


def _request(body: bytes, budget: _Budget) -> BidRequest:
    try:
        request: BidRequest = _read(body, 0, len(body), _compiled(), budget)
    except (_Malformed, IndexError, struct.error, UnicodeDecodeError) as error:
        raise InvalidRequest("not_protobuf", f"the body is no BidRequest: {error}") from error
    return request


class _Budget:
    """The fields that may still be read of a request: bytes alone say little of how long they take.

    Attributes:
        left: number of fields.
        is_lenient: whether imps are read that break a rule, and no message from the cache.
    """

    __slots__ = ("is_lenient", "left")

    def __init__(self, *, is_lenient: bool = False) -> None:
        self.left = _MOST_FIELDS
        self.is_lenient = is_lenient

    def spend(self, fields: int) -> None:
        """Subtract fields; raise `InvalidRequest` where there are too many."""
        self.left -= fields
        if self.left < 0:
            raise InvalidRequest("too_many", f"the request holds more than {_MOST_FIELDS} fields")


def _read(body: bytes, at: int, end: int, plan: MessagePlan, budget: _Budget) -> Any:
    """Return the struct of the message between two places of a body."""
    try:
        values = _values(body, at, end, plan.entries, budget)
    except _Split:
        whole = _joined(body[at:end], plan)
        values = _values(whole, 0, len(whole), plan.entries, budget)
    try:
        made = plan.struct(**values)
    except TypeError as error:
        raise InvalidRequest("wrong_type", f"{plan.struct.__name__}: {error}") from error
    if type(made) is Imp and not budget.is_lenient:
        validate_imp(made)
    return made


def _values(body: bytes, at: int, end: int, entries: dict[int, tuple[Any, ...]], budget: _Budget) -> dict[str, Any]:
    """Return the fields of a message by name."""
    values: dict[str, Any] = {}
    fields = 0
    while at < end:
        fields += 1
        tag = body[at]
        at += 1
        if tag > 127:
            tag, at = _varint(body, at - 1)
        entry = entries.get(tag)
        if entry is None:
            at = _after(body, at, tag, end)
            continue
        read, name, is_plain, step = entry
        value, at = read(body, at, end, step, budget)
        if is_plain and value is not _DROPPED:
            values[name] = value
        elif step.is_list:
            _extend(values, step, value)
        elif value is not _DROPPED:
            _set(values, step, value)
    if at != end:
        raise _Malformed("it is cut off")
    budget.spend(fields)
    return values


_DROPPED = object()
"""Marker of a value that is beyond its bound, in a field that only describes."""


def _set(values: dict[str, Any], step: Step, value: Any) -> None:
    if step.plan is not None and step.name in values:
        raise _Split
    for rival in step.rivals:
        values.pop(rival, None)
    values[step.name] = value


def _text(body: bytes, at: int, end: int, step: Step, budget: _Budget) -> tuple[Any, int]:
    at, stop = _part(body, at, end)
    value = str(body[at:stop], "utf-8")
    most = (step.field.item or step.field).most
    return (value if most is None or len(value) <= most else _beyond(step)), stop


def _integer(body: bytes, at: int, end: int, step: Step, budget: _Budget) -> tuple[Any, int]:
    value = body[at]
    if value < 128:
        return value, at + 1
    value, at = _varint(body, at)
    return _signed(value), at


def _real(body: bytes, at: int, end: int, step: Step, budget: _Budget) -> tuple[Any, int]:
    return _read_double(body, at)[0], at + 8


def _object(body: bytes, at: int, end: int, step: Step, budget: _Budget) -> tuple[Any, int]:
    at, stop = _part(body, at, end)
    plan = step.plan
    assert plan is not None
    try:
        if not plan.recurs or stop - at < _LEAST_CACHED or budget.is_lenient:
            return _read(body, at, stop, plan, budget), stop
        made, fields = _read_before.get(_whole, (body[at:stop], plan))
    except InvalidRequest as error:
        if step.is_droppable and error.reason == "wrong_type":
            return _DROPPED, stop
        raise
    budget.spend(fields)
    return made, stop


def _packed(body: bytes, at: int, end: int, step: Step, budget: _Budget) -> tuple[Any, int]:
    at, stop = _part(body, at, end)
    found = []
    while at < stop:
        value, at = _varint(body, at)
        found.append(_signed(value))
    if at != stop:
        raise _Malformed("it is cut off")
    budget.spend(len(found))
    return found, stop


def _free(body: bytes, at: int, end: int, step: Step, budget: _Budget) -> tuple[Any, int]:
    """Read a native request as the object that JSON would have."""
    at, stop = _part(body, at, end)
    try:
        message = message_type("NativeRequest").FromString(body[at:stop])
        return json_format.MessageToDict(message, preserving_proto_field_name=True), stop
    except DecodeError as error:
        raise _Malformed(str(error)) from error


_READERS = {
    Kind.TEXT: _text,
    Kind.NUMBER: _integer,
    Kind.REAL: _real,
    Kind.OBJECT: _object,
    Kind.PACKED: _packed,
    Kind.FREE: _free,
}


@cache
def _compiled() -> MessagePlan:
    """Return the plan of a request, with how each field is read found once."""
    plan = request_plan()
    _compile(plan)
    return plan


def _compile(plan: MessagePlan) -> None:
    for tag, step in plan.steps.items():
        is_plain = not step.is_list and step.plan is None and not step.rivals
        plan.entries[tag] = (_READERS[step.kind], step.name, is_plain, step)
        if step.plan is not None and not step.plan.entries:
            _compile(step.plan)


def _part(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the places where a text, message or packed list begins and ends."""
    size = body[at]
    at += 1
    if size > 127:
        size, at = _varint(body, at - 1)
    stop = at + size
    if stop > end:
        raise _Malformed("it is cut off")
    return at, stop


def _whole(message: bytes, plan: MessagePlan) -> tuple[Any, int]:
    """Return the struct of a message, and how many fields were read for it."""
    budget = _Budget()
    return _read(message, 0, len(message), plan, budget), _MOST_FIELDS - budget.left


def _size(thing: Any) -> int:
    """Return a bound on the bytes of a key, a message and its plan, or of a value, a struct and its number of fields.

    Looking at every part of a struct would take longer than reading it.
    """
    first, second = thing
    if isinstance(first, bytes):
        return (1 + _TEXT_BYTES) * len(first)
    return _OBJECT_BYTES + _FIELD_BYTES * int(second)


_read_before: BoundedCache[tuple[Any, int]] = BoundedCache("messages", _CACHE_BYTES, size=_size)


def _extend(values: dict[str, Any], step: Step, value: Any) -> None:
    """Add to a list; one beyond its bound is refused, or empty where it only describes."""
    if value is _DROPPED:
        return
    listed = values.setdefault(step.name, [])
    if step.kind is Kind.PACKED:
        listed += value
    else:
        listed.append(value)
    most = step.field.most
    if most is not None and len(listed) > most:
        raise InvalidRequest("too_many", f"more than {most} entries - at `{step.path}`")


def _beyond(step: Step) -> Any:
    if step.is_droppable:
        return _DROPPED
    wanted = wanted_of(step.field.item or step.field)
    raise InvalidRequest("wrong_type", f"expected {wanted} - at `{step.path}`")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift >= 70:
            raise _Malformed("a number has more than ten bytes")


def _signed(value: int) -> int:
    """Return an int32: the lowest 32 bits, as protocol buffers read it."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _after(body: bytes, at: int, tag: int, end: int) -> int:
    """Return the place after a field that is not read."""
    wire = tag & 7
    if wire == VARINT:
        at = _varint(body, at)[1]
    elif wire == FIXED_64:
        at += 8
    elif wire == BYTES:
        size, at = _varint(body, at)
        at += size
    elif wire == FIXED_32:
        at += 4
    else:  # groups, which this format does not have
        _fail(wire)
    if at > end or not tag >> 3:
        raise _Malformed("it is cut off")
    return at


def _fail(wire: int) -> NoReturn:
    raise _Malformed(f"a field has the wire type {wire}")


def _joined(message: bytes, plan: MessagePlan) -> bytes:
    """Return a message with each part in one piece; pieces of a part are read as one, as the format has it."""
    parts: dict[int, bytes] = {}
    rest = bytearray()
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        step = plan.steps.get(tag)
        after = _after(message, at, tag, len(message))
        if step is not None and step.kind is Kind.OBJECT and not step.is_list:
            _, at = _varint(message, at)
            parts[tag] = parts.get(tag, b"") + message[at:after]
        else:
            rest += message[start:after]
        at = after
    for tag, part in parts.items():
        rest += _number(tag) + _number(len(part)) + part
    return bytes(rest)


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
