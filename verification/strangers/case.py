"""One case: what somebody does, and whether it comes out right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """What somebody does.

    Attributes:
        group: what it is about.
        name: what is done, for people; unique within its group.
        check: does it, in an empty folder of its own; none where it came out right, else what is wrong, in a sentence.
    """

    group: str
    name: str
    check: Callable[[Path], str | None]
