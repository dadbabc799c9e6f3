"""Writes responses in binary form."""

from __future__ import annotations

from typing import Any

import msgspec

from rtb.openrtb.protobuf.schema import message_type
from rtb.openrtb.response import BidResponse, NoBidResponse


def encode_protobuf(response: BidResponse | NoBidResponse) -> bytes:
    """Return the `BidResponse` message of a response, without absent fields."""
    return _encoded(msgspec.to_builtins(response))


def _encoded(response: dict[str, Any]) -> bytes:
    kind = message_type("BidResponse")
    try:
        message = kind(**response)
    except ValueError:  # an extension that has no field there
        message = kind(**_known(response, kind.DESCRIPTOR))
    encoded: bytes = message.SerializeToString()
    return encoded


def _known(values: dict[str, Any], message: Any) -> dict[str, Any]:
    """Return the fields that a message has."""
    fields = message.fields_by_name
    return {name: _inner(value, fields[name].message_type) for name, value in values.items() if name in fields}


def _inner(value: Any, message: Any) -> Any:
    if isinstance(value, list):
        return [_inner(item, message) for item in value]
    return _known(value, message) if isinstance(value, dict) else value
