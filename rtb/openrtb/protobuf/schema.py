"""The message types of `openrtb.proto`, from their compiled description beside it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "com.iabtechlab.openrtb.v2"


@cache
def pool() -> Any:
    """Return a pool of our own with the official types, so that another copy of them may be loaded beside it."""
    own = descriptor_pool.DescriptorPool()
    compiled = resources.files("rtb.openrtb.protobuf").joinpath("openrtb.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        own.Add(file)
    return own


@cache
def message_type(name: str) -> Any:
    """Return the class of a message, such as `BidRequest` or `BidRequest.Imp`."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))
