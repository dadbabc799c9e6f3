"""Logged auctions to bid in again: `click price pctr` rows in order of time, and what a campaign knew before them.

The files are those of the iPinYou data as prepared for the RLB paper (Cai et al., WSDM 2017): prices are CPM in
Chinese fen, whole numbers from 0 to 300, so one impression costs price / 1000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_PRICE = 300
"""The highest bid, and the last bar of a price histogram."""

EPISODE = 1_000
"""Auctions in an episode of the published protocol."""

STREAM = "-stream"
"""What follows a campaign's name to mean its long stream."""

_EPISODE_FILE, _TEST_FILE, _STREAM_FILE = ".episodes.txt", ".test.txt", ".stream-test.txt"


class LogError(ValueError):
    """A folder or file is not what this module reads; the message says where and why."""


class Totals(msgspec.Struct, frozen=True):
    """`<campaign>.info.json`: sums over a whole campaign's training days.

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
    """Auctions in order of time; every field has shape `(n,)`.

    Attributes:
        click: 1 where the impression was clicked.
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
        """The rows from `start` to before `stop`."""
        cut = slice(start, stop)
        return Rows(self.click[cut], self.price[cut], self.pctr[cut], self.hour[cut])


@dataclass(frozen=True)
class Task:
    """A campaign to evaluate on.

    Attributes:
        name: the campaign, with `STREAM` behind it for a long stream.
        totals: of its training days.
        before: what may be learned from.
        after: what is bid on.
        episode: auctions after which the budget is filled again; of flights by the clock, how many they usually have.
        hours: after which the budget is filled again; 0: it is after `episode` auctions.
    """

    name: str
    totals: Totals
    before: Rows
    after: Rows
    episode: int
    hours: float = 0.0

    def budget(self, share: float) -> int:
        """Budget of an episode: so much of what its auctions cost on average, as published."""
        return int(self.totals.mean_price * share * self.episode)


def campaigns_in(folder: Path) -> list[str]:
    """Campaigns with episodes, sorted; where a folder has none, its long streams.

    Raises:
        LogError: there is neither.
    """
    campaigns = sorted(path.name.removesuffix(_EPISODE_FILE) for path in folder.glob("*" + _EPISODE_FILE))
    streams = sorted(path.name.removesuffix(_STREAM_FILE) + STREAM for path in folder.glob("*" + _STREAM_FILE))
    if not campaigns and not streams:
        raise LogError(f"no <campaign>{_EPISODE_FILE} and no <campaign>{_STREAM_FILE} in {folder}")
    return campaigns or streams


def read_task(folder: Path, name: str) -> Task:
    """Read one campaign.

    It is evaluated on `<c>.test.txt` where that is, after learning from all of `<c>.episodes.txt`; else on the
    second half of the episodes, after learning from the first. `<c>-stream` is `<c>.stream-test.txt` as one long
    episode, after `<c>.stream.txt`, or after the episodes where that is missing.

    Raises:
        LogError: a file is missing or not of this form.
    """
    campaign = name.removesuffix(STREAM)
    totals = _read_totals(folder / f"{campaign}.info.json")
    episodes, stream = folder / f"{campaign}{_EPISODE_FILE}", folder / f"{campaign}.stream.txt"
    if name != campaign:
        after = read_rows(folder / f"{campaign}{_STREAM_FILE}")
        before = read_rows(stream) if stream.exists() else read_episodes(episodes)[0]
        return Task(name, totals, before, after, len(after))
    rows, episode = read_episodes(episodes)
    test = folder / f"{campaign}{_TEST_FILE}"
    if test.exists():
        return Task(name, totals, rows, read_rows(test), episode)
    cut = len(rows) // episode // 2 * episode
    if not cut:
        raise LogError(f"{episodes} holds fewer than two episodes: nothing comes before the evaluation")
    return Task(name, totals, rows.part(0, cut), rows.part(cut), episode)


def read_episodes(path: Path) -> tuple[Rows, int]:
    """Rows of an episode file, one after another, and the length of an episode.

    Raises:
        LogError: it is missing or not of this form.
    """
    lines = _lines(path)
    try:
        episode = int(lines[0].split()[1])
    except (IndexError, ValueError):
        raise LogError(f"{path}: the first line should be `<dimension> <auctions an episode>`") from None
    if episode < 1:
        raise LogError(f"{path}: an episode of {episode} auctions")
    return _rows(path, [line for line in lines[1:] if len(line.split(None, 1)) == 2]), episode


def read_rows(path: Path) -> Rows:
    """Rows of a file `click price pctr [hour]`.

    Raises:
        LogError: it is missing or not of this form.
    """
    return _rows(path, _lines(path))


def _read_totals(path: Path) -> Totals:
    try:
        totals = msgspec.json.decode(path.read_bytes(), type=Totals)
    except (OSError, msgspec.MsgspecError) as error:
        raise LogError(f"{path}: {error}") from error
    if min(totals.imp_train, totals.clk_train, totals.cost_train) < 1:
        raise LogError(f"{path}: impressions, clicks and cost of the training days must be above 0")
    if len(totals.price_counter_train) != MAX_PRICE + 1:
        raise LogError(f"{path}: price_counter_train should count the prices 0 to {MAX_PRICE}")
    return totals


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LogError(f"{path}: {error}") from error


def _rows(path: Path, lines: Sequence[str]) -> Rows:
    try:
        table = np.array([line.split() for line in lines], np.float64)
    except ValueError:
        raise LogError(f"{path}: a row is not of the form `click price pctr [hour]`") from None
    if table.ndim != 2 or table.shape[1] not in (3, 4):
        raise LogError(f"{path}: rows should be `click price pctr [hour]`, and there should be some")
    if (table[:, 1] < 0).any() or (table[:, 2] < 0).any() or not np.isfinite(table).all():
        raise LogError(f"{path}: a price or pctr is negative or no number")
    hour = table[:, 3] if table.shape[1] == 4 else np.zeros(len(table))
    return Rows(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], hour)
