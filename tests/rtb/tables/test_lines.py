"""Lines of text come as they are written, whatever packs them; what is no text is told by name."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.tables import BadTable, read_lines
from rtb.tables.lines import MAX_LINE_BYTES

LINES = st.lists(st.text('ab\t,"é😀 \r', max_size=9).map(lambda text: f"{text}\n".encode()), max_size=9)


@given(LINES, st.booleans(), st.booleans())
def test_every_line_comes_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], bom: bool, packed: bool
):
    path = tmp_path_factory.mktemp("lines") / "file"
    content = (b"\xef\xbb\xbf" if bom else b"") + b"".join(lines)
    path.write_bytes(gzip.compress(content) if packed else content)
    told: list[int] = []
    assert list(read_lines(path, told.append)) == list(enumerate(lines, 1))
    assert 0 <= sum(told) <= path.stat().st_size
    assert packed or sum(told) == sum(map(len, lines))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a\tb\n".encode("utf-16"), "UTF-16"),
        ("a\tb\n".encode("utf-32"), "UTF-32"),
        (b"\xfe\xff\0a", "UTF-16"),
        (bz2.compress(b"a"), "bzip2"),
        (lzma.compress(b"a"), "xz"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"PAR1rest", "Parquet"),
        (gzip.compress(b"PAR1rest", mtime=0), "Parquet.* within gzip"),
        (gzip.compress(gzip.compress(b"a\n", mtime=0), mtime=0), "twice"),
        (gzip.compress(b"a\n" * 9_999, mtime=0)[:-9], "after line .*cut off"),
        (gzip.compress(b"a\n", mtime=0)[:12] + b"rubbish and more of it", "damaged"),
        (b"a" * (MAX_LINE_BYTES + 1), "line 1: longer than"),
        (b"a\n" + b"a\r" * MAX_LINE_BYTES, "line 2: longer than .* CR alone"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, told: str):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadTable, match=told):
        list(read_lines(tmp_path / "file"))


def test_a_missing_file_and_a_folder_are_the_systems_errors(tmp_path: Path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(OSError, match=path.name):
            list(read_lines(path))
