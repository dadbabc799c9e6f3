"""Reads requests in binary form into the structs that JSON is read into.

A message begins with what differs between requests, where its fields are in the order of their numbers, as writers
leave them: id, imps, inventory, device, user, auction type, time. These are taken apart in Python (`ordered`), and each
part is looked up (`parts`). The rest, mostly lists of an exchange or a publisher, is looked up as a whole.

What is unusual (a part in several pieces, a value beyond its bound) is read once more: in full, and as JSON is.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from msgspec import Struct

from rtb.openrtb.bounds import MOST_VALUES
from rtb.openrtb.codec import coerce_request
from rtb.openrtb.content import Data
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.protobuf.ordered import OrderedReader, ReadPart
from rtb.openrtb.protobuf.parts import UNUSUAL, PartReader, Read, Untidy, part_readers
from rtb.openrtb.protobuf.plans import NATIVE_REQUEST
from rtb.openrtb.protobuf.schema import message_type
from rtb.openrtb.types import App, BidRequest, Device, Imp, Site, User
from rtb.openrtb.validity import validate, validate_request

_HEAD = ("id", "imp", "site", "app", "device", "user", "at", "tmax")
_USER = ("id", "buyeruid", "data", "consent")
"""Fields that a request and its user begin with, in the order of their numbers."""


class _Readers(NamedTuple):
    """Readers of requests.

    Attributes:
        ordered: reader of one whose fields are in order.
        unordered: reader of any other.
    """

    ordered: OrderedReader
    unordered: PartReader


def decode_protobuf(body: bytes) -> BidRequest:
    """Return a validated request from a `BidRequest` message.

    Raises:
        InvalidRequest: the body is no such message, beyond a bound (`bounds`), or breaks a rule of the specification
            (`validity`).
    """
    try:
        request = _read_parts(body)
        validate_request(request)
    except (*UNUSUAL, InvalidRequest):  # which one bad imp is enough for: in full, the others are kept
        request = _read_in_full(body)
        validate(request)
    return request


def _read_parts(body: bytes) -> BidRequest:
    readers = _readers()
    try:
        return _read(body, readers.ordered)
    except UNUSUAL:
        return _read_unordered(body, readers.unordered)


@cache
def _readers() -> _Readers:
    readers = part_readers()
    user = OrderedReader(readers[User].plan, _USER, {Data: readers[Data].cached}, readers[User].rest)

    def read_user(part: bytes) -> Read:
        values, fields = user.values_of(part)
        return User(**values), fields

    parts: dict[type[Struct], ReadPart] = {struct: readers[struct].cached for struct in (Imp, Site, App, Device)}
    request = readers[BidRequest]
    return _Readers(OrderedReader(request.plan, _HEAD, {**parts, User: read_user}, request.cached_rest), request)


def _read(body: bytes, reader: OrderedReader) -> BidRequest:
    values, _ = reader.values_of(body)
    if "id" not in values or "imp" not in values or _has_several_inventories(values):
        raise Untidy
    return BidRequest(**values)


def _read_unordered(body: bytes, reader: PartReader) -> BidRequest:
    """Return the request of a message whose fields are in any order."""
    request: BidRequest = reader.read(body)[0]
    if (request.site, request.app, request.dooh).count(None) < 2:
        raise Untidy
    return request


def _has_several_inventories(values: dict[str, Any]) -> bool:
    """Return whether a request has more than one inventory, of which the last counts."""
    return ("site" in values) + ("app" in values) + ("dooh" in values) > 1


def _read_in_full(body: bytes) -> BidRequest:
    try:
        message = message_type("BidRequest").FromString(body)
    except DecodeError as error:
        raise InvalidRequest("not_protobuf", f"the body is no BidRequest: {error}") from error
    _count(message, MOST_VALUES)
    raw = json_format.MessageToDict(message, preserving_proto_field_name=True)
    for imp in raw.get("imp", ()):
        native = imp.get("native", {})
        if NATIVE_REQUEST in native:
            native["request"] = native.pop(NATIVE_REQUEST)
    return coerce_request(raw)


def _count(message: Any, left: int) -> int:
    """Return how many of so many fields a message leaves; raise `InvalidRequest` where it has more."""
    for field, value in message.ListFields():
        left -= len(value) if field.is_repeated else 1
        if left < 0:
            raise InvalidRequest("too_many", f"the request holds more than {MOST_VALUES} fields")
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                left = _count(inner, left)
    return left
