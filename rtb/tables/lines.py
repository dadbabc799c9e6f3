"""The lines of a text file, plain or gzip, one at a time; other formats are refused by name."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

MAX_LINE_BYTES = 8 << 20
"""Most bytes of a line; a longer one is not a line of a table, and would fill the memory."""

PARQUET = b"PAR1"
"""Magic bytes of a Parquet file."""

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 8
_UTF_16 = "text in UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)"
_UTF_32 = "text in UTF-32: save it as UTF-8 (`iconv -f UTF-32 -t UTF-8`)"
_OTHERS = (
    (b"\xff\xfe\0\0", _UTF_32),
    (b"\0\0\xfe\xff", _UTF_32),
    (b"\xff\xfe", _UTF_16),
    (b"\xfe\xff", _UTF_16),
    (PARQUET, "a Parquet file, which is not read here: write it as text"),
    (b"ARROW1", "an Arrow or Feather file: write it as Parquet or as text"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save the sheet as CSV"),
    (b"BZh", "packed with bzip2: unpack it, or pack it with gzip"),
    (b"\xfd7zXZ\0", "packed with xz: unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it, or pack it with gzip"),
)
"""Magic bytes of other formats, and their descriptions."""

OnBytes = Callable[[int], None]


class BadTable(ValueError):
    """An unreadable file, or one unreadable from some line on; the message says where and what is wrong."""


def ignore(count: int) -> None:
    """Do nothing: for callers who show no progress."""


def read_lines(path: Path, on_bytes: OnBytes = ignore) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each line, from 1, and the line with its line end; the byte order mark of UTF-8 is removed.

    Args:
        path: path of a text file, plain or gzip.
        on_bytes: callback with the number of bytes just read, for a progress bar.

    Raises:
        BadTable: the file is of another format, damaged, or has a line of more than `MAX_LINE_BYTES`.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.peek(_HEAD_BYTES)
        _refuse_others(path, head)
        text: BinaryIO = file
        if head.startswith(_GZIP):
            text = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)))
        try:
            yield from _numbered(path, text, file, on_bytes)
        finally:
            if text is not file:
                text.close()


def _numbered(path: Path, text: BinaryIO, file: io.BufferedReader, on_bytes: OnBytes) -> Iterator[tuple[int, bytes]]:
    number, told, is_packed = 0, 0, text is not file
    while line := _next(path, text, number):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
            if is_packed:
                _refuse_others(path, line, " within gzip")
            if not line:
                return
        if len(line) > MAX_LINE_BYTES:
            ends = ": its lines end with CR alone, save it with LF" if b"\r" in line[:-2] else ""
            raise BadTable(f"{path}, line {number}: longer than {MAX_LINE_BYTES:,} bytes{ends}")
        yield number, line
        if is_packed:
            position = file.tell()
            on_bytes(position - told)
            told = position
        else:
            on_bytes(len(line))


def _next(path: Path, text: BinaryIO, number: int) -> bytes:
    try:
        return text.readline(MAX_LINE_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadTable(f"{path}, after line {number}: the gzip data are damaged or cut off ({error})") from error


def _refuse_others(path: Path, head: bytes, within: str = "") -> None:
    for mark, what in _OTHERS:
        if head.startswith(mark):
            raise BadTable(f"{path} is {what}{within}")
    if within and head.startswith(_GZIP):
        raise BadTable(f"{path} is packed with gzip twice: unpack it once")
