"""Text of docstrings and help as Markdown table cells."""

from __future__ import annotations

import re


def cell(text: object) -> str:
    """Return one line without characters that a table or HTML would interpret; text between backticks stays code.

    Backticks become tags: Markdown would escape the text between them a second time.
    """
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", plain)
