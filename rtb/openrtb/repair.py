"""Repair of JSON that careless callers send: a byte order mark before it, and lone surrogates in its texts.

A lone surrogate is half of a character, and no text: serializers write one where a text was cut by its length.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from rtb.openrtb.bounds import read_json

UNREADABLE = "\uffff"
"""Replacement of a lone surrogate, which Unicode reserves from being a character; a text with it cannot be read."""

_BOM = b"\xef\xbb\xbf"

_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\xed[\xa0-\xbf][\x80-\xbf]",
    re.DOTALL,
)
"""First what stays: pairs of surrogates, and all other escapes, so that a backslash that is escaped begins none."""


def repaired(text: bytes) -> bytes | None:
    """Return JSON without a byte order mark and without lone surrogates; `None` where it has neither."""
    whole = text.removeprefix(_BOM)
    if b"\\" in whole or b"\xed" in whole:
        mark = UNREADABLE.encode()
        whole = _ESCAPES.sub(lambda found: found[1] or mark, whole)
    return None if whole == text else whole


def read_text(text: str) -> Any:
    """Return the JSON in a string, repaired where it needs it.

    Raises:
        DecodeError: it is not JSON, of msgspec.
    """
    try:
        return read_json(text)
    except msgspec.DecodeError:
        mended = repaired(text.encode())
        if mended is None:
            raise
        return read_json(mended)
