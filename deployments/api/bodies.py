"""Reading bodies within limits, and the version a change is for."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import Header, Request

from deployments.api.problems import Problem
from deployments.intake import Crowded, LargeBody, SlowBody, read_body

MAX_BYTES = 256_000
MAX_BATCH_BYTES = 2_000_000
_MAX_DEPTH = 32

MOST_VALUES = 50_000
"""Values in one body, counted by its commas: more than the largest batch of slots and the largest campaign need."""

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_PLAIN = bytes(octet for octet in range(256) if octet not in b'"[]{}')
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line ends, and signs that turn the direction of a text."""
_HIDDEN_IN_MARKUP = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ESCAPES = re.compile(rb"[\\\x7f]")
_TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')
_TAGS = re.compile(rf"[ \t,]*{_TAG.pattern}(?:[ \t]*,[ \t,]*{_TAG.pattern})*[ \t,]*")
_VERSION = re.compile(r'"([0-9]{1,18})"')

IfMatch = Annotated[str | None, Header(description='the version to change, as the ETag said it: `"3"`')]


async def read(request: Request, most: int = MAX_BYTES) -> bytes:
    """Return the body, unless it holds too many values or is nested too deeply to be decoded.

    Raises:
        Problem: 408, 413, 422 or 429.
    """
    close = {"Connection": "close"}
    try:
        body = await read_body(request.receive, most)
    except LargeBody as error:
        raise Problem(413, str(error), "body-too-large", close) from error
    except SlowBody as error:
        raise Problem(408, str(error), "body-slow", close) from error
    except Crowded as error:
        raise Problem(429, str(error), "bodies-waiting", {**close, "Retry-After": "1"}) from error
    if body.count(b",") > MOST_VALUES:
        raise Problem(422, f"the body holds more than {MOST_VALUES} values", "body-invalid")
    if depth(body) > _MAX_DEPTH:
        raise Problem(422, f"the body is nested more than {_MAX_DEPTH} deep", "body-invalid")
    _refuse_controls(body)
    return body


def decode(body: bytes, kind: Any) -> Any:
    """Decode a body to a type.

    Raises:
        Problem: 422, naming the field.
    """
    try:
        return msgspec.json.Decoder(kind, float_hook=float).decode(body)  # by itself slow with such as 1e300
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(422, str(error), "body-invalid") from error


def _refuse_controls(body: bytes) -> None:
    """Refuse texts with invisible characters: they end up in headers, logs, pages and paths. Markup may have lines.

    Raises:
        Problem: 422, naming the field.
    """
    if body.isascii() and not _ESCAPES.search(body):
        return  # JSON has no other way to say them
    try:
        waiting: list[tuple[str, Any]] = [("$", msgspec.json.decode(body))]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return  # whoever decodes it says what is wrong
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            hidden = _HIDDEN_IN_MARKUP if place.endswith(".adm") else _HIDDEN
            if hidden.search(value):
                raise Problem(422, f"a text has control characters - at `{place[:200]}`", "body-invalid")
        elif isinstance(value, dict):
            waiting += ((f"{place}.{name}", one) for name, one in value.items())
            waiting += ((place, name) for name in value)
        elif isinstance(value, list):
            waiting += ((f"{place}[...]", one) for one in value)


def depth(body: bytes) -> int:
    """Return how deep JSON is nested, or what claims to be JSON; brackets in texts do not count."""
    marks = np.frombuffer((_ESCAPED.sub(b"", body) if b"\\" in body else body).translate(None, _PLAIN), np.uint8)
    is_outside = np.logical_xor.accumulate(marks == ord('"')) == 0
    opening = ((marks == ord("[")) | (marks == ord("{"))) & is_outside
    closing = ((marks == ord("]")) | (marks == ord("}"))) & is_outside
    levels = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32))
    return int(levels.max(initial=0))


def versions_of(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that an `If-Match` names (RFC 9110, 13.1.1); None where any will do, or without the header.

    A tag that is weak, or that we never gave, is no version of ours: of a header with no other, no version will do.

    Raises:
        Problem: 400, it is no `If-Match`.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    if not _TAGS.fullmatch(if_match):
        raise Problem(
            400, 'If-Match is an ETag such as "3", several with commas between them, or *', "if-match-invalid"
        )
    return frozenset(int(tag[1:-1]) for tag in _TAG.findall(if_match) if _VERSION.fullmatch(tag))


def needed_versions(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that an `If-Match` names, which must be there: see `versions_of`.

    Raises:
        Problem: 400, or 428 without it.
    """
    if if_match is None:
        raise Problem(428, 'If-Match is missing: send the ETag of the campaign, such as "3"', "if-match-missing")
    return versions_of(if_match)
