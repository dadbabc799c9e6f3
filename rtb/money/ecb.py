"""Reference rates as the European Central Bank publishes them each working day: XML, CSV, or CSV in a zip file.

Source: www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml, eurofxref.zip, and the same of ninety days or of all
since 1999, of which the newest day is read. A rate is the units of a currency that one euro is worth.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.parsers import expat

_MOST_BYTES = 16 << 20
"""Most bytes of what is read: all days since 1999 are 8 MB of XML."""

_PUBLISHED_HOUR = 15  # UTC, about
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,12})?", re.ASCII)
_FORMS = ("%Y-%m-%d", "%d %B %Y")
_NONE = ("", "N/A")

Day = tuple[str, dict[str, float]]
"""A date as `YYYY-MM-DD`, and the rates of that day by currency."""


def is_published(text: bytes) -> bool:
    """Return whether a file is in one of the bank's forms."""
    return text.startswith(b"PK") or text.lstrip(b"\xef\xbb\xbf \r\n\t")[:5].lower() in (b"<?xml", b"<gesm", b"date,")


def published_rates(text: bytes) -> Day:
    """Return the newest day of a file.

    Raises:
        ValueError: it is in none of the forms, or a rate is no number above 0; the message says which.
    """
    if text.startswith(b"PK"):
        text = _unzipped(text)
    plain = text.lstrip(b"\xef\xbb\xbf \r\n\t")
    days = _of_xml(plain) if plain.startswith(b"<") else _of_csv(plain)
    if not days:
        raise ValueError("it has no day of rates")
    date, sent = max(days.items())
    return date, {code: _worth(code, rate) for code, rate in sent.items() if rate not in _NONE}


def published_at(date: str) -> float | None:
    """Return the Unix time when the rates of a date were published; `None` where it is no date."""
    try:
        day = datetime.strptime(date, _FORMS[0])
    except ValueError:
        return None
    return day.replace(hour=_PUBLISHED_HOUR, tzinfo=UTC).timestamp()


def _of_xml(text: bytes) -> Mapping[str, dict[str, str]]:
    days: dict[str, dict[str, str]] = {}
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*declared: object) -> None:
        raise ValueError("a document type is declared, which the bank's file has none of")

    def start(name: str, attributes: Mapping[str, str]) -> None:
        if name.rpartition(" ")[2] != "Cube":
            return
        if "time" in attributes:
            days[_date(attributes["time"])] = {}
        elif "currency" in attributes and days:
            days[next(reversed(days))][attributes["currency"]] = attributes.get("rate", "")

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, start
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is not XML: {error}") from error
    return days


def _of_csv(text: bytes) -> Mapping[str, dict[str, str]]:
    rows = csv.reader(io.StringIO(text.decode("utf-8")), skipinitialspace=True)
    codes = [code.strip() for code in next(rows, [])][1:]
    return {
        _date(row[0].strip()): {code: rate.strip() for code, rate in zip(codes, row[1:], strict=False) if code}
        for row in rows
        if row
    }


def _unzipped(text: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(text)) as archive, archive.open(archive.infolist()[0]) as file:
            found = file.read(_MOST_BYTES + 1)
    except (zipfile.BadZipFile, IndexError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"it is no zip file with a table: {error}") from error
    if len(found) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    return found


def _date(text: str) -> str:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).strftime(_FORMS[0])
        except ValueError:
            continue
    raise ValueError(f"{text[:40]!r} is no date")


def _worth(code: str, rate: str) -> float:
    found = float(rate) if _NUMBER.fullmatch(rate) else 0.0
    if found <= 0.0:
        raise ValueError(f"{rate[:40]!r} is no rate of {code[:8]!r}")
    return found
