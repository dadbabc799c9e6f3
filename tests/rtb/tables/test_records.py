"""Records come out of every form of a table as they went in, or the line that is wrong is named."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.tables import BadLine, BadTable, read_records

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)
ROWS = st.lists(st.tuples(CELLS.map("x".__add__), CELLS, CELLS), max_size=6)  # an empty row is no record


def fail(place: str, error: BadLine) -> None:
    pytest.fail(f"{place}: {error}")


def read(path: Path, needed: str = "a b c", unnamed: str = "") -> tuple[list[tuple[str, ...]], list[str]]:
    bad: list[str] = []
    records = read_records(
        path, needed.split(), unnamed=unnamed.split(), on_bad=lambda place, error: bad.append(f"{place}: {error}")
    )
    return [tuple(record.values.values()) for record in records], bad


@given(
    ROWS,
    st.sampled_from(["\t", ",", ";", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, ...]],
    delimiter: str,
    end: str,
    encoding: str,
):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([("a", "b", "c"), *rows])
    path = tmp_path_factory.mktemp("table") / "table"
    content = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(content) if end == "\n" else content)
    assert read(path) == (rows, [])


def test_pandas_tables_are_read_as_text_and_as_parquet(tmp_path: Path):
    table = pd.DataFrame({"a": [1.0, None], "b": ["x", None], "c": [True, False]})
    table.to_csv(tmp_path / "t.csv")
    table.to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.csv")[0] == [("0", "1.0", "x", "True"), ("1", "", "", "False")]
    assert read(tmp_path / "t.parquet")[0] == [("1.0", "x", "1"), ("", "", "0")]
    assert [r.place for r in read_records(tmp_path / "t.parquet", ["A".lower()], on_bad=fail)] == [
        "row 1",
        "row 2",
    ]


def test_parquet_that_is_damaged_or_lacks_a_column_is_refused(tmp_path: Path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": range(9_999)}).to_parquet(path)
    with pytest.raises(BadTable, match=r"no column b.* names a"):
        read(path, "a b")
    content = path.read_bytes()
    for damaged in (content[:-20], b"PAR1" + content[200:]):
        path.write_bytes(damaged)
        with pytest.raises(BadTable, match="Parquet"):
            read(path, "a")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no column a, b, c: .* names none"),
        (b"A,B\n1,2\n", "no column c: .* names A, B$"),
        (b"a,b,c,B\n1,2,3,4\n", "more than one column b"),
        (b'a,b,c\n1,2,"3\n4,5,6\n', "line 2: a quotation mark"),
        (b"a,b,c\r1,2,3\r", "CR"),
        (b"\x1b[31m,b,c\n", r"\\x1b\[31m"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path: Path, content: bytes, told: str):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(BadTable, match=told):
        read(tmp_path / "t")


def test_bad_records_are_told_and_the_others_go_on(tmp_path: Path):
    (tmp_path / "t").write_bytes(b'a,b,c\n\n1,2\n"1\n1",2,3\n,,\n1,\xff,3\n1,\0,3\n1,"2"2,3\n1,"2\n3,4\n5"\n4,5,6\n')
    rows, bad = read(tmp_path / "t")
    assert rows == [("1\n1", "2", "3"), ("4", "5", "6")]
    assert [one.split(":")[0] for one in bad] == ["line 3", "line 7", "line 8", "line 9", "lines 10 to 12"]
    assert "2 columns, not 3" in bad[0]
    assert "not UTF-8" in bad[1]
    assert "NUL" in bad[2]
    assert "quotation mark" in bad[3]


@pytest.mark.parametrize("first", ["", "a\tb\tc\n", "B\tx\tA\n"])
def test_a_first_line_names_the_columns_where_it_names_two_of_them(tmp_path: Path, first: str):
    (tmp_path / "t").write_text(f"{first}1\t2\t3\n")
    (record,) = read_records(tmp_path / "t", ["a", "b"], unnamed=["a", "b", "c"], on_bad=fail)
    assert [record.values[name] for name in "ab"] == (["3", "1"] if first.startswith("B") else ["1", "2"])


def test_on_bad_may_end_it(tmp_path: Path):
    def refuse(place: str, error: BadLine) -> None:
        raise BadTable(f"{place}: {error}")

    (tmp_path / "t").write_text("a,b\n1\n")
    with pytest.raises(BadTable, match="line 2: 1 columns"):
        list(read_records(tmp_path / "t", ["a"], on_bad=refuse))
