"""Which fields of OpenRTB 2.6 this bidder reads or writes, and which it ignores on purpose.

How to run:

    python -m verification.openrtb_coverage [--fields FILE] [--verbose]

What to expect: one JSON line, `fields`, `read`, `ignored_on_purpose` and `unknown`; exit code 1 where a field is
neither read nor on the list of those that are ignored (`openrtb_ignored.yaml`), or where it is on that list and read,
or of no message of the specification.

A field counts as read when the struct that its object is decoded into has it, whatever the list says: what no struct
has is skipped by the decoder. Of the response, a field counts as read when its struct, or a native answer, has it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from raybid.refusing import refuse
from rtb.openrtb import native
from rtb.openrtb.protobuf.plans import NATIVE_REQUEST
from rtb.openrtb.response import BidResponse, NoBidResponse
from rtb.openrtb.types import BidRequest
from simulation.exchange.native_answers import written_fields

_FIELDS = Path(__file__).parents[2] / "shared" / "data" / "openrtb" / "fields-2.6.json"
_IGNORED = Path(__file__).with_name("openrtb_ignored.yaml")

Key = tuple[str, str]
"""A message and a field of it."""


class SpecificationField(msgspec.Struct):
    """A field of the specification."""

    name: str
    type: str


class Specification(msgspec.Struct):
    """The specification's messages with their fields."""

    messages: dict[str, list[SpecificationField]]

    def keys(self) -> set[Key]:
        """Return every field."""
        return {(message, field.name) for message, fields in self.messages.items() for field in fields}

    def inner(self, message: str, name: str) -> str:
        """Return the message that a field holds, as its type is resolved from inside out; empty for a scalar."""
        found = next((field.type.lstrip(".") for field in self.messages.get(message, ()) if field.name == name), "")
        scope = message
        while scope:
            if f"{scope}.{found}" in self.messages:
                return f"{scope}.{found}"
            scope = scope.rpartition(".")[0]
        return found if found in self.messages else ""


class Coverage(msgspec.Struct):
    """What became of the specification's fields.

    Attributes:
        read: fields that structs have.
        ignored: fields on the list.
        unknown: fields of neither.
        stale: entries of the list that are read, or of no message.
    """

    read: set[Key]
    ignored: set[Key]
    unknown: set[Key]
    stale: set[Key]

    def summary(self) -> dict[str, int]:
        """Return the numbers of fields."""
        return {
            "fields": len(self.read) + len(self.ignored) + len(self.unknown),
            "read": len(self.read),
            "ignored_on_purpose": len(self.ignored),
            "unknown": len(self.unknown),
        }


def main(
    fields: Annotated[Path, typer.Option(help="the specification's messages and fields, JSON")] = _FIELDS,
    verbose: Annotated[bool, typer.Option(help="also list the fields that are read")] = False,
) -> None:
    """Compare the specification with the structs."""
    try:
        specification = msgspec.json.decode(fields.read_bytes(), type=Specification)
    except (OSError, msgspec.MsgspecError) as error:
        refuse("openrtb_coverage", error)
    found = coverage(specification, ignored_fields())
    for name in ("unknown", "stale", *(("read",) if verbose else ())):
        for message, field in sorted(getattr(found, name)):
            typer.echo(f"{name}: {message}.{field}", err=True)
    typer.echo(msgspec.json.encode(found.summary()).decode())
    if found.unknown or found.stale:
        raise typer.Exit(1)


def ignored_fields(path: Path = _IGNORED) -> dict[Key, str]:
    """Return why each field that is ignored on purpose is."""
    listed = msgspec.yaml.decode(path.read_bytes(), type=dict[str, dict[str, str]])
    return {
        (message, name.strip()): reason
        for message, reasons in listed.items()
        for names, reason in reasons.items()
        for name in names.split(",")
    }


def coverage(specification: Specification, ignored: Mapping[Key, str]) -> Coverage:
    """Return what became of each field."""
    known = specification.keys()
    read = {*_read(specification), *written_fields()} & known
    extensions = {key for key in known if key[1] == "ext" and f"{key[0]}.Ext" not in specification.messages}
    every = {message: reason for (message, name), reason in ignored.items() if name == "*"}
    listed = {key for key in known - read if key in ignored or key[0] in every or key in extensions}
    named = {key for key in ignored if key[1] != "*"}
    stale = {key for key in named if key in read or key not in known}
    return Coverage(read, listed, known - read - listed, stale)


def _read(specification: Specification) -> Iterator[Key]:
    """Yield the fields that structs have."""
    yield from _of(specification, "BidRequest", BidRequest)
    yield from _of(specification, "BidResponse", BidResponse)
    yield from _of(specification, "BidResponse", NoBidResponse)
    yield "BidRequest.Native", NATIVE_REQUEST  # in the binary form, where JSON has an object as `request`
    yield from _of(specification, "NativeRequest", native.NativeRequest)
    yield from _of(specification, "NativeRequest.Asset", native.Asset)  # they are read one by one


def _of(specification: Specification, message: str, struct: type[msgspec.Struct]) -> Iterator[Key]:
    for name, hint in typing.get_type_hints(struct).items():
        yield message, name
        inner = specification.inner(message, name)
        for one in _structs(hint) if inner else ():
            yield from _of(specification, inner, one)


def _structs(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs in a type annotation."""
    if typing.get_origin(hint) is None and isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in typing.get_args(hint):
        yield from _structs(part)


if __name__ == "__main__":
    typer.run(main)
