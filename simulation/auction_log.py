"""Logged auctions to bid in again: `click price pctr` rows in time order, and what a campaign knew before them.

The files are those of the iPinYou data as prepared for the RLB paper (Cai et al., WSDM 2017): prices are CPM in
Chinese fen, whole numbers from 0 to 300, so one impression costs price / 1000. Prices, clicks and rates in other units
are refused with their line: they would make every figure of a backtest wrong, and a price-indexed table unbounded.
Files may be compressed with gzip, with `.gz` after their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from rtb.tables import BadTable, read_lines

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_PRICE = 300
"""Highest bid, and last bin of a price histogram."""

EPISODE = 1_000
"""Auctions in an episode of the published protocol."""

STREAM = "-stream"
"""Suffix of a campaign's name that selects its long stream."""

MAX_ROWS = 20_000_000
"""Most auctions in a file: more do not fit into the memory of the processes that bid in them."""

_EPISODE_FILE, _TEST_FILE, _STREAM_FILE, _PAST_FILE = ".episodes.txt", ".test.txt", ".stream-test.txt", ".stream.txt"
_INFO_FILE, _GZIP = ".info.json", ".gz"

_FEN = f"prices are CPM in fen, whole numbers from 0 to {MAX_PRICE}: convert micros, dollars or yuan"
_CHANCE = "a chance from 0 to 1, neither negative nor in percent"
_FORM = "a row should be `click price pctr [hour]`, separated by spaces or tabs"

_MAX_HOURS = 100_000.0  # eleven years; more is not a count of hours
_SHOWN = 60  # characters shown of an invalid line
_CHUNK = 65_536  # rows that are Python numbers at a time
_ENOUGH_ROWS, _MOST_APART, _MOST_OFF = 1_000, 10.0, 30.0  # a gap in prices, or in pctr, this large means another unit
_DIGITS = b"0123456789+-.eE \t\r\n"


class LogError(ValueError):
    """An error for a folder or file in another format; the message says where and why."""


class Totals(msgspec.Struct, frozen=True):
    """The sums over a campaign's training days: `<campaign>.info.json`.

    Attributes:
        imp_train: impressions.
        clk_train: clicks.
        cost_train: sum of the market prices.
        price_counter_train: impressions by market price, 0 to `MAX_PRICE`.
    """

    imp_train: int
    clk_train: int
    cost_train: int
    price_counter_train: list[int]

    @property
    def mean_price(self) -> float:
        """Average market price of an impression."""
        return self.cost_train / self.imp_train

    @property
    def ctr(self) -> float:
        """Clicks per impression."""
        return self.clk_train / self.imp_train

    @property
    def price_chance(self) -> Floats:
        """Probability of each market price, one added to each count (Laplace), shape `(MAX_PRICE + 1,)`."""
        counts = np.array(self.price_counter_train, np.float64) + 1.0
        chance: Floats = counts / counts.sum()
        return chance


@dataclass(frozen=True)
class Rows:
    """Auctions in time order; every field has shape `(n,)`.

    Attributes:
        click: 1 if the impression was clicked.
        price: market price, CPM.
        pctr: predicted click rate.
        hour: hours since the log began; 0 throughout where the log has none.
    """

    click: Ints
    price: Floats
    pctr: Floats
    hour: Floats

    def __len__(self) -> int:
        return len(self.click)

    def part(self, start: int, stop: int | None = None) -> Rows:
        """Return the rows from `start` up to `stop`."""
        cut = slice(start, stop)
        return Rows(self.click[cut], self.price[cut], self.pctr[cut], self.hour[cut])


@dataclass(frozen=True)
class Task:
    """A campaign to evaluate on.

    Attributes:
        name: campaign, followed by `STREAM` for a long stream.
        totals: sums over its training days.
        before: auctions to learn from.
        after: auctions to bid on.
        episode: auctions after which the budget is refilled; for flights by the clock, the usual number in one.
        hours: hours after which the budget is refilled; 0: it is refilled after `episode` auctions.
    """

    name: str
    totals: Totals
    before: Rows
    after: Rows
    episode: int
    hours: float = 0.0

    def budget(self, share: float) -> int:
        """Return the budget of an episode: this share of what its auctions cost on average, as published."""
        return int(self.totals.mean_price * share * self.episode)


def campaigns_in(folder: Path) -> list[str]:
    """Return the campaigns with episodes, sorted; if a folder has none, its long streams.

    Raises:
        LogError: it has neither.
    """
    campaigns = sorted(files_of(folder, _EPISODE_FILE))
    streams = sorted(name + STREAM for name in files_of(folder, _STREAM_FILE))
    if not campaigns and not streams:
        raise LogError(f"no <campaign>{_EPISODE_FILE} and no <campaign>{_STREAM_FILE} in {folder}")
    return campaigns or streams


def streams_in(folder: Path) -> list[str]:
    """Return the names of the long streams that have a past, sorted."""
    return sorted(name + STREAM for name in files_of(folder, _PAST_FILE))


