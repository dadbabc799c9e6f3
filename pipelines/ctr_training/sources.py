"""Sources of clicks: the simulated market, a table, or the events of served traffic; and their record in artefacts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from pipelines.ctr_training.ipinyou_table import read_table
from pipelines.datasets import ClickData, simulate
from pipelines.served import served_impressions
from rtb.runtime.terminal import plain
from rtb.runtime.text import visible
from rtb.store import Store, open_store
from simulation import reference
from simulation.auctions import WEEK

Kind = Literal["simulator", "table", "events"]


class ClickSourceError(ValueError):
    """An error for a source that is missing or has changed; the message says what to do."""


@dataclass(frozen=True)
class ClickSource:
    """A source of clicks in time order.

    Attributes:
        kind: kind of source.
        path: file of a table.
        impressions: simulator: number to draw.
        seed: simulator: seed of who is shown what and who clicks.
        traffic_seed: simulator: seed of the traffic; none: the default traffic of trainings.
        events: store of events.
    """

    kind: Kind
    path: Path | None = None
    impressions: int = 0
    seed: int = 0
    traffic_seed: int | None = None
    events: Store | None = None

    def read(self, progress: Progress) -> ClickData:
        """Read the impressions.

        Raises:
            BadTable: see `read_table`.
            NothingServed: see `served_impressions`.
            SourceError: the table is not a regular file: it is read twice, as an artefact records its checksum.
            OSError: a file cannot be read.
        """
        if self.kind == "events":
            progress.add_task(visible(f"reading {self._events().url}"), total=None)
            return served_impressions(self._events())
        if self.kind == "table":
            size = _regular(self._path()).stat().st_size
            task = progress.add_task(visible(f"reading {self._path().name}"), total=size)
            return read_table(self._path(), lambda n: progress.advance(task, n), lambda said: _say(progress, said))
        task = progress.add_task("simulating impressions", total=self.impressions)
        # Spread over a week, however few they are: a model that has seen one hour fails in the next.
        market = reference.market(self.traffic_seed, auctions_per_second=self.impressions / WEEK)
        return simulate(market, reference.campaigns(), self.impressions, self.seed, lambda n: progress.advance(task, n))

    def record(self, rows: int) -> dict[str, Any]:
        """Return what an artefact records: enough to find the same `rows` first impressions again."""
        found: dict[str, Any] = {"kind": self.kind, "rows": rows}
        if self.kind == "simulator":
            return found | {"impressions": self.impressions, "seed": self.seed}
        if self.kind == "events":
            return found | {"path": self._place()}
        return found | {"path": str(self._path().resolve()), "sha256": _checksum(self._path())}

    def __str__(self) -> str:
        if self.kind == "simulator":
            return f"simulated market {reference.MARKET_SEED}, seed {self.seed}"
        if self.kind == "events":
            return f"events in {self._events().url.rpartition('/')[2]}"
        return f"table {self._path().name}"

    def _path(self) -> Path:
        assert self.path is not None
        return self.path

    def _events(self) -> Store:
        assert self.events is not None
        return self.events

    def _place(self) -> str:
        """Return where events lie: the whole path of a folder, or a URL."""
        folder = self._events().local()
        return str(folder.resolve()) if folder is not None else self._events().url


def read_recorded(record: dict[str, Any], progress: Progress) -> ClickData:
    """Read the impressions that an artefact says it was trained on.

    Raises:
        SourceError: it does not say, or they are missing or have changed.
        OSError: a file cannot be read.
    """
    if not record:
        raise ClickSourceError("the model does not say what it was trained on: give the table with --train FILE")
    kind, rows, place = record["kind"], int(record["rows"]), str(record.get("path", ""))
    path = Path(place) if place and "://" not in place else None
    if path is not None and not path.exists():
        raise ClickSourceError(f"{path}, which the model was trained on, is gone: give another with --train FILE")
    if kind == "table" and _checksum(path or Path()) != record["sha256"]:
        raise ClickSourceError(
            f"{path} has changed since the model was trained on it: give the original with --train FILE"
        )
    events = open_store(place) if kind == "events" else None
    data = ClickSource(kind, path, record.get("impressions", 0), record.get("seed", 0), events=events).read(progress)
    if len(data) < rows:
        raise ClickSourceError(
            f"{place} has {len(data)} of the {rows} impressions the model was trained on: --train FILE"
        )
    return data.take(slice(None, rows))


def is_recorded(source: ClickSource, record: dict[str, Any]) -> bool:
    """Return whether a model was trained on this very table, or on these events."""
    if source.kind != record.get("kind") or source.kind == "simulator":
        return False
    told = source.record(0)
    return told.get("sha256") == record.get("sha256") and (source.kind == "table" or told["path"] == record.get("path"))


def progress_bars() -> Progress:
    """Return progress bars on standard error."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _regular(file: Path) -> Path:
    if file.exists() and not file.is_file():
        raise ClickSourceError(f"{file} is not a regular file: write the table to one")
    return file


def _say(progress: Progress, said: str) -> None:
    progress.console.print(plain(said), style="yellow", soft_wrap=True)


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
