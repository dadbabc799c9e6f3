"""Text of docstrings and help as cells of tables in Markdown take it."""

from __future__ import annotations

import re


def cell(text: object) -> str:
    """One line without a sign that a table or HTML would take for its own; what is between backticks stays code.

    Backticks become tags: Markdown would escape what is between them a second time.
    """
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", plain)
