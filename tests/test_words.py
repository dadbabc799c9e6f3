"""Words of a dialect that the field does not speak stay out of code, comments and documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raybid.local.environment import ROOT

WORDS = (
    "_is_short",
    "daybook",
    "held again",
    "hold again",
    "no door",
    "reckoning",
    "rehearse",
    "relist",
    "repace",
    "rerate",
    "showpiece",
    "striker",
    "take up",
    "thrice",
    "undisturbed",
    "weighed",
    "whosoever",
)


def texts() -> list[Path]:
    """Return the Python files and pages of the repository, but for this one and what is of the past."""
    rooms = [room for room in ROOT.glob("[a-z]*/") if room.name not in ("build", "dist", "var")]
    found = [path for room in rooms for suffix in ("py", "md") for path in room.rglob(f"*.{suffix}")]
    return [path for path in (*found, *ROOT.glob("*.md")) if path not in (Path(__file__), ROOT / "CHANGELOG.md")]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_is_gone_does_not_come_back(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE if word.islower() else 0)
    assert [str(path.relative_to(ROOT)) for path in texts() if pattern.search(path.read_text())] == []
