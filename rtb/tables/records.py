"""Records of a CSV, TSV or Parquet table: each a mapping of column to text, a few at a time in memory."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rtb.runtime.text import visible
from rtb.tables.lines import MAX_LINE_BYTES, PARQUET, BadTable, OnBytes, ignore, read_lines
from rtb.tables.values import BadLine

_SHOWN_NAMES, _SHOWN_CHARACTERS = 40, 60
_PARQUET_ROWS = 4_096  # in memory at a time
_DELIMITERS = ",;|"

OnBad = Callable[[str, BadLine], None]
"""Callback with the place of an unusable record, such as `line 3`, and the reason."""


class Record(NamedTuple):
    """A row.

    Attributes:
        place: `line 3`, `lines 3 to 5`, or `row 3` of a file without lines.
        values: text by column name in lower case; empty rows are skipped.
    """

    place: str
    values: dict[str, str]


def read_records(
    path: Path,
    needed: Sequence[str],
    *,
    on_bad: OnBad,
    unnamed: Sequence[str] = (),
    on_bytes: OnBytes = ignore,
) -> Iterator[Record]:
    """Yield the records of a table in order.

    Args:
        path: CSV or TSV in UTF-8, plain or gzip, or Parquet. Cells may be quoted; the first line decides
            the delimiter: tabs if it has any, else commas, semicolons or bars.
        needed: required columns, in any case.
        on_bad: callback for each record that has the wrong number of cells or is not UTF-8; it may raise.
        unnamed: columns of a file without a header.
        on_bytes: callback with the number of bytes just read, for a progress bar.

    Raises:
        BadTable: a column is missing or occurs twice, or the file cannot be read any further.
        OSError: it cannot be read.
    """
    if _is_parquet(path):
        yield from _of_parquet(path, needed, on_bytes)
    else:
        yield from _Text(path, on_bad, on_bytes).records(needed, unnamed)


def _is_parquet(path: Path) -> bool:
    if not path.is_file():  # a pipe cannot be read twice
        return False
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


class _Text:
    """A text table read by the `csv` module, which gets decoded lines only."""

    def __init__(self, path: Path, on_bad: OnBad, on_bytes: OnBytes) -> None:
        self._path, self._on_bad = path, on_bad
        self._lines = read_lines(path, on_bytes)
        self._wrong = ""  # what is wrong with a line of the record that is being read

    def records(self, needed: Sequence[str], unnamed: Sequence[str]) -> Iterator[Record]:
        lines = self._decoded()
        blank, first = next(((n, line) for n, line in enumerate(lines) if line.strip()), (0, ""))
        rows = self._rows(itertools.chain([first], lines), _delimiter_of(first), blank)
        place, names = next(rows, ("line 1", []))
        if self._wrong and not unnamed:
            raise BadTable(f"{self._path}, {place}: {self._wrong}")
        header = _header(self._path, names, needed, unnamed)
        if header is None:
            header, rows = list(unnamed), itertools.chain([(place, names)], rows)
        else:
            self._wrong = ""
        for place, cells in rows:
            wrong, self._wrong = self._wrong, ""
            if not wrong and len(cells) != len(header):
                wrong = f"{len(cells)} columns, not {len(header)}"
            if wrong:
                self._on_bad(place, BadLine(wrong))
            else:
                yield Record(place, dict(zip(header, cells, strict=True)))

    def _decoded(self) -> Iterator[str]:
        for _, line in self._lines:
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self._wrong, text = "not UTF-8", line.decode(errors="replace")
            if "\0" in text:
                self._wrong, text = "it has NUL bytes: is this text, in UTF-8?", text.replace("\0", "?")
            yield text

    def _rows(self, lines: Iterator[str], delimiter: str, before: int) -> Iterator[tuple[str, list[str]]]:
        """Yield the place and cells of each non-empty row; `before` is the number of lines already read."""
        csv.field_size_limit(MAX_LINE_BYTES)
        reader, start = csv.reader(lines, delimiter=delimiter, strict=True), before + 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if "expected after" not in str(error):  # the rest of the file is quoted
                    raise BadTable(f"{self._path}, line {start}: {_explained(error)}") from error
                self._on_bad(f"line {start}", BadLine("a quotation mark that ends within a cell"))
                self._wrong, cells = "", []
            if cells is None:
                return
            end = before + reader.line_num
            if any(cell.strip() for cell in cells):
                # A stray quotation mark may join more lines than meant.
                yield f"line {start}" if start == end else f"lines {start} to {end}", cells
            start = end + 1


def _delimiter_of(line: str) -> str:
    if "\t" in line:
        return "\t"
    return max(_DELIMITERS, key=line.count)


def _explained(error: csv.Error) -> str:
    if "new-line" in str(error):
        return "a CR within the line: lines end with LF or CRLF"
    return "a quotation mark that begins there does not end"


def _header(path: Path, names: Sequence[str], needed: Sequence[str], unnamed: Sequence[str]) -> list[str] | None:
    """Return the column names in lower case; `None` where the first row is a record already."""
    header = [name.strip().lower() for name in names]
    if unnamed and len({*header} & {*unnamed}) < 2:
        return None
    missing = [name for name in needed if name not in header]
    if missing:
        raise BadTable(
            f"{path} has no column {', '.join(missing)}: its first line must name the columns, "
            f"and names {_listed(names) or 'none'}"
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BadTable(f"{path} has more than one column {_listed(twice)}: leave one of them")
    return header


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name, _SHOWN_CHARACTERS) for name in names[:_SHOWN_NAMES])
    return shown + (f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else "")


def _of_parquet(path: Path, needed: Sequence[str], on_bytes: OnBytes) -> Iterator[Record]:
    import pyarrow as pa  # noqa: PLC0415 - takes a while, and few tables are Parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    size, number = path.stat().st_size, 0
    try:
        with pq.ParquetFile(path) as table:
            header = _header(path, table.schema_arrow.names, needed, ())
            for batch in table.iter_batches(batch_size=_PARQUET_ROWS, use_threads=False):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield Record(f"row {number}", dict(zip(header or (), map(_text, row), strict=True)))
                on_bytes(size * len(batch) // max(table.metadata.num_rows, 1))
    except (pa.ArrowException, EOFError, OSError) as error:
        raise BadTable(f"{path}, after row {number}: the Parquet data are damaged ({error})") from error


def _text(value: Any) -> str:
    """Return a cell as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value)
