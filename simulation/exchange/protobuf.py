"""The exchange's side of OpenRTB in binary form: requests to messages, and messages to answers."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from rtb.openrtb.protobuf.schema import message_type
from simulation.exchange.rules.raw import Json

_WHOLE = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_BOOL)


def to_message(request: Json) -> bytes:
    """Return a request as a `BidRequest` message; fields that it has no place for are left out.

    Raises:
        ValueError: a value does not fit its field.
    """
    message = message_type("BidRequest")()
    _fill(message, request)
    encoded: bytes = message.SerializeToString()
    return encoded


def from_message(answer: bytes) -> Json:
    """Return the JSON of a `BidResponse` message."""
    message = message_type("BidResponse").FromString(answer)
    return _plain(message)


def _fill(message: Any, values: Json) -> None:
    for key, given in values.items():
        name, value = _native(given) if key == "request" and isinstance(given, dict) else (key, given)
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None or value is None:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _fill_objects(message, field, value)
        elif field.is_repeated:
            getattr(message, name).extend(_scalar(field, item) for item in value)
        else:
            setattr(message, name, _scalar(field, value))


def _native(request: Json) -> tuple[str, Json]:
    """Return the field of a native request that is an object, and the request without what it is wrapped in."""
    inner = request.get("native")
    return "request_native", inner if isinstance(inner, dict) else request


def _fill_objects(message: Any, field: Any, value: Any) -> None:
    if not field.is_repeated:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _fill(inner, value)
        return
    for item in value:
        _fill(getattr(message, field.name).add(), item)


def _scalar(field: Any, value: Any) -> Any:
    if field.type in _WHOLE:
        return int(value)
    return str(value) if field.type == FieldDescriptor.TYPE_STRING else float(value)


def _plain(message: Any) -> Json:
    """Return a message as JSON has it: 0 and 1 for booleans, numbers and names as they are."""
    found: Json = _numbered(json_format.MessageToDict(message, preserving_proto_field_name=True))
    return found


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbered(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbered(item) for item in value]
    return int(value) if isinstance(value, bool) else value
