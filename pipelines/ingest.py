"""Turns logs of real auctions into OpenRTB bid requests, one JSON object a line.

    python -m pipelines.ingest ipinyou-log impressions.log.txt --out requests.jsonl

Each line is `{"request": {...}, "market_price_cpm": <USD>, "click": 0 or 1, "ts": <Unix seconds>}`: what
`pipelines.replay` sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from pipelines.plain import plain

CNY_PER_USD = 6.1
"""Yuan a dollar bought in the autumn of 2013, when the iPinYou logs were taken."""

_FEN_PER_CNY = 100
_CHINA = timezone(timedelta(hours=8))  # the logs' clock
_REPORTED_LINES = 20
_ABSENT = ("", "null", "Na")


class LogLine(NamedTuple):
    """The columns of an iPinYou impression log, in their order, as text; prices are CPM in fen."""

    click: str
    weekday: str
    hour: str
    bidid: str
    timestamp: str
    logtype: str
    ipinyouid: str
    useragent: str
    ip: str
    region: str
    city: str
    adexchange: str
    domain: str
    url: str
    urlid: str
    slotid: str
    slotwidth: str
    slotheight: str
    slotvisibility: str
    slotformat: str
    slotprice: str
    creative: str
    bidprice: str
    payprice: str
    keypage: str
    advertiser: str
    usertag: str


class BadLine(ValueError):
    """A line that does not hold an impression; the message says why."""


class NoRows(ValueError):
    """A file in which not one line holds an impression."""


@dataclass
class Tally:
    """What came of a file.

    Attributes:
        rows: requests written.
        bad_rows: lines that could not be used.
        clicks: of the requests written.
        reasons: why the first of the bad lines could not be used, with their line numbers.
    """

    rows: int = 0
    bad_rows: int = 0
    clicks: int = 0
    reasons: list[str] = field(default_factory=list)


class _Platform(NamedTuple):
    """What a `useragent` says before its underscore."""

    os: str
    devicetype: int  # OpenRTB list 5.21
    comment: str  # in brackets in the User-Agent header


_PLATFORMS = {
    "windows": _Platform("Windows", 2, "Windows NT 6.1"),
    "mac": _Platform("macOS", 2, "Macintosh; Intel Mac OS X 10_8"),
    "linux": _Platform("Linux", 2, "X11; Linux x86_64"),
    "android": _Platform("Android", 1, "Linux; Android 4.2"),
    "ios": _Platform("iOS", 1, "iPhone; CPU iPhone OS 7_0 like Mac OS X"),
}

_BROWSERS = {
    "chrome": "Chrome/30.0",
    "firefox": "Firefox/24.0",
    "ie": "MSIE 9.0",
    "safari": "Version/6.0 Safari/536.26",
    "opera": "Opera/12.16",
    "maxthon": "Maxthon/4.1",
    "sogou": "MetaSr/1.0",
    "theworld": "TheWorld/6.0",
    "other": "",
}

_POSITIONS = {"FirstView": 1, "1": 1, "Na": 0, "0": 0, "255": 0, "OtherView": 0}
"""Slot visibility -> OpenRTB ad position (list 5.4): 1 above the fold, 0 unknown. The rest, SecondView to TenthView,
are as many screens down the page: 3, below the fold."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def ingest() -> None:
    """Turn logs of real auctions into bid requests."""


@app.command()
def ipinyou_log(
    file: Annotated[Path, typer.Argument(help="Log with 27 tab-separated columns, `click` first and `usertag` last")],
    out: Annotated[Path, typer.Option(help="JSON lines to write")],
    limit: Annotated[int | None, typer.Option(min=1, help="Requests to write at most")] = None,
    cny_per_usd: Annotated[float, typer.Option(min=0.01, help="Yuan for a dollar")] = CNY_PER_USD,
) -> None:
    """Turn a raw iPinYou impression log into OpenRTB 2.6 requests with their market prices and clicks."""
    console = Console(stderr=True)
    try:
        tally = convert(file, out, limit, cny_per_usd, console)
    except (NoRows, OSError) as error:
        typer.echo(f"ingest: {error}", err=True)
        raise typer.Exit(1) from error
    for reason in tally.reasons:
        console.print(plain(reason), style="yellow", soft_wrap=True)
    if tally.bad_rows > len(tally.reasons):
        console.print(f"and {tally.bad_rows - len(tally.reasons)} more lines", style="yellow")
    typer.echo(json.dumps({"rows": tally.rows, "bad_rows": tally.bad_rows, "clicks": tally.clicks, "out": str(out)}))


def convert(file: Path, out: Path, limit: int | None, cny_per_usd: float, console: Console) -> Tally:
    """Write the requests of a log; `out` appears only once it is whole.

    Args:
        file: the log.
        out: what to write.
        limit: requests at most, None: all.
        cny_per_usd: yuan for a dollar.
        console: where progress is shown.

    Raises:
        NoRows: no line holds an impression.
        OSError: a file cannot be read or written.
    """
    tally = Tally()
    draft = out.with_name(f".{out.name}.part")
    with file.open("rb") as lines:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as written:
                for row in _rows(_watched(lines, file, console), cny_per_usd, tally):
                    written.write(msgspec.json.encode(row) + b"\n")
                    if limit is not None and tally.rows >= limit:
                        break
            if not tally.rows:
                raise NoRows(_no_rows(file, tally))
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
    return tally


