"""Every case of strangers' tables, logs and trainings comes out right."""

from __future__ import annotations

from pathlib import Path

import pytest

from verification.strangers.case import Case
from verification.strangers.tables import cases

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[f"{case.group}: {case.name}" for case in CASES])
def test_it_comes_out_right(case: Case, tmp_path: Path) -> None:
    assert case.check(tmp_path) is None


def test_each_has_a_name_of_its_own() -> None:
    assert len({(case.group, case.name) for case in CASES}) == len(CASES) >= 40
