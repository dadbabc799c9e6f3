"""Others' text in the terminal."""

from __future__ import annotations

from rich.text import Text

from rtb.runtime.text import visible


def plain(text: object, style: str = "") -> Text:
    """Return text for `rich` that is neither markup nor a command to the terminal."""
    return Text(visible(text), style=style)
