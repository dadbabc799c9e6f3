"""Reads messages whose fields are in the order of their numbers, as writers leave them.

The fields that a message begins with are taken apart here, which is quicker than asking a parsed message for each; the
others are read by the `protobuf` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from rtb.openrtb.protobuf.parts import Read, Untidy, check_number
from rtb.openrtb.protobuf.plans import FieldPlan, Kind, MessagePlan

_END = b"\0"
"""A tag that no field has."""

_VARINT, _BYTES = 0, 2
"""Wire types."""

ReadPart = Callable[[bytes], Read]
Rest = Callable[[bytes], tuple[dict[str, Any], int]]

_Step = tuple[int, str, ReadPart | None, int]
"""Tag and name of a field, reader of its bytes (none: it is a number), and its most entries (0: it is no list)."""


class OrderedReader:
    """Reader of one kind of message.

    Args:
        plan: what is read of it.
        names: names of the texts, numbers and parts that it begins with; their numbers are below 16.
        parts: readers of parts.
        rest: reader of the other fields.
    """

    def __init__(
        self,
        plan: MessagePlan,
        names: Sequence[str],
        parts: Mapping[type[msgspec.Struct], ReadPart],
        rest: Rest,
    ) -> None:
        fields = {field.name: field for field in plan.fields}
        self._steps = [_step(fields[name], parts) for name in names]
        self._rest = rest

    def values_of(self, body: bytes) -> tuple[dict[str, Any], int]:
        """Return the fields of a message by name, and how many were read.

        Raises:
            Exception: the message must be read in full, one of `UNUSUAL`.
            InvalidRequest: it has too many fields, or a part breaks a rule.
        """
        values, at, fields = self._first(body)
        if at < len(body):
            rest, more = self._rest(body[at:])
            fields += more
            check_number(fields)
            if not values.keys().isdisjoint(rest):
                raise Untidy
            values |= rest
        return values, fields

    def _first(self, body: bytes) -> tuple[dict[str, Any], int, int]:
        """Return the fields that a message begins with, where the others begin, and how many were read."""
        end = len(body)
        body += _END
        values: dict[str, Any] = {}
        at = fields = 0
        for tag, name, read, most in self._steps:
            if body[at] != tag:
                continue
            if read is None:
                values[name], at = _number(body, at + 1)
                continue
            found = []
            while body[at] == tag:
                size = body[at + 1]
                start = at + 2
                if size > 127:
                    size, start = _number(body, at + 1)
                at = start + size
                value, more = read(body[start:at])
                fields += more
                if not most:
                    values[name] = value
                    break
                found.append(value)
                check_number(fields)
            else:
                if len(found) > most:
                    raise Untidy
                values[name] = found
        if at > end:
            raise Untidy
        return values, at, fields


def _step(field: FieldPlan, parts: Mapping[type[msgspec.Struct], ReadPart]) -> _Step:
    if field.kind is Kind.NUMBER:
        return field.number << 3 | _VARINT, field.name, None, 0
    most = field.most if field.is_list else 0
    assert most is not None
    read = partial(_text, field.most or 0) if field.plan is None else parts[field.plan.struct]
    return field.number << 3 | _BYTES, field.name, read, most


def _text(most: int, part: bytes) -> Read:
    text = str(part, "utf-8")
    if len(text) > most:
        raise Untidy
    return text, 1


def _number(body: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, as an int32, and the place after it."""
    value = body[at] & 127
    if body[at] < 128:
        return value, at + 1
    for shift in range(7, 70, 7):
        at += 1
        value |= (body[at] & 127) << shift
        if body[at] < 128:
            value &= 0xFFFFFFFF
            return value - (1 << 32) if value >> 31 else value, at + 1
    raise Untidy
