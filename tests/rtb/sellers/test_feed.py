"""Lists of sellers from files and URLs: what is read, kept, and left out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from rtb.openrtb.supply_chain import Seller
from rtb.sellers import SellerFeed, SellersError
from rtb.sellers.sources import fetch

_RECORD = b"exchange.example, 1, DIRECT\n"


class _Site(BaseHTTPRequestHandler):
    """A site whose answers a test sets."""

    answers: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, headers, body = self.answers.get(self.path, (404, {}, b"<html>"))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    _Site.answers.clear()
    _Site.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sellers.yaml"
    path.write_text(text)
    return path


def test_without_a_table_there_are_no_lists(tmp_path: Path) -> None:
    feed = SellerFeed(None, tmp_path)
    assert not feed.refresh()
    assert not feed.directory.ads_txt


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    ads = tmp_path / "ads.txt"
    ads.write_bytes(_RECORD)
    feed = SellerFeed(_table(tmp_path, f"ads_txt: {{News.example: {ads}}}"), tmp_path / "cache")
    assert feed.refresh()
    assert feed.directory.ads_txt["news.example"].sellers == {Seller("exchange.example", "1")}
    assert not feed.refresh()
    ads.write_bytes(_RECORD + b"other.example, 2, RESELLER\n")
    assert feed.refresh()
    assert len(feed.directory.ads_txt["news.example"].sellers) == 2


def test_a_damaged_list_leaves_the_others(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_bytes(_RECORD)
    bad.write_bytes(b"<html>")
    table = _table(tmp_path, f"ads_txt: {{a.example: {good}, b.example: {bad}, c.example: {tmp_path / 'none'}}}")
    feed = SellerFeed(table, tmp_path / "cache")
    assert feed.refresh()
    assert set(feed.directory.ads_txt) == {"a.example"}
    assert {Path(fault.name).name for fault in feed.faults} == {"bad.txt", "none"}


@pytest.mark.parametrize("text", ["ads_txt: [1]", "unknown: {}", "{", "refresh_hours: 0"])
def test_an_invalid_table_is_a_fault(tmp_path: Path, text: str) -> None:
    feed = SellerFeed(_table(tmp_path, text), tmp_path / "cache")
    assert not feed.refresh()
    assert [fault.kind for fault in feed.faults] == ["sellers"]


def test_a_url_is_fetched_once_in_its_time_and_its_good_copy_stays(tmp_path: Path, site: str) -> None:
    _Site.answers["/app-ads.txt"] = (200, {}, _RECORD)
    now = [0.0]
    table = _table(tmp_path, f"app_ads_txt: {{com.example: '{site}/app-ads.txt'}}\nrefresh_hours: 1")
    feed = SellerFeed(table, tmp_path / "cache", clock=lambda: now[0])
    feed.refresh()
    copy = next(path for path in (tmp_path / "cache").iterdir() if path.name != ".lock")
    now[0] = copy.stat().st_mtime
    feed.refresh()
    assert set(feed.directory.app_ads_txt) == {"com.example"}
    assert len(_Site.asked) == 1
    _Site.answers["/app-ads.txt"] = (200, {}, b"<html>gone")
    now[0] += 2 * 3_600
    feed.refresh()
    assert len(_Site.asked) == 2
    assert set(feed.directory.app_ads_txt) == {"com.example"}
    assert feed.faults
    fresh = SellerFeed(table, tmp_path / "cache", clock=lambda: now[0])
    fresh.refresh()
    assert set(fresh.directory.app_ads_txt) == {"com.example"}


def test_redirects_stay_on_their_host(site: str) -> None:
    _Site.answers["/a"] = (302, {"Location": "/ads.txt"}, b"")
    _Site.answers["/ads.txt"] = (200, {}, _RECORD)
    _Site.answers["/other"] = (302, {"Location": "http://169.254.169.254/latest"}, b"")
    _Site.answers["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    _Site.answers["/round"] = (302, {"Location": "/round"}, b"")
    assert fetch(f"{site}/a") == _RECORD
    for path in ("/other", "/file", "/round", "/missing"):
        with pytest.raises(SellersError):
            fetch(site + path)


def test_a_list_may_not_be_endless(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtb.sellers.sources._MOST_BYTES", 10)
    _Site.answers["/ads.txt"] = (200, {}, _RECORD)
    with pytest.raises(SellersError, match="10 bytes"):
        fetch(f"{site}/ads.txt")
