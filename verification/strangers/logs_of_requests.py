"""Raw impression logs for `ingest`, and request files for `replay` and `conformance`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.ingest import app
from pipelines.ipinyou_log import LogLine
from simulation.exchange.sources import RequestSourceError, from_files
from verification.strangers.case import Case
from verification.strangers.in_process import Ran

LINE = LogLine(
    click="0",
    weekday="2",
    hour="13",
    bidid="446f3f55",
    timestamp="20131022135101295",
    logtype="1",
    ipinyouid="DAILV",
    useragent="windows_chrome",
    ip="113.76.1.*",
    region="216",
    city="220",
    adexchange="2",
    domain="ea12fe49",
    url="b76fad79",
    urlid="null",
    slotid="1925909506",
    slotwidth="300",
    slotheight="250",
    slotvisibility="FirstView",
    slotformat="Na",
    slotprice="13",
    creative="7319",
    bidprice="277",
    payprice="205",
    keypage="null",
    advertiser="2259",
    usertag="10075,10006",
)
_BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 7_0 like Mac OS X) Version/7.0 Mobile/11A465 Safari/9537.53"
_FLOATS = ("click", "region", "city", "adexchange", "slotid", "slotwidth", "slotheight", "slotprice", "payprice")
_REQUEST = b'{"id": "1", "imp": [{"id": "1", "banner": {"w": 300, "h": 250}}]}\n'
_PRICED = _REQUEST + b'{"request": {}, "market_price_cpm": '


def cases() -> list[Case]:
    """Return the cases."""
    plain = log(LINE)
    same = {
        "numbers as 5.0": log(LINE._replace(**{name: f"{getattr(LINE, name)}.0" for name in _FLOATS})),
        "a byte order mark": b"\xef\xbb\xbf" + plain,
        "CRLF": plain.replace(b"\n", b"\r\n"),
        "gzip": gzip.compress(plain),
        "blank lines": b"\n" + plain + b"\n\n",
        "a first line with names": log(LogLine(*LogLine._fields), LINE),
        "names, the other way round": _named(dict(reversed(LINE._asdict().items()))),
        "commas and quotation marks": ",".join(f'"{cell}"' for cell in LINE).encode() + b"\n",
    }
    absent = ("", "Null", "NaN", "None", r"\N", "NA")
    bad = {
        "slotprice": "1.5",
        "payprice": "5000000",
        "click": "2",
        "slotwidth": "0",
        "timestamp": "2013-10-22",
        "bidid": "",
    }
    return [
        *(Case("logs understood", name, partial(_same, content)) for name, content in same.items()),
        *(Case("logs understood", f"absent written {word!r}", partial(_absent, word)) for word in absent),
        *(Case("log lines counted", f"{name} {value!r}", partial(_bad, name, value)) for name, value in bad.items()),
        Case("logs understood", "whole User-Agent headers", _whole_agents),
        Case("logs understood", "cells not understood are counted", _counted),
        Case("logs refused", "UTF-16", partial(_refused, plain.decode().encode("utf-16"), "UTF-16")),
        Case("logs refused", "no line of use", partial(_refused, b"a\tb\n", "has no impression")),
        Case("logs refused", "a column missing", partial(_refused, b"click\tbidid\n1\tx\n", "no column timestamp")),
        Case("logs refused", "written over the log itself", _over_itself),
        Case("logs refused", "a rate without end", _no_rate),
        *(Case("files of requests", name, check) for name, check in _of_requests().items()),
    ]


def log(*lines: LogLine) -> bytes:
    """Return a log of these lines."""
    return "".join("\t".join(line) + "\n" for line in lines).encode()


def _named(line: dict[str, str]) -> bytes:
    return ("\t".join(line) + "\n" + "\t".join(line.values()) + "\n").encode()


def _ingest(content: bytes, folder: Path) -> tuple[Ran, list[dict[str, Any]]]:
    (folder / "log").write_bytes(content)
    ran = Ran(app, "ipinyou-log", folder / "log", "--out", folder / "out")
    written = (folder / "out").read_text().splitlines() if (folder / "out").exists() else []
    return ran, [json.loads(line) for line in written]


def _same(content: bytes, folder: Path) -> str | None:
    _, expected = _ingest(log(LINE), folder)
    (folder / "out").unlink()
    ran, found = _ingest(content, folder)
    if wrong := ran.told(rows=1, bad_rows=0, left_out={}):
        return wrong
    return None if found == expected else f"{found} instead of {expected}"


def _absent(word: str, folder: Path) -> str | None:
    line = LINE._replace(domain=word, url=word, usertag=word, slotid=word, ip=word, useragent=word, region=word)
    ran, found = _ingest(log(line), folder)
    if wrong := ran.told(rows=1, left_out={}):
        return wrong
    shown = json.dumps(found)
    spelled = word if len(word) > 2 else "site"
    return f"{spelled!r} is in {shown}" if spelled in shown or '"segment"' in shown else None


def _bad(name: str, value: str, folder: Path) -> str | None:
    ran, _ = _ingest(log(LINE, LINE._replace(**{name: value})), folder)
    if wrong := ran.told(rows=1, bad_rows=1):
        return wrong
    return None if f"line 2: {name} is" in ran.said else f"it does not name line and column: {ran.said[-200:]!r}"


def _whole_agents(folder: Path) -> str | None:
    ran, found = _ingest(log(LINE._replace(useragent=_BROWSER)), folder)
    if wrong := ran.told(rows=1, left_out={}):
        return wrong
    device = found[0]["request"]["device"]
    is_right = (device.get("ua"), device.get("os"), device.get("devicetype")) == (_BROWSER, "iOS", 1)
    return None if is_right else f"the device is {device}"


def _counted(folder: Path) -> str | None:
    odd = LINE._replace(useragent="amiga_voyager", ip="300.1.1.1", slotvisibility="Nowhere")
    return _ingest(log(LINE, odd, odd), folder)[0].told(rows=3, left_out={"useragent": 2, "ip": 2, "slotvisibility": 2})


def _refused(content: bytes, told: str, folder: Path) -> str | None:
    ran, found = _ingest(content, folder)
    return ran.refused("ingest: ", told) or (f"it wrote {found}" if found else None)


def _over_itself(folder: Path) -> str | None:
    path = folder / "log"
    path.write_bytes(log(LINE))
    wrong = Ran(app, "ipinyou-log", path, "--out", folder / "." / "log").refused("ingest: ", "the log itself")
    return wrong or (None if path.read_bytes() == log(LINE) else "the log has changed")


def _no_rate(folder: Path) -> str | None:
    (folder / "log").write_bytes(log(LINE))
    ran = Ran(app, "ipinyou-log", folder / "log", "--out", folder / "out", "--cny-per-usd", "inf")
    return ran.refused("ingest: ", "not a rate")


def _of_requests() -> dict[str, Callable[[Path], str | None]]:
    utf_16 = _REQUEST.decode().encode("utf-16")
    return {
        "a byte order mark": partial(_requests, b"\xef\xbb\xbf" + _REQUEST * 2, 2, ""),
        "CRLF": partial(_requests, _REQUEST.replace(b"\n", b"\r\n") * 2, 2, ""),
        "gzip": partial(_requests, gzip.compress(_REQUEST * 2), 2, ""),
        "a list over several lines": partial(_requests, b"[\n" + _REQUEST + b"]\n", 1, "1: not a JSON object"),
        "a click of 2": partial(_requests, b'{"request": {}, "click": 2}\n' + _REQUEST, 1, "1: click 2"),
        "a price as text": partial(_requests, _REQUEST + b'{"request": {}, "market_price_cpm": "5"}', 1, "2: market"),
        "a price that is not a number": partial(
            _requests, _REQUEST + b'{"request": {}, "market_price_cpm": NaN}', 1, "2:"
        ),
        "a price beyond all numbers": partial(_requests, _PRICED + b"1e999}", 1, "2: not a JSON object"),
        "a click as a list of lists": partial(_requests, _PRICED + b'1,"click":' + b"[" * 99_999, 1, "2: not a JSON"),
        "UTF-16": partial(_no_requests, utf_16, "UTF-16"),
        "gzip cut off": partial(_no_requests, gzip.compress(_REQUEST * 9)[:-12], "gzip"),
        "nothing": partial(_no_requests, b"", "no JSON object"),
        "Parquet": partial(_no_requests, b"PAR1....", "Parquet"),
    }


def _requests(content: bytes, count: int, told: str, folder: Path) -> str | None:
    (folder / "requests").write_bytes(content)
    bad: list[str] = []
    offers = list(from_files([folder / "requests"], 1, endless=False, on_bad_line=bad.append))
    if len(offers) != count:
        return f"{len(offers)} requests, not {count}; {bad}"
    return None if (told in "".join(bad) if told else not bad) else f"it says {bad}"


def _no_requests(content: bytes, told: str, folder: Path) -> str | None:
    (folder / "requests").write_bytes(content)
    try:
        offers = list(from_files([folder / "requests"], 1, endless=False, on_bad_line=lambda _: None))
    except RequestSourceError as error:
        return None if told in str(error) else f"it says {error}"
    return f"accepted: {len(offers)} requests"
