"""Files of other programs: lines, tables with or without a header, and the values of their cells.

All such files are read here. A file is understood, or refused with the line and what is wrong.
"""

from __future__ import annotations

from rtb.tables.lines import BadTable, read_lines
from rtb.tables.records import Record, read_records
from rtb.tables.values import BadLine, flag, identifier, is_absent, whole

__all__ = [
    "BadLine",
    "BadTable",
    "Record",
    "flag",
    "identifier",
    "is_absent",
    "read_lines",
    "read_records",
    "whole",
]
