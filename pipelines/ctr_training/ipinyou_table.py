"""Impressions of an iPinYou table: a header, tab-separated columns, prices in fen, floors as ranges or numbers.

Each row becomes the bid request that `pipelines.ingest` makes of a log line, and is encoded as serving would.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from pipelines.datasets import ClickData
from pipelines.ingest import CNY_PER_USD, BadLine, LogLine, request_of
from rtb import features
from rtb.creative import Creative
from rtb.impression import HOURS_OF_WEEK, impressions_of
from rtb.openrtb import InvalidRequest, decode_request

_NEEDED = ("click", "weekday", "hour", "slotwidth", "slotheight", "creative", "advertiser")
_CHINA_HOURS = 8  # of the log's clock, ahead of UTC
_OPEN_END = 1.5  # of a range without an end: 101+
_STEP = 1_000


class BadTable(ValueError):
    """The file holds no such table; the message says what is wrong and where."""


def read_table(file: Path, on_step: Callable[[int], None] = lambda _: None) -> ClickData:
    """The impressions of a table, in its order.

    Args:
        file: with a header; columns it does not need are passed over.
        on_step: told how many rows were read, for a progress bar.

    Raises:
        BadTable: a column is missing, or a row cannot be read; nothing is left out in silence.
        OSError: it cannot be read.
    """
    rows, clicks = [], []
    try:
        with file.open(encoding="utf-8", newline="") as text:
            for number, values in enumerate(_records(text, file), 2):
                try:
                    rows.append(_row(values))
                except (BadLine, InvalidRequest, ValueError) as error:
                    raise BadTable(f"{file}, line {number}: {error}") from error
                clicks.append(values["click"] == "1")
                if len(rows) % _STEP == 0:
                    on_step(_STEP)
    except UnicodeDecodeError as error:
        raise BadTable(f"{file} is not text in UTF-8") from error
    if not rows:
        raise BadTable(f"{file} holds no impression")
    click = np.array(clicks, np.float32)
    return ClickData(np.array(rows, np.int32), click, np.zeros_like(click))


def _records(text: Iterator[str], file: Path) -> Iterator[dict[str, str]]:
    lines = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(lines, [])
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise BadTable(f"{file} has no column {', '.join(missing)}: its first line must name the columns, with tabs")
    for values in lines:
        if len(values) != len(header):
            raise BadTable(f"{file}, line {lines.line_num}: {len(values)} columns, the header has {len(header)}")
        yield dict(zip(header, values, strict=True))


def _row(values: dict[str, str]) -> list[int]:
    if values["click"] not in ("0", "1"):
        raise BadLine(f"click is {values['click']!r}, not 0 or 1")
    line = LogLine(**{name: values.get(name, "") for name in LogLine._fields})
    # pctr and prices are no features: a bidder does not know them.
    line = line._replace(bidid="row", ip=values.get("IP", line.ip), slotprice=_fen(line.slotprice))
    request = decode_request(msgspec.json.encode(request_of(line, CNY_PER_USD)))
    offered, _ = impressions_of(request, _hour_of_week(line), "USD", 1)
    if not offered:
        raise BadLine("no banner is on offer in it")
    w, h = offered[0].sizes[0]
    return features.impression_row(offered[0]) + _creative_row(line.advertiser, line.creative, w, h)


@lru_cache
def _creative_row(campaign: str, name: str, w: int, h: int) -> list[int]:
    creative = Creative(id=name, w=w, h=h, image_url="https://cdn.example/a.png", landing_url="https://shop.example/")
    return features.creative_row(campaign, creative)


def _hour_of_week(line: LogLine) -> int:
    """In UTC, 0 is Monday 00:00; the log's week begins on Sunday."""
    weekday, hour = int(line.weekday), int(line.hour)
    if not (0 <= weekday <= 6 and 0 <= hour <= 23):
        raise BadLine(f"weekday {weekday} and hour {hour} are no time of a week")
    return ((weekday - 1) * 24 + hour - _CHINA_HOURS) % HOURS_OF_WEEK


def _fen(floor: str) -> str:
    """A floor's number; the middle of a range such as `11-50`, a little over the start of `101+`."""
    least, dash, most = floor.removesuffix("+").partition("-")
    if dash:
        return str((int(least) + int(most)) // 2)
    if floor.endswith("+"):
        return str(int(int(least) * _OPEN_END))
    return floor if floor.isdigit() else "0"
