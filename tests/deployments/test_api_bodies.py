"""How deep a body is nested, told without decoding it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deployments.api.bodies import depth

_texts = st.text(alphabet='[]{}"\\a\n', max_size=8)
_values = st.recursive(
    _texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3), max_leaves=20
)


@given(_values)
def test_brackets_in_texts_do_not_count(value: Any) -> None:
    assert depth(json.dumps(value).encode()) == _depth(value)


def test_what_is_cut_short_is_as_deep_as_it_came() -> None:
    assert depth(b'[[{"a": "[[[') == 3
    assert depth(b"") == 0


def _depth(value: Any) -> int:
    if isinstance(value, str):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0)
