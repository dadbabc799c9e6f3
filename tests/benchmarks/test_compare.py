"""A change that made the platform slower is told from one that did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer import Exit

from benchmarks.compare import compare, main, summary

_BEFORE = {"ratio_composed": 0.4, "ratio_colocated": 0.9, "failed": 0}


@pytest.mark.parametrize(
    ("after", "worse"),
    [
        ({"ratio_composed": 0.31, "ratio_colocated": 0.9}, []),
        ({"ratio_composed": 0.29, "ratio_colocated": 1.8}, ["ratio_composed"]),
        ({"ratio_composed": 0.1, "ratio_colocated": 0.1}, ["ratio_composed", "ratio_colocated"]),
    ],
)
def test_a_ratio_that_fell_too_far_is_named(after: dict[str, float], worse: list[str]) -> None:
    assert compare(_BEFORE, after, 0.25)["worse"] == worse


@pytest.mark.parametrize("after", [{}, {"ratio_composed": 0, "ratio_colocated": 1}, {"ratio_composed": "fast"}])
def test_a_run_without_figures_is_an_error(after: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(_BEFORE, after, 0.25)


def test_the_last_line_is_what_counts_and_failures_fail(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_text(json.dumps(_BEFORE))
    after.write_text(f"a table\n{json.dumps(_BEFORE)}\n")
    main(before, after)
    after.write_text(json.dumps(_BEFORE | {"failed": 2}))
    with pytest.raises(Exit):
        main(before, after)
    after.write_text("Traceback\n")
    with pytest.raises(ValueError, match="did the run fail"):
        summary(after)
