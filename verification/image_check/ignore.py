"""The files of the build's context by `.dockerignore`.

Docker's rules: lines in order, the last one that matches a file or a folder above it decides, `!` re-includes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


class Context:
    """The files that a COPY can use.

    Args:
        folder: folder of the build's context.
        rules: lines of `.dockerignore`.
    """

    def __init__(self, folder: Path, rules: list[str]) -> None:
        self.folder = folder
        lines = [line.strip() for line in rules]
        self._rules = [_rule(line) for line in lines if line and not line.startswith("#")]

    def has(self, path: str) -> bool:
        """Return whether a file, by its path in the context, is included."""
        there = True
        for takes_back, pattern in self._rules:
            if pattern.match(path):
                there = takes_back
        return there

    def files(self, below: str) -> Iterator[Path]:
        """Yield the included files at or below a path, as paths in the context."""
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
