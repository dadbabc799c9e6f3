"""Untrusted text made harmless for terminals, spreadsheets and plots."""

from __future__ import annotations

import html
import unicodedata
from typing import Any

_JOINERS = frozenset("\u200c\u200d")
"""Characters that only control how letters and emoji join."""

_HIDDEN = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Prefixes that a spreadsheet takes for a formula, full-width forms included."""

_OF_TRACES = ("name", "x", "y", "text", "hovertext", "customdata", "labels", "parents", "legendgroup")
_OF_AXES = ("categoryarray", "ticktext")


def visible(text: object, most: int | None = None) -> str:
    """Return text on one line, with control, invisible and direction-changing characters escaped.

    Args:
        text: untrusted text.
        most: most characters kept; none: all.
    """
    whole = str(text)
    kept = whole if most is None else whole[:most]
    shown = kept if kept.isprintable() else "".join(_escaped(char) if _is_hidden(char) else char for char in kept)
    return shown if len(kept) == len(whole) else f"{shown}... ({len(whole)} characters)"


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN and char not in _JOINERS


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def csv_cell(value: Any) -> Any:
    """Return a value for a CSV file, with an apostrophe before text that a spreadsheet would run as a formula."""
    if not isinstance(value, str) or not value.lstrip(" ").startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def escaped_figure(figure: Any) -> Any:
    """Return a Plotly figure with its data escaped: Plotly reads names and labels as markup.

    Templates and titles are ours and stay unescaped.
    """
    for trace in figure.data:
        _unmark(trace, _OF_TRACES)
    figure.for_each_xaxis(lambda axis: _unmark(axis, _OF_AXES))
    figure.for_each_yaxis(lambda axis: _unmark(axis, _OF_AXES))
    figure.for_each_annotation(lambda note: _unmark(note, ("text",)))
    return figure


def _unmark(part: Any, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in part and part[field] is not None:
            part[field] = _literal(part[field])


def _literal(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value, quote=False)
    if isinstance(value, list | tuple) or getattr(getattr(value, "dtype", None), "kind", "") in ("O", "U", "T"):
        return [_literal(one) for one in value]
    return value
