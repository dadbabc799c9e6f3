"""Impressions of an iPinYou table: columns named in the header, prices in fen, floors as ranges or numbers.

Each row becomes the bid request that `pipelines.ingest` makes of a log line, and is encoded as in serving.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np

from pipelines.datasets import ClickData
from pipelines.ipinyou_log import CNY_PER_USD, MOST_FEN, LogLine, not_understood, request_of
from rtb.campaigns.creative import Creative
from rtb.inventory.impression import HOURS_OF_WEEK, impressions_of
from rtb.models import features
from rtb.openrtb import InvalidRequest, decode_request
from rtb.tables import BadLine, BadTable, flag, identifier, read_records, whole

_NEEDED = ("click", "weekday", "hour", "slotwidth", "slotheight", "creative", "advertiser")
_OPTIONAL = ("useragent", "ip", "region", "city", "domain", "slotid", "slotvisibility", "slotprice", "usertag")
_DEFAULTS = {"slotprice": "0"}  # default of a missing column
_IDS = ("advertiser", "creative")
_FLOOR = re.compile(r"(?P<least>\d{1,9}(?:\.0*)?)(?:\s*-\s*(?P<most>\d{1,9}(?:\.0*)?)|\s*(?P<open>\+))?", re.ASCII)
_CHINA_HOURS = 8  # offset of the log's clock from UTC
_OPEN_END = 1.5  # factor for a range without an end: 101+
_CHUNK = 8_192  # rows kept in lists before they become an array


def read_table(
    file: Path, on_bytes: Callable[[int], None] = lambda _: None, tell: Callable[[str], None] = lambda _: None
) -> ClickData:
    """Read the impressions of a table, in its order.

    Args:
        file: see `rtb.tables.read_records`; extra columns are ignored.
        on_bytes: called with the number of bytes just read, for a progress bar.
        tell: called with what the impressions lack: missing columns, unreadable cells.

    Raises:
        BadTable: a column is missing, or a row cannot be read; no row is skipped.
        OSError: the file cannot be read.
    """
    parts, rows, clicks = [], [], []
    left_out: Counter[str] = Counter()
    missing: list[str] = []

    def refuse(place: str, error: ValueError) -> NoReturn:
        raise BadTable(f"{file}, {place}: {error}") from error

    for place, values in read_records(file, _NEEDED, on_bad=refuse, on_bytes=on_bytes):
        line = LogLine(**{name: values.get(name, _DEFAULTS.get(name, "")) for name in LogLine._fields})
        try:
            clicks.append(flag(line.click, "click"))
            rows.append(_row(line))
        except (BadLine, InvalidRequest) as error:
            refuse(place, error)
        left_out.update(not_understood(line))
        missing = missing or [name for name in _OPTIONAL if name not in values]
        if len(rows) == _CHUNK:
            parts.append(np.array(rows, np.int32))
            rows.clear()
    if not clicks:
        raise BadTable(f"{file} has no impression")
    if missing:
        tell(f"{file.name} has no column {', '.join(missing)}: unknown in all rows")
    for name, count in left_out.items():
        tell(f"{name} could not be read in {count} rows and is treated as unknown there")
    click = np.array(clicks, np.float32)
    rest = np.array(rows, np.int32).reshape(-1, len(features.FIELDS))
    return ClickData(np.concatenate([*parts, rest]), click, np.zeros_like(click))


def _row(line: LogLine) -> list[int]:
    # pctr and prices are not features: a bidder does not know them.
    known = line._replace(bidid="row", slotprice=_fen(line.slotprice))
    campaign, creative = (
        _named(value, name) for name, value in zip(_IDS, (line.advertiser, line.creative), strict=True)
    )
    request = decode_request(msgspec.json.encode(request_of(known, CNY_PER_USD)))
    offered, _ = impressions_of(request, _hour_of_week(line), "USD", 1)
    if not offered:
        raise BadLine("it offers no banner")
    w, h = offered[0].sizes[0]
    return features.impression_row(offered[0]) + _creative_row(campaign, creative, w, h)


def _named(value: str, name: str) -> str:
    found = identifier(value)
    if not found:
        raise BadLine(f"{name} is empty")
    return found


@lru_cache
def _creative_row(campaign: str, name: str, w: int, h: int) -> list[int]:
    creative = Creative(id=name, w=w, h=h, image_url="https://cdn.example/a.png", landing_url="https://shop.example/")
    return features.creative_row(campaign, creative)


def _hour_of_week(line: LogLine) -> int:
    """Return the hour of the week in UTC, 0 for Monday 00:00; the log's week begins on Sunday."""
    weekday, hour = whole(line.weekday, "weekday", 0, 6), whole(line.hour, "hour", 0, 23)
    return ((weekday - 1) * 24 + hour - _CHINA_HOURS) % HOURS_OF_WEEK


def _fen(floor: str) -> str:
    """Return a floor's number; the middle of a range such as `11-50`, a little over the start of `101+`.

    Raises:
        BadLine: it is none of these.
    """
    found = _FLOOR.fullmatch(floor.strip())
    if found is None:
        raise BadLine(f"slotprice is {floor[:40]!r}, not a whole number of fen, a range as 11-50, or as 101+")
    least, most, is_open = whole(found["least"], "slotprice", 0, MOST_FEN), found["most"], found["open"]
    if most:
        return str((least + whole(most, "slotprice", least, MOST_FEN, "a range of fen, its end")) // 2)
    return str(int(least * _OPEN_END) if is_open else least)
