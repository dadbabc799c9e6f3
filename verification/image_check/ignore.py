"""Which files of the build's context there are: `.dockerignore`.

Docker's rules: lines in order, the last that matches a file or a folder above it decides, `!` takes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


class Context:
    """Files that a COPY can take.

    Args:
        folder: the build's context.
        rules: lines of `.dockerignore`.
    """

    def __init__(self, folder: Path, rules: list[str]) -> None:
        self.folder = folder
        lines = [line.strip() for line in rules]
        self._rules = [_rule(line) for line in lines if line and not line.startswith("#")]

    def has(self, path: str) -> bool:
        """Whether a file, by its path from the context, is in it."""
        there = True
        for takes_back, pattern in self._rules:
            if pattern.match(path):
                there = takes_back
        return there

    def files(self, below: str) -> Iterator[Path]:
        """Files at or below a path that are in the context, as paths from it."""
        start = self.folder / below
        found = [start] if start.is_file() else sorted(path for path in start.rglob("*") if path.is_file())
        for path in found:
            name = path.relative_to(self.folder)
            if self.has(name.as_posix()):
                yield name


def _rule(line: str) -> tuple[bool, re.Pattern[str]]:
    takes_back = line.startswith("!")
    glob = line.removeprefix("!").strip("/")
    text = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?)", glob):
        text += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return takes_back, re.compile(rf"{text}(?:/.*)?\Z")
