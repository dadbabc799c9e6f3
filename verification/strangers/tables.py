"""Tables from others: read correctly, or refused with the line and the problem."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines import train_ctr
from pipelines.ctr_training.ipinyou_table import read_table
from rtb.tables import BadTable
from verification.strangers import auction_logs, logs_of_requests, trainings
from verification.strangers.case import Case
from verification.strangers.in_process import Ran

Rows = list[dict[str, str]]

_ROW = {
    "click": "0",
    "weekday": "2",
    "hour": "13",
    "useragent": "android_safari",
    "IP": "10.1.0.*",
    "region": "3",
    "city": "7",
    "domain": "null",
    "slotid": "318719490",
    "slotwidth": "320",
    "slotheight": "50",
    "slotvisibility": "FirstView",
    "creative": "11908",
    "advertiser": "2997",
    "slotprice": "5",
}
_BROWSER = (
    "Mozilla/5.0 (Linux; Android 4.2; GT-I9100) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30"
)
_TEXTS = ("useragent", "IP", "domain", "slotvisibility")
_NUMBERS = [name for name in _ROW if name not in _TEXTS]


def cases() -> list[Case]:
    """Return all cases of tables, auction logs and trainings."""
    same = [Case("tables understood", name, partial(_same, write)) for name, write in _written().items()]
    wrong = [Case("tables refused", name, partial(_refused, content, told)) for name, content, told in _contents()]
    cells = [Case("cells refused", f"{name} {value!r}", partial(_bad_cell, name, value)) for name, value in _cells()]
    places = [Case("tables refused", "a folder", _folder), Case("tables refused", "a pipe nobody writes to", _pipe)]
    places.append(Case("tables refused", "a name that is markup and commands to the terminal", _markup))
    return [*same, *wrong, *cells, *places, *logs_of_requests.cases(), *auction_logs.cases(), *trainings.cases()]


def rows(count: int = 6) -> Rows:
    """Return impressions that differ in city and floor, with the odd ones clicked."""
    return [{**_ROW, "click": str(n % 2), "city": str(n), "slotprice": str(5 * n)} for n in range(count)]


def text(
    table: Sequence[dict[str, str]], delimiter: str = "\t", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL
) -> bytes:
    """Return a table as bytes."""
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, list(table[0]), delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(table)
    return written.getvalue().encode()


def _changed(**values: str) -> bytes:
    return text([{**row, **values} for row in rows()])


def _floats(table: Rows) -> Rows:
    return [{name: f"{value}.0" if name in _NUMBERS else value for name, value in row.items()} for row in table]


def _parquet(path: Path) -> None:
    table = pd.DataFrame(rows()).astype(dict.fromkeys(_NUMBERS, float))
    table["domain"] = None
    table.to_parquet(path)


def _written() -> dict[str, bytes | Callable[[Path], None]]:
    """Return other forms of the plain table, by name."""
    plain = text(rows())
    spelled = {f"absent written {word!r}": _changed(domain=word) for word in ("", "Null", "NULL", "NaN", "nan", "None")}
    spelled |= {f"absent written {word!r}": _changed(domain=word) for word in (r"\N", "NA", "N/A", "<NA>", "#N/A")}
    reordered = [dict(reversed(row.items())) for row in rows()]
    return spelled | {
        "floors and all other numbers as 5.0": text(_floats(rows())),
        "a byte order mark": b"\xef\xbb\xbf" + plain,
        "CRLF": plain.replace(b"\n", b"\r\n"),
        "gzip": gzip.compress(plain),
        "gzip of a byte order mark and CRLF": gzip.compress(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")),
        "commas": text(rows(), ","),
        "semicolons": text(rows(), ";"),
        "bars": text(rows(), "|"),
        "every cell quoted": text(rows(), quoting=csv.QUOTE_ALL),
        "every cell quoted, with commas and CRLF": text(rows(), ",", "\r\n", csv.QUOTE_ALL),
        "no end of the last line": plain.rstrip(b"\n"),
        "blank lines": plain.replace(b"\n", b"\n\n") + b"\n\n",
        "rows of empty cells behind": plain + b"\t" * (len(_ROW) - 1) + b"\n",
        "columns in another order": text(reordered),
        "columns in capital letters": text([{name.upper(): value for name, value in row.items()} for row in rows()]),
        "blanks around the columns' names": text([{f" {name} ": row[name] for name in row} for row in rows()]),
        "a column more": text([{**row, "note": "a, \"b\" and\nc"} for row in rows()]),
        "pandas' index before": pd.DataFrame(rows()).to_csv(sep="\t").encode(),
        "clicks as True and False": text([{**row, "click": str(row["click"] == "1")} for row in rows()]),
        "whole User-Agent headers": _changed(useragent=_BROWSER),
        "Parquet, numbers as floats and absent ones as nulls": _parquet,
    }  # fmt: skip


def _contents() -> list[tuple[str, bytes, tuple[str, ...]]]:
    """Return files that are not tables, and parts of the expected message."""
    plain = text(rows())
    line = plain.split(b"\n")[1]
    return [
        ("nothing", b"", ("no column click", "names none")),
        ("a first line alone", plain.split(b"\n")[0] + b"\n", ("no impression",)),
        ("no first line", line + b"\n" + line + b"\n", ("no column click", "318719490")),
        ("UTF-16", plain.decode().encode("utf-16"), ("UTF-16", "UTF-8")),
        ("UTF-16, high bytes first", b"\xfe\xff" + plain.decode().encode("utf-16-be"), ("UTF-16",)),
        ("UTF-16 without a mark", plain.decode().encode("utf-16-le"), ("line 1", "NUL bytes")),
        ("UTF-32", plain.decode().encode("utf-32"), ("UTF-32",)),
        ("a Latin-1 cell", plain + line.replace(b"null", b"caf\xe9") + b"\n", ("line 8", "not UTF-8")),
        ("a NUL byte", plain + line.replace(b"null", b"\0") + b"\n", ("line 8", "NUL")),
        ("a spreadsheet", b"PK\x03\x04" + os.urandom(99), ("spreadsheet",)),
        ("an old spreadsheet", b"\xd0\xcf\x11\xe0" + os.urandom(99), ("spreadsheet",)),
        ("bzip2", bz2.compress(plain), ("bzip2",)),
        ("xz", lzma.compress(plain), ("xz",)),
        ("gzip cut off", gzip.compress(plain + (line + b"\n") * 50)[:-12], ("after line", "gzip")),
        ("gzip twice", gzip.compress(gzip.compress(plain)), ("twice",)),
        ("damaged Parquet", b"PAR1" + os.urandom(200) + b"PAR1", ("Parquet",)),
        ("a column twice", plain.replace(b"city", b"click", 1), ("more than one column click",)),
        ("a column twice but for its case", plain.replace(b"city", b"Click", 1), ("more than one column click",)),
        ("no column hour", plain.replace(b"hour", b"time", 1), ("no column hour", "names click, weekday, time")),
        ("a cell too few", plain + line.rpartition(b"\t")[0] + b"\n", ("line 8", "14 columns, not 15")),
        ("a cell too many", plain + line + b"\tmore\n", ("line 8", "16 columns, not 15")),
        ("a quotation mark that does not end", plain.replace(b"null", b'"null', 1), ("line 2", "quotation mark")),
        ("CR alone", plain.replace(b"\n", b"\r"), ("CR",)),
        ("a line of 9 MB", plain + b"x" * 9_000_000, ("line 8", "longer than")),
        ("JSON", b'{"click": 1}\n' * 9, ("no column click",)),
        ("terminal commands as columns", b"\x1b[2Jclick\tb\n1\t2\n", ("no column click", "\\x1b[2J")),
    ]  # fmt: skip


def _cells() -> list[tuple[str, str]]:
    floors = ["5.5", "five", "-5", "1e3", "5,0", "5000000", "50-11", "11-5000000", "11-"]
    absent = [("slotprice", word) for word in ("", "NaN", "null")]
    others = {
        "click": ["2", "yes", "-1", "0.5", "NaN"],
        "hour": ["24", "-1", "noon", "13.5"],
        "weekday": ["7", "Monday", "-1"],
        "slotwidth": ["0", "wide", "-320", "1e9", "NaN"],
        "slotheight": ["0", "50px"],
        "creative": ["", "NaN"],
        "advertiser": ["", "None"],
    }
    wrong = [("slotprice", floor) for floor in floors]
    return [*wrong, *absent, *((name, value) for name, values in others.items() for value in values)]


def _same(written: bytes | Callable[[Path], None], folder: Path) -> str | None:
    """Read another form, and compare it with the plain table."""
    (folder / "plain").write_bytes(text(rows()))
    if isinstance(written, bytes):
        (folder / "table").write_bytes(written)
    else:
        written(folder / "table")
    plain = read_table(folder / "plain")
    try:
        found = read_table(folder / "table")
    except BadTable as error:
        return f"refused: {error}"
    if not np.array_equal(found.click, plain.click):
        return f"clicks are {found.click.tolist()}, not {plain.click.tolist()}"
    columns = (found.rows != plain.rows).any(axis=0)
    return f"features {np.flatnonzero(columns).tolist()} differ from the plain table's" if columns.any() else None


def _refused(content: bytes, told: tuple[str, ...], folder: Path) -> str | None:
    (folder / "table").write_bytes(content)
    return _training(folder / "table", folder).refused("train_ctr: ", *told)


def _bad_cell(name: str, value: str, folder: Path) -> str | None:
    table = rows()
    table[3][name] = value
    (folder / "table").write_bytes(text(table))
    return _training(folder / "table", folder).refused("table, line 5", name)


def _training(table: Path, folder: Path) -> Ran:
    return Ran(train_ctr.main, "--data", table, "--out", folder / "out", var_dir=folder / "var")


def _folder(folder: Path) -> str | None:
    return _training(folder, folder).refused("train_ctr: ")


def _pipe(folder: Path) -> str | None:
    os.mkfifo(folder / "table")
    return _training(folder / "table", folder).refused("not a regular file")


def _markup(folder: Path) -> str | None:
    table = folder / "[red]\x1b[2J.tsv"
    table.write_bytes(text(rows()) + b"1\n")
    ran = _training(table, folder)
    return "control characters" if "\x1b[2J" in "".join(ran.lines) else ran.refused("[red]\\x1b[2J.tsv, line 8")
