"""Rates as the European Central Bank publishes them, and what happens to old, bad and missing ones."""

from __future__ import annotations

import io
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rtb.money.currency import NO_RATES, Rates, RatesFeed, RatesFile, read_rates
from rtb.money.ecb import published_at

_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
    'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>'
    "<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>"
    "<Cube>{days}</Cube></gesmes:Envelope>"
)
_DAY = "<Cube time='{date}'><Cube currency='USD' rate='{usd}'/><Cube currency='JPY' rate='129.05'/></Cube>"
_FRIDAY = "2026-11-27"
_RATES = Rates("EUR", {"USD": 1.0891, "JPY": 129.05}, _FRIDAY, is_daily=True)


def xml(*days: tuple[str, str]) -> bytes:
    return _XML.format(days="".join(_DAY.format(date=date, usd=usd) for date, usd in days)).encode()


def zipped(text: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("eurofxref.csv", text)
    return file.getvalue()


_CSV = b"Date, USD, JPY, \n27 November 2026, 1.0891, 129.05, \n"


@pytest.mark.parametrize(
    "text",
    [
        xml((_FRIDAY, "1.0891")),
        b"\xef\xbb\xbf" + xml((_FRIDAY, "1.0891")),
        xml((_FRIDAY, "1.0891"), ("2026-11-26", "1.0")),
        xml(("2026-11-26", "1.0"), (_FRIDAY, "1.0891")),
        _CSV,
        zipped(_CSV),
        b"Date,USD,JPY,CYP,\n2026-11-27,1.0891,129.05,N/A,\n2026-11-26,1,1,0.58,\n",
    ],
)
def test_each_form_is_read_and_of_several_days_the_newest(text: bytes) -> None:
    assert read_rates(text) == _RATES


@pytest.mark.parametrize(
    "text",
    [
        xml(),
        xml((_FRIDAY, "-1.0891")),
        xml((_FRIDAY, "0")),
        xml((_FRIDAY, "1_0")),
        xml((_FRIDAY, "nan")),
        xml(("yesterday", "1.0")),
        xml((_FRIDAY, "1.0891")).replace(b"USD", b"usd"),
        xml((_FRIDAY, "1.0891"))[:-20],
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b"Date, USD, \n27 November 2026, minus one, \n",
        b"Date, USD, \n",
        b"PK\x03\x04 and no more",
        zipped(b"\0" * (17 << 20)),
    ],
)
def test_a_bad_table_is_refused_and_the_previous_one_stays(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_rates(text)
    path = tmp_path / "rates.xml"
    path.write_bytes(xml((_FRIDAY, "1.0891")))
    rates = RatesFile(path)
    assert rates.refresh()
    path.write_bytes(text)
    os.utime(path, (0, 0))
    assert not rates.refresh()
    assert rates.rates == _RATES
    assert [fault.name for fault in rates.faults] == ["rates.xml"]


def test_rates_of_the_bank_are_not_bid_by_when_they_are_old(tmp_path: Path) -> None:
    now = datetime(2026, 11, 30, 15, tzinfo=UTC).timestamp()
    path = tmp_path / "rates.xml"
    path.write_bytes(xml((_FRIDAY, "1.0891")))
    rates = RatesFile(path, most_days=7.0, clock=lambda: now)
    assert rates.refresh()
    assert (rates.age_seconds, rates.is_old, rates.rates) == (3 * 86_400, False, _RATES)
    now += 4 * 86_400 + 1
    assert rates.refresh()
    assert (rates.is_old, rates.rates, rates.faults[0].reason) == (
        True,
        NO_RATES,
        "the rates of 2026-11-27 are 7 days old",
    )
    path.write_bytes(xml(("2026-12-04", "1.1")))
    os.utime(path, (1, 1))
    assert rates.refresh()
    assert (rates.rates.rate("EUR", "USD"), rates.faults) == (1.1, [])


def test_a_table_of_the_operators_own_is_never_too_old(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text("rates: {EUR: 0.9}\nat: '2000-01-01'")
    rates = RatesFile(path, most_days=1.0)
    assert rates.refresh()
    assert not rates.is_old
    assert (rates.age_seconds or 0) > 86_400
    assert RatesFile(None).age_seconds is published_at("for people") is None


def test_a_url_is_fetched_once_and_its_copy_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = [xml((_FRIDAY, "1.0891"))]

    def fetch(url: str, **bounds: float) -> bytes:
        asked.append(url)
        return answer[0]

    monkeypatch.setattr("rtb.runtime.downloads.fetch", fetch)
    feed = RatesFeed("https://bank.example/daily.xml", tmp_path / "rates")
    assert not feed.refresh()
    assert [fault.name for fault in feed.faults] == ["https://bank.example/daily.xml"]  # missing until it is fetched
    feed.fetch()
    feed.fetch()
    assert feed.refresh()
    assert (asked, feed.rates, feed.faults) == (["https://bank.example/daily.xml"], _RATES, [])
    answer[0] = b"<html>We moved.</html>"
    (copy,) = (tmp_path / "rates").iterdir()
    os.utime(copy, (0, 0))  # it is old
    again = RatesFeed("https://bank.example/daily.xml", tmp_path / "rates")
    again.fetch()
    assert again.refresh()
    assert again.rates == _RATES
    assert [fault.kind for fault in again.faults] == ["rates"]


def test_nothing_is_fetched_where_rates_are_a_file_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtb.runtime.downloads.fetch", None)
    for location in ("", str(tmp_path / "rates.yaml")):
        feed = RatesFeed(location, tmp_path)
        feed.fetch()
        assert feed.is_configured == bool(location)
        assert not feed.refresh()
