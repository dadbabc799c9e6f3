"""Untrusted text in the terminal."""

from __future__ import annotations

from rich.text import Text

from rtb.runtime.text import visible


def plain(text: object, style: str = "") -> Text:
    """Return text for `rich` without markup and terminal control sequences."""
    return Text(visible(text), style=style)
