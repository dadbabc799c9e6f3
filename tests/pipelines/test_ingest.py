"""Logs of real auctions as bid requests: generated lines, untidy ones, and the real log where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from pipelines.ingest import app
from pipelines.ipinyou_log import LogLine, to_row
from rtb.openrtb import decode_request
from rtb.tables import BadLine
from simulation.exchange.protocol import read_request
from simulation.exchange.sources import Logged, from_files
from tests.support import SHARED_DATA, require
from verification.strangers.logs_of_requests import LINE


def write(path: Path, *lines: LogLine | str) -> Path:
    path.write_text("".join(("\t".join(line) if isinstance(line, LogLine) else line) + "\n" for line in lines))
    return path


def ingest(file: Path, out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["ipinyou-log", str(file), "--out", str(out), *arguments])


def row_of(**changes: str) -> dict[str, Any]:
    return to_row(LINE._replace(**changes), 6.1)


def request_of(**changes: str) -> dict[str, Any]:
    request: dict[str, Any] = row_of(**changes)["request"]
    return request


def test_a_line_becomes_a_request_with_price_click_and_time():
    row = row_of()
    assert row["market_price_cpm"] == pytest.approx(2.05 / 6.1, abs=1e-6)
    assert row["click"] == 0
    assert row["ts"] == 1_382_421_061  # 2013-10-22 13:51:01 in China is 05:51:01 UTC
    assert row["request"] == {
        "id": "446f3f55",
        "imp": [
            {
                "id": "1",
                "tagid": "1925909506",
                "banner": {"w": 300, "h": 250, "pos": 1},
                "bidfloor": pytest.approx(0.13 / 6.1, abs=1e-6),
                "bidfloorcur": "USD",
            }
        ],
        "site": {"domain": "ea12fe49", "page": "b76fad79"},
        "device": {
            "ua": "Mozilla/5.0 (Windows NT 6.1) Chrome/30.0",
            "os": "Windows",
            "devicetype": 2,
            "ip": "113.76.1.0",
            "geo": {"country": "CHN", "region": "216", "city": "220"},
        },
        "user": {"id": "DAILV", "data": [{"id": "ipinyou", "segment": [{"id": "10075"}, {"id": "10006"}]}]},
        "at": 2,
        "cur": ["USD"],
        "ext": {"adexchange": "2"},
    }


@pytest.mark.parametrize(
    ("agent", "os", "devicetype", "browser"),
    [
        ("android_safari", "Android", 1, "Safari"),
        ("ios_safari", "iOS", 1, "Safari"),
        ("mac_firefox", "macOS", 2, "Firefox"),
        ("windows_ie", "Windows", 2, "MSIE"),
        ("linux_newbrowser", "Linux", 2, "newbrowser"),
        ("other_other", None, None, ""),
    ],
)
def test_user_agents(agent: str, os: str | None, devicetype: int | None, browser: str):
    device = request_of(useragent=agent)["device"]
    assert (device.get("os"), device.get("devicetype")) == (os, devicetype)
    assert browser in device.get("ua", "")


@pytest.mark.parametrize(
    ("visibility", "pos"),
    [("FirstView", 1), ("SecondView", 3), ("FifthView", 3), ("OtherView", 0), ("Na", 0), ("1", 1), ("2", 3)],
)
def test_visibility_is_position(visibility: str, pos: int):
    assert request_of(slotvisibility=visibility)["imp"][0]["banner"]["pos"] == pos


def test_what_the_log_does_not_say_is_left_out():
    request = request_of(url="null", usertag="null", slotid="null", region="null", ip="")
    assert request["site"] == {"domain": "ea12fe49"}
    assert request["user"] == {"id": "DAILV"}
    assert "tagid" not in request["imp"][0]
    assert request["device"]["geo"] == {"country": "CHN", "city": "220"}
    assert "ip" not in request["device"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("click", "2"),
        ("click", ""),
        ("bidid", "null"),
        ("timestamp", "2013"),
        ("timestamp", "20131322135101295"),
        ("slotwidth", "0"),
        ("slotwidth", "wide"),
        ("slotheight", "-1"),
        ("slotprice", "1.5"),
        ("payprice", "null"),
        ("payprice", "²"),
        ("payprice", "9" * 5000),
    ],
)
def test_a_field_that_does_not_hold_what_it_should_is_named(field: str, value: str):
    with pytest.raises(BadLine, match=field):
        row_of(**{field: value})


@given(st.builds(LogLine, *[st.text(max_size=20)] * 27), st.integers(0, 10**6), st.sampled_from(["0", "1"]))
def test_any_text_is_either_a_bad_line_or_a_valid_request(line: LogLine, fen: int, click: str):
    good_numbers = line._replace(
        click=click, timestamp=LINE.timestamp, slotwidth="1", slotheight="1", slotprice=str(fen), payprice=str(fen)
    )
    for candidate in (line, good_numbers):
        try:
            row = to_row(candidate, 6.1)
        except BadLine:
            continue
        request = decode_request(json.dumps(row["request"]).encode())
        assert request.imp[0].bidfloor == row["market_price_cpm"] == pytest.approx(fen / 610, abs=1e-6)


def test_the_command_writes_lines_and_says_what_it_did(tmp_path: Path):
    clicked = LINE._replace(click="1")
    log = write(tmp_path / "log", LINE, "a\tb", clicked, LINE._replace(payprice="x"), "", LINE)
    result = ingest(log, tmp_path / "new" / "out.jsonl")
    out = tmp_path / "new" / "out.jsonl"
    assert result.exit_code == 0
    counts = {"rows": 3, "bad_rows": 2, "clicks": 1, "left_out": {}}
    assert json.loads(result.stdout.splitlines()[-1]) == {**counts, "out": str(out)}
    assert "line 2: 2 columns, not 27" in result.stderr
    assert "line 4: payprice is 'x'" in result.stderr
    offers = list(from_files([out], 1, endless=False, on_bad_line=pytest.fail))
    assert [offer.audience for offer in offers] == [Logged(False), Logged(True), Logged(False)]
    assert {offer.market_cpm for offer in offers} == {row_of()["market_price_cpm"]}
    assert [path.name for path in out.parent.iterdir()] == ["out.jsonl"]


def test_a_header_line_is_not_a_bad_one(tmp_path: Path):
    result = ingest(write(tmp_path / "log", "\t".join(LogLine._fields), LINE), tmp_path / "out")
    assert json.loads(result.stdout)["rows"] == 1
    assert json.loads(result.stdout)["bad_rows"] == 0


def test_limit_and_rate(tmp_path: Path):
    log = write(tmp_path / "log", *[LINE] * 5)
    result = ingest(log, tmp_path / "out", "--limit", "2", "--cny-per-usd", "1")
    rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert json.loads(result.stdout)["rows"] == len(rows) == 2
    assert rows[0]["market_price_cpm"] == 2.05


@pytest.mark.parametrize("content", ["", "not\ta\tlog\n", "\x00\x01\n"])
def test_a_file_with_no_usable_line_is_an_error(tmp_path: Path, content: str):
    (tmp_path / "log").write_text(content)
    (tmp_path / "out").write_text("kept")
    result = ingest(tmp_path / "log", tmp_path / "out")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "expected 27 tab-separated columns" in result.stderr
    assert (tmp_path / "out").read_text() == "kept"  # what was there before is not lost


def test_a_missing_file_is_an_error(tmp_path: Path):
    result = ingest(tmp_path / "absent", tmp_path / "out")
    assert result.exit_code == 1
    assert "absent" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_real_log(tmp_path: Path):
    log = SHARED_DATA / "ipinyou-2259-log" / "impressions.log.txt"
    require(log.exists(), f"the iPinYou log, in {SHARED_DATA.parent.name}/{SHARED_DATA.name} beside the checkout")
    out = tmp_path / "out.jsonl"
    result = ingest(log, out)
    counts = {"rows": 8_355, "bad_rows": 0, "clicks": 5, "left_out": {}}
    assert json.loads(result.stdout.splitlines()[-1]) == {**counts, "out": str(out)}
    lines = log.read_text().splitlines()
    paid = sum(int(line.split("\t")[23]) for line in lines)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum(row["market_price_cpm"] for row in rows) == pytest.approx(paid / 610, rel=1e-4)
    for row in rows:
        request = decode_request(json.dumps(row["request"]).encode())
        assert request.device is not None
        assert request.device.geo is not None
        assert request.device.geo.country == "CHN"
        assert read_request(json.dumps(row["request"]).encode()).imps["1"].sizes
