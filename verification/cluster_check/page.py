"""The shell commands of a page of the docs, by the heading that they stand below."""

from __future__ import annotations

import re
from pathlib import Path

_PARTS = re.compile(r"^#{2,4} +(?P<heading>.+?) *$|^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
_SHELL = ("", "sh", "bash", "shell", "console")


def blocks(page: Path) -> dict[str, list[str]]:
    """Return the shell blocks of a page by heading; other blocks name their language after the opening fence."""
    found: dict[str, list[str]] = {}
    heading = ""
    for part in _PARTS.finditer(page.read_text()):
        if part["heading"]:
            heading = part["heading"]
        elif part["kind"] in _SHELL:
            found.setdefault(heading, []).append(part["body"])
    return found