def to_row(line: LogLine, cny_per_usd: float) -> dict[str, Any]:
    """A log line as a request with its market price (USD CPM), click and time.

    Raises:
        BadLine: a field that does not hold what it should.
    """
    if line.click not in ("0", "1"):
        raise BadLine(f"click is {line.click!r}, not 0 or 1")
    return {
        "request": request_of(line, cny_per_usd),
        "market_price_cpm": _usd_cpm(line.payprice, "payprice", cny_per_usd),
        "click": int(line.click),
        "ts": _unix_seconds(line.timestamp),
    }


def _rows(lines: Iterator[bytes], cny_per_usd: float, tally: Tally) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith(b"click\t")):
            continue
        try:
            row = to_row(_split(line), cny_per_usd)
        except BadLine as error:
            tally.bad_rows += 1
            if len(tally.reasons) < _REPORTED_LINES:
                tally.reasons.append(f"line {number}: {error}")
            continue
        tally.rows += 1
        tally.clicks += row["click"]
        yield row


def _watched(lines: Iterator[bytes], file: Path, console: Console) -> Iterator[bytes]:
    """The lines, with a progress bar by bytes."""
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        for line in lines:
            yield line
            progress.advance(task, len(line))


def _no_rows(file: Path, tally: Tally) -> str:
    first = f"; {tally.reasons[0]}" if tally.reasons else ""
    return f"{file} holds no impression: expected {len(LogLine._fields)} tab-separated columns, click to usertag{first}"


def _split(line: bytes) -> LogLine:
    try:
        columns = line.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise BadLine("not UTF-8") from error
    if len(columns) != len(LogLine._fields):
        raise BadLine(f"{len(columns)} columns, not {len(LogLine._fields)}")
    return LogLine(*columns)


def request_of(line: LogLine, cny_per_usd: float) -> dict[str, Any]:
    """The bid request of a log line; where the log names no site, it names none.

    Raises:
        BadLine: a field that does not hold what it should.
    """
    if line.bidid in _ABSENT:
        raise BadLine("bidid is empty")
    site = _present({"domain": line.domain, "page": line.url})
    return {
        "id": line.bidid,
        "imp": [_imp(line, cny_per_usd)],
        **({"site": site} if site else {}),
        "device": _device(line),
        "user": _user(line),
        "at": 2,
        "cur": ["USD"],
        "ext": {"adexchange": line.adexchange},
    }


def _imp(line: LogLine, cny_per_usd: float) -> dict[str, Any]:
    banner = {
        "w": _pixels(line.slotwidth, "slotwidth"),
        "h": _pixels(line.slotheight, "slotheight"),
        "pos": _POSITIONS.get(line.slotvisibility, 3),
    }
    floor = _usd_cpm(line.slotprice, "slotprice", cny_per_usd)
    return {"id": "1", **_present({"tagid": line.slotid}), "banner": banner, "bidfloor": floor, "bidfloorcur": "USD"}


def _device(line: LogLine) -> dict[str, Any]:
    system, _, browser = line.useragent.partition("_")
    geo = {"country": "CHN", **_present({"region": line.region, "city": line.city})}
    address = _present({"ip": line.ip.replace("*", "0")})  # the last number is masked in the log
    platform = _PLATFORMS.get(system)
    if platform is None:
        return {"geo": geo, **address}
    agent = f"Mozilla/5.0 ({platform.comment}) {_BROWSERS.get(browser, browser)}".strip()
    return {"ua": agent, "os": platform.os, "devicetype": platform.devicetype, "geo": geo, **address}


def _user(line: LogLine) -> dict[str, Any]:
    user: dict[str, Any] = _present({"id": line.ipinyouid})
    if line.usertag not in _ABSENT:
        segments = [{"id": tag} for tag in line.usertag.split(",") if tag]
        user["data"] = [{"id": "ipinyou", "segment": segments}]
    return user


def _present(fields: dict[str, str]) -> dict[str, str]:
    """The fields that hold something."""
    return {name: value for name, value in fields.items() if value not in _ABSENT}


def _pixels(text: str, name: str) -> int:
    number = _number(text, name)
    if number < 1:
        raise BadLine(f"{name} is {text!r}, not a size in pixels")
    return number


def _usd_cpm(fen: str, name: str, cny_per_usd: float) -> float:
    """A price of the log (CPM in fen) in dollars, to a millionth."""
    return round(_number(fen, name) / _FEN_PER_CNY / cny_per_usd, 6)


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadLine(f"{name} is {text[:40]!r}, not a number")
    return int(text)


def _unix_seconds(timestamp: str) -> int:
    """Unix seconds of `yyyyMMddHHmmssSSS`, China's time."""
    try:
        if len(timestamp) != 17 or not (timestamp.isascii() and timestamp.isdigit()):
            raise ValueError
        moment = datetime.strptime(timestamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=_CHINA)
    except ValueError as error:
        raise BadLine(f"timestamp is {timestamp[:40]!r}, not yyyyMMddHHmmssSSS") from error
    return int(moment.timestamp())


if __name__ == "__main__":
    app()
