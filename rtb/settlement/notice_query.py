"""The parameters of notice URLs, as callers bring them back: escaped, encoded and with more behind them.

What decides about money is in the token. The rest is read so that none of the usual rewriting loses it: `&` as `&amp;`
or `%26`, a `?` that became part of the path, a cache buster after a second `?`. No value of ours contains a separator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

_SEPARATOR = re.compile(r"(?:&(?:amp;|#38;|#x26;)*|[?;])")
_STILL_ENCODED = re.compile(r"%(?:25|26|3[BDFbdf])")

PRICE, CURRENCY, QUANTITY, MIN_TO_WIN = "price", "cur", "qty", "min"
"""Names of the parameters that are read."""


def split_token(text: str) -> tuple[str, str]:
    """Return the token at the end of a path, and the query that a rewritten separator left behind it."""
    found = _SEPARATOR.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def read_query(*queries: bytes | str) -> dict[str, str]:
    """Return the parameters of queries by name, the first of each."""
    found: dict[str, str] = {}
    for query in queries:
        text = query.decode("latin-1") if isinstance(query, bytes) else query
        for part in _SEPARATOR.split(_decoded(text)):
            name, equals, value = part.partition("=")
            if equals:
                found.setdefault(name.strip(), value)
    return found


def value_of(query: Mapping[str, str], name: str) -> str | None:
    """Return a parameter; `None` where it is missing, empty, or its macro was left in place."""
    value = query.get(name, "").strip()
    return None if not value or value.startswith("${") else value


def _decoded(text: str) -> str:
    """Return a query decoded once, or twice where its separators were encoded twice."""
    text = unquote(text.replace("+", " "), "latin-1")
    return unquote(text, "latin-1") if _STILL_ENCODED.search(text) else text