def past_files(folder: Path) -> list[Path]:
    """Return the files with the auctions before the evaluations."""
    return [
        path
        for suffix in (_INFO_FILE, _EPISODE_FILE, _PAST_FILE)
        for _, path in sorted(files_of(folder, suffix).items())
    ]


def files_of(folder: Path, suffix: str) -> dict[str, Path]:
    """Return the files with a suffix by campaign; where both exist, the plain one rather than the compressed one."""
    packed = {path.name.removesuffix(suffix + _GZIP): path for path in folder.glob(f"[!.]*{suffix}{_GZIP}")}
    return packed | {path.name.removesuffix(suffix): path for path in folder.glob(f"[!.]*{suffix}")}


def read_task(folder: Path, name: str) -> Task:
    """Read one campaign.

    It is evaluated on `<c>.test.txt` if that exists, after learning from all of `<c>.episodes.txt`; else on the second
    half of the episodes, after learning from the first. `<c>-stream` is `<c>.stream-test.txt` as one long episode,
    after `<c>.stream.txt`, or after the episodes if that is missing.

    Raises:
        LogError: a file is missing, malformed, or in other units.
    """
    campaign = name.removesuffix(STREAM)
    totals = read_totals(folder, name)
    episodes, stream = _file(folder, campaign, _EPISODE_FILE), _file(folder, campaign, _PAST_FILE)
    if name != campaign:
        after = read_rows(_file(folder, campaign, _STREAM_FILE))
        before = read_rows(stream) if stream.exists() else read_episodes(episodes)[0]
        return _in_one_unit(Task(name, totals, before, after, len(after)))
    rows, episode = read_episodes(episodes)
    test = _file(folder, campaign, _TEST_FILE)
    if test.exists():
        return _in_one_unit(Task(name, totals, rows, read_rows(test), episode))
    cut = len(rows) // episode // 2 * episode
    if not cut:
        raise LogError(f"{episodes} holds fewer than two episodes: nothing comes before the evaluation")
    return _in_one_unit(Task(name, totals, rows.part(0, cut), rows.part(cut), episode))


def read_episodes(path: Path) -> tuple[Rows, int]:
    """Read the rows of an episode file, one after another, and the length of an episode.

    Raises:
        LogError: it is missing or malformed.
    """
    lines = _lines(path)
    episode = _length(path, lines)
    rows = _rows(path, _without_numbers(path, lines, episode))
    if episode > len(rows):
        raise LogError(f"{path}: less than one episode of {episode} auctions, the length in the first line")
    return rows, episode


def read_rows(path: Path) -> Rows:
    """Read the rows of a file `click price pctr [hour]`.

    Raises:
        LogError: it is missing or malformed.
    """
    return _rows(path, _lines(path))


def read_totals(folder: Path, name: str) -> Totals:
    """Read the sums of a campaign's training days, or of a long stream's campaign.

    Raises:
        LogError: the file is missing, malformed, or has prices in another unit.
    """
    path = _file(folder, name.removesuffix(STREAM), _INFO_FILE)
    try:
        content = b"".join(line for _, line in _lines(path))
        totals = msgspec.json.decode(content, type=Totals, strict=False)  # whole numbers may be written 5.0
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LogError(f"{path}: {error}") from error
    counts = totals.price_counter_train
    if min(totals.imp_train, totals.clk_train, totals.cost_train) < 1:
        raise LogError(f"{path}: impressions, clicks and cost of the training days must be above 0")
    if len(counts) != MAX_PRICE + 1 or min(counts) < 0:
        raise LogError(f"{path}: price_counter_train should count the prices 0 to {MAX_PRICE}")
    if totals.clk_train > totals.imp_train:
        raise LogError(f"{path}: {totals.clk_train} clicks on {totals.imp_train} impressions")
    counted = sum(price * count for price, count in enumerate(counts)) / max(sum(counts), 1)
    if totals.mean_price > MAX_PRICE or not 0.5 <= counted / totals.mean_price <= 2.0:
        raise LogError(
            f"{path}: cost_train is {totals.mean_price:g} an impression, price_counter_train {counted:g}: {_FEN}"
        )
    return totals


def _file(folder: Path, campaign: str, suffix: str) -> Path:
    plain = folder / f"{campaign}{suffix}"
    packed = folder / f"{campaign}{suffix}{_GZIP}"
    return packed if packed.exists() and not plain.exists() else plain


def read_length(folder: Path, name: str) -> int:
    """Return the auctions per episode, from the first line of the file; for a long stream, more than `EPISODE`.

    Raises:
        LogError: the file is missing or malformed.
    """
    if name.endswith(STREAM):
        return EPISODE + 1
    path = _file(folder, name, _EPISODE_FILE)
    return _length(path, _lines(path))


