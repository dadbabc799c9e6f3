"""Convert logs of real auctions into OpenRTB bid requests, one JSON object per line.

    python -m pipelines.ingest ipinyou-log impressions.log.txt --out requests.jsonl

Each line is `{"request": {...}, "market_price_cpm": <USD>, "click": 0 or 1, "ts": <Unix seconds>}`, the input of
`pipelines.replay`. The log is TSV or CSV, plain or gzip, or Parquet, with columns in iPinYou's order or named in a
header. The last line of standard output counts the lines, and the lines and cells that could not be used.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from pipelines.ipinyou_log import CNY_PER_USD, LogLine, not_understood, to_row
from raybid.refusing import refuse
from rtb.runtime.terminal import plain
from rtb.runtime.text import visible
from rtb.tables import BadLine, read_records

_REPORTED_LINES = 20

_NEEDED = ("click", "bidid", "timestamp", "slotwidth", "slotheight", "slotprice", "payprice")
"""Required columns of a log with a header; what the others say is left out if they are missing."""


class NoRows(ValueError):
    """An error for a file without a single impression."""


@dataclass
class IngestTally:
    """The counts of a conversion.

    Attributes:
        rows: requests written.
        bad_rows: unusable lines.
        clicks: clicks among the requests written.
        left_out: requests that lack a value because its cell could not be read, by column.
        reasons: reasons for the first unusable lines, with their line numbers.
    """

    rows: int = 0
    bad_rows: int = 0
    clicks: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def count_bad(self, place: str, error: BadLine) -> None:
        """Count an unusable line."""
        self.bad_rows += 1
        if len(self.reasons) < _REPORTED_LINES:
            self.reasons.append(f"{place}: {error}")

    def as_json(self) -> dict[str, Any]:
        """Return the counts."""
        counts = {"rows": self.rows, "bad_rows": self.bad_rows, "clicks": self.clicks}
        return {**counts, "left_out": dict(self.left_out)}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def ingest() -> None:
    """Convert logs of real auctions into bid requests."""


@app.command()
def ipinyou_log(
    file: Annotated[Path, typer.Argument(help="iPinYou log, click first, or with a header")],
    out: Annotated[Path, typer.Option(help="JSON lines file to write")],
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of requests to write")] = None,
    cny_per_usd: Annotated[float, typer.Option(min=0.01, help="Yuan per US dollar")] = CNY_PER_USD,
) -> None:
    """Convert a raw iPinYou impression log into OpenRTB 2.6 requests with their market prices and clicks."""
    console = Console(stderr=True)
    try:
        tally = convert(file, out, limit, cny_per_usd, console)
    except (ValueError, OSError) as error:
        refuse("ingest", error)
    for reason in tally.reasons:
        console.print(plain(reason), style="yellow", soft_wrap=True)
    if tally.bad_rows > len(tally.reasons):
        console.print(f"and {tally.bad_rows - len(tally.reasons)} more lines", style="yellow")
    for name, count in tally.left_out.items():
        console.print(f"{name} could not be read in {count} rows and is left out there", style="yellow")
    typer.echo(json.dumps({**tally.as_json(), "out": str(out)}))


def convert(file: Path, out: Path, limit: int | None, cny_per_usd: float, console: Console) -> IngestTally:
    """Write the requests of a log; `out` appears only once it is complete.

    Args:
        file: the log.
        out: file to write.
        limit: maximum number of requests, None: all.
        cny_per_usd: yuan per US dollar.
        console: console for progress.

    Raises:
        NoRows: no line has an impression.
        BadTable: the file is not a table, or is damaged.
        ValueError: the rate is not finite, or `out` is the log itself.
        OSError: a file cannot be read or written.
    """
    if not math.isfinite(cny_per_usd):
        raise ValueError(f"--cny-per-usd {cny_per_usd} is not a rate")
    if out.resolve() == file.resolve():
        raise ValueError(f"--out {out} is the log itself")
    tally = IngestTally()
    draft = out.with_name(f".{out.name}.part")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(visible(file.name), total=file.stat().st_size)
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as written:
                for row in _rows(file, cny_per_usd, tally, lambda count: progress.advance(task, count)):
                    written.write(msgspec.json.encode(row) + b"\n")
                    if limit is not None and tally.rows >= limit:
                        break
            if not tally.rows:
                raise NoRows(_no_rows(file, tally))
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
    return tally


def _rows(
    file: Path, cny_per_usd: float, tally: IngestTally, on_bytes: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    columns = LogLine._fields
    for place, values in read_records(file, _NEEDED, unnamed=columns, on_bad=tally.count_bad, on_bytes=on_bytes):
        line = LogLine(*(values.get(name, "") for name in columns))
        try:
            row = to_row(line, cny_per_usd)
        except BadLine as error:
            tally.count_bad(place, error)
            continue
        tally.rows += 1
        tally.clicks += row["click"]
        tally.left_out.update(not_understood(line))
        yield row


def _no_rows(file: Path, tally: IngestTally) -> str:
    first = f"; {tally.reasons[0]}" if tally.reasons else ""
    return f"{file} has no impression: expected {len(LogLine._fields)} tab-separated columns, click to usertag{first}"


if __name__ == "__main__":
    app()
