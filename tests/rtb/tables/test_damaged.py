"""Whatever happens to a file, its readers read it or refuse it by their own error."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipelines.ctr_training.ipinyou_table import read_table
from pipelines.ingest import NoRows, convert
from rtb.tables import BadTable
from simulation.auction_log import LogError, read_episodes, read_rows
from simulation.exchange.sources import RequestSourceError, from_files
from tests.support import examples
from verification.strangers import auction_logs, logs_of_requests, tables

PLAIN = tables.text(tables.rows())
PIECES = st.sampled_from(
    [b"\0", b"\r", b"\n", b"\t", b'"', b",", b"\xff", b"NaN", b"-1", b"1e9", b"9" * 400, b"\x1a", b"+", b""]
)
QUIET = Console(file=io.StringIO())


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw a file with some places overwritten, perhaps compressed and cut off."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.integers(0, 9))
        content = content[:start] + draw(PIECES | st.binary(max_size=4)) + content[stop:]
    if draw(st.booleans()):
        content = gzip.compress(content)
        content = content[: len(content) - draw(st.sampled_from([0, 0, 1, 9, 20]))]
    return content


SLOW = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(damaged(PLAIN))
def test_a_damaged_table_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table").write_bytes(content)
    try:
        data = read_table(tmp_path / "table")
    except BadTable as error:
        assert str(tmp_path / "table") in str(error)
        assert str(error).isprintable()
    else:
        assert set(data.click.tolist()) <= {0.0, 1.0}
        assert len(data) == len(data.rows) > 0


@SLOW
@given(damaged(logs_of_requests.log(*[logs_of_requests.LINE] * 3)))
def test_a_damaged_log_is_converted_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log").write_bytes(content)
    try:
        convert(tmp_path / "log", tmp_path / "out", None, 6.1, QUIET)
    except (NoRows, BadTable) as error:
        assert str(error).isprintable()


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return auction_logs.write(tmp_path_factory.mktemp("log"), auction_logs.rows()) / "c.episodes.txt"


@SLOW
@given(st.data())
def test_a_damaged_auction_log_is_read_or_refused(tmp_path: Path, episodes: Path, data: st.DataObject) -> None:
    content = data.draw(damaged(episodes.read_bytes()))
    (tmp_path / "c.txt").write_bytes(content)
    for read in (lambda: read_episodes(tmp_path / "c.txt")[0], lambda: read_rows(tmp_path / "c.txt")):
        try:
            rows = read()
        except LogError as error:
            assert "c.txt" in str(error)
            assert str(error).isprintable()
        else:
            assert ((rows.price >= 0) & (rows.price <= 300) & (rows.price % 1 == 0)).all()
            assert ((rows.pctr >= 0) & (rows.pctr <= 1)).all()


@SLOW
@given(damaged(b'{"id": "1", "imp": []}\n{"request": {"id": "2"}, "click": 1, "market_price_cpm": 2.5}\n' * 3))
def test_a_damaged_file_of_requests_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "requests").write_bytes(content)
    bad: list[str] = []
    try:
        list(from_files([tmp_path / "requests"], 1, endless=False, on_bad_line=bad.append))
    except RequestSourceError as error:
        assert str(error)
