"""What a page tells its reader to run, by heading."""

from __future__ import annotations

import re
from pathlib import Path

_HEADING = re.compile(r"^#+ +(.*?) *$")
_FENCE = re.compile(r"^```(\w*)$")
_SHELL = ("", "sh", "bash", "shell", "console")


def blocks(page: Path) -> dict[str, list[str]]:
    """Return the shell blocks of a page by the heading they stand under; other blocks name their language."""
    found: dict[str, list[str]] = {}
    heading, fenced, language = "", False, ""
    lines: list[str] = []
    for line in page.read_text().splitlines():
        if fence := _FENCE.match(line):
            if fenced and language in _SHELL:
                found.setdefault(heading, []).append("\n".join(lines) + "\n")
            fenced, language, lines = not fenced, fence[1], []
        elif fenced:
            lines.append(line)
        elif title := _HEADING.match(line):
            heading = title[1]
    return found
