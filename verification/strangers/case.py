"""One case: what somebody does, and whether it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """Something that somebody does.

    Attributes:
        group: subject.
        name: what is done; unique within its group.
        check: function that tries it in an empty folder; it returns None, or what is wrong in a sentence.
    """

    group: str
    name: str
    check: Callable[[Path], str | None]
