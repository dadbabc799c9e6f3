"""Figures as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rtb.runtime.text import csv_cell


def write_csv(path: Path, kind: Any, figures: Sequence[Any]) -> None:
    """Write a line per record; the fields of their dataclass are the columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows({name: csv_cell(value) for name, value in asdict(one).items()} for one in figures)
