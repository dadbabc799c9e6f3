"""Repair of JSON that careless callers send: a byte order mark before it, and texts that are none.

A lone surrogate is half of a character: serializers write one where a text was cut by its length. So are bytes that are
no UTF-8, which come of a cut or of another encoding.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from rtb.openrtb.bounds import read_json

UNREADABLE = "\uffff"
"""Replacement of what is no character, which Unicode reserves from being a character; a text with it cannot be read."""

_NO_TEXT = re.compile("[\udc80-\udcff]+")
"""What Python puts in the place of bytes that are no UTF-8."""

_BOM = b"\xef\xbb\xbf"

_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
"""First what stays: pairs of surrogates, and all other escapes, so that a backslash that is escaped begins none."""


def repaired(text: bytes) -> bytes | None:
    """Return JSON without a byte order mark, lone surrogates and bytes that are no text; `None` where it has none."""
    whole = text.removeprefix(_BOM)
    if not whole.isascii():
        whole = _NO_TEXT.sub(UNREADABLE, whole.decode("utf-8", "surrogateescape")).encode()
    if b"\\" in whole:
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