def _length(path: Path, lines: Iterator[tuple[int, bytes]]) -> int:
    _, first = next(lines, (1, b""))
    try:
        _, episode = map(int, first.split())
    except ValueError:
        raise LogError(f"{path}: the first line should be `<dimension> <auctions an episode>`") from None
    if episode < 1:
        raise LogError(f"{path}: an episode of {episode} auctions")
    return episode


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers."""
    try:
        for number, line in read_lines(path):
            if line.strip():
                yield number, line
    except (OSError, BadTable) as error:
        raise LogError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _without_numbers(path: Path, lines: Iterator[tuple[int, bytes]], episode: int) -> Iterator[tuple[int, bytes]]:
    """Yield rows without the lines that number the episodes, each of which must be as long as the first line says."""
    count, is_numbered = 0, False
    for number, line in lines:
        if len(line.split(None, 1)) > 1:
            count += 1
            yield number, line
            continue
        if not line.strip().isdigit():
            raise LogError(f"{path}, line {number}: {_shown(line)!r}; {_FORM}")
        if count not in (0, episode):
            raise LogError(f"{path}, line {number}: the previous episode has {count} auctions, not {episode}")
        count, is_numbered = 0, True
    if is_numbered and count > episode:
        raise LogError(f"{path}: the last episode has {count} auctions, not {episode}")


def _rows(path: Path, lines: Iterator[tuple[int, bytes]]) -> Rows:
    parts: list[Floats] = []
    width, since = 0, 0.0
    while chunk := list(islice(lines, _CHUNK)):
        table = _table(path, chunk, width)
        width = table.shape[1]
        _check(path, [number for number, _ in chunk], table, since)
        since = table[-1, 3] if width == 4 else 0.0
        parts.append(table)
        if sum(map(len, parts)) > MAX_ROWS:
            raise LogError(f"{path} holds more than {MAX_ROWS:,} auctions: cut it into several campaigns")
    if not parts:
        raise LogError(f"{path}: rows should be `click price pctr [hour]`, and there should be some")
    table = np.concatenate(parts)
    hour = table[:, 3] if width == 4 else np.zeros(len(table))
    return Rows(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], hour)


def _table(path: Path, chunk: Sequence[tuple[int, bytes]], width: int) -> Floats:
    """Parse rows, shape `(n, 3)` or `(n, 4)`: as wide as the rows before, or any if `width` is 0."""
    cells = [line.split() for _, line in chunk]
    width = width or len(cells[0])
    has_numbers_alone = not b"".join(line for _, line in chunk).translate(None, _DIGITS)
    if has_numbers_alone and width in (3, 4) and all(len(one) == width for one in cells):
        try:
            return np.array(cells, np.float64)
        except ValueError:
            pass
    raise _not_of_the_form(path, chunk, width)


def _check(path: Path, numbers: Sequence[int], table: Floats, since: float) -> None:
    """Raise at a value in another unit.

    Args:
        path: path of the file.
        numbers: line numbers.
        table: values of the lines.
        since: hour of the previous line.
    """
    click, price, pctr = table[:, 0], table[:, 1], table[:, 2]
    rules = [
        ("click", click, (click == 0) | (click == 1), "neither 0 nor 1"),
        ("price", price, (price >= 0) & (price <= MAX_PRICE) & (price == np.floor(price)), _FEN),
        ("pctr", pctr, (pctr >= 0) & (pctr <= 1), _CHANCE),
    ]
    if table.shape[1] == 4:
        hour = table[:, 3]
        rises = np.diff(hour, prepend=since) >= 0
        rules.append(("hour", hour, rises & (hour <= _MAX_HOURS), "hours since the log began, which never decrease"))
    for name, values, is_right, should_be in rules:
        if not is_right.all():
            at = int(np.argmin(is_right))
            raise LogError(f"{path}, line {numbers[at]}: {name} is {values[at]:.10g}: {should_be}")


def _not_of_the_form(path: Path, chunk: Sequence[tuple[int, bytes]], width: int) -> LogError:
    for number, line in chunk:
        cells = line.split()
        try:
            is_right = not line.translate(None, _DIGITS) and len(cells) == width in (3, 4) and [*map(float, cells)]
        except ValueError:
            is_right = False
        if not is_right:
            return LogError(f"{path}, line {number}: {_shown(line)!r} is malformed: {_FORM}")
    return LogError(f"{path}, from line {chunk[0][0]} on: {_FORM}")


def _shown(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:_SHOWN]


def _in_one_unit(task: Task) -> Task:
    """Return the task, unless its rows and its totals differ so much that they must be in different units."""
    for rows in (task.before, task.after):
        if len(rows) < _ENOUGH_ROWS:
            continue
        price, pctr, ctr = float(rows.price.mean()), float(rows.pctr.mean()), task.totals.ctr
        if not 1 / _MOST_APART <= price / task.totals.mean_price <= _MOST_APART:
            raise LogError(
                f"{task.name}: the rows' prices average {price:g}, those of the training days "
                f"{task.totals.mean_price:g}: {_FEN}"
            )
        if not 1 / _MOST_OFF <= pctr / ctr <= _MOST_OFF:
            raise LogError(
                f"{task.name}: pctr averages {pctr:g}, while {ctr:g} of the training days' impressions "
                f"were clicked: {_CHANCE}"
            )
    return task
