"""docs/security.md: every control has a test, every test that it names is there, and no chapter is without a line."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from raybid.local.environment import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.partition("## Ports")[0].splitlines() if re.match(r"\| (?:API|V)\d", line)]


@cache
def _tests_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    named = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in named if name.startswith("test_"))


@pytest.mark.parametrize("row", ROWS)
def test_a_control_names_tests_that_are_there(row: str) -> None:
    _, _, control, held_by, _ = row.split("|")
    assert control.strip()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", held_by)
    assert named and len(named) == held_by.count("`") // 2
    assert [name for path, name in named if name not in _tests_in(path)] == []


def test_no_chapter_is_without_a_line() -> None:
    chapters = {re.match(r"\| ((?:API|V)\d+)", row)[1] for row in ROWS}  # type: ignore[index]
    left_out = set(re.findall(r"V\d+", PAGE.partition("Left out of ASVS")[2].partition("\n")[0]))
    wanted = {f"API{number}" for number in range(1, 11)} | {f"V{number}" for number in range(1, 18)}
    assert chapters == wanted - left_out
    assert left_out == {"V10", "V17"}
